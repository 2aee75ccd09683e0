//! Takes a rendered manifest apart as helm does: YAML and JSON documents, `List` objects, hooks, and files of `crds/` folders.
//!
//! Input is text that helm rendered or stored, or paths of chart files. Output is single objects in their order. Every reader
//! of a stored or a new manifest uses this module: an object that one reader sees and another does not is deleted unseen.

use serde_json::Value;

use super::yaml::{self, ErrorDetail, YamlError};

/// helm's annotation that makes an object a hook: a comma-separated list of events.
pub const HOOK_ANNOTATION: &str = "helm.sh/hook";

/// helm's annotations and label that say which release owns an object. helm refuses to import an object without them
/// (<https://github.com/helm/helm/blob/v3.19.0/pkg/action/validate.go>).
pub const RELEASE_NAME_ANNOTATION: &str = "meta.helm.sh/release-name";
/// See [`RELEASE_NAME_ANNOTATION`].
pub const RELEASE_NAMESPACE_ANNOTATION: &str = "meta.helm.sh/release-namespace";
/// See [`RELEASE_NAME_ANNOTATION`].
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Adds helm's ownership metadata, as helm does when it creates an object.
pub fn set_release_owner(document: &mut Value, release: &str, namespace: &str) {
    let metadata = &mut document["metadata"];
    metadata["annotations"][RELEASE_NAME_ANNOTATION] = release.into();
    metadata["annotations"][RELEASE_NAMESPACE_ANNOTATION] = namespace.into();
    metadata["labels"][MANAGED_BY_LABEL] = "Helm".into();
}

/// Whether helm would adopt a live object into this release: its metadata names the release
/// (<https://github.com/helm/helm/blob/v3.17.2/pkg/action/validate.go>, `checkOwnership`).
#[must_use]
pub fn is_owned_by_release(live: &Value, release: &str, namespace: &str) -> bool {
    let metadata = &live["metadata"];
    metadata["labels"][MANAGED_BY_LABEL] == "Helm"
        && metadata["annotations"][RELEASE_NAME_ANNOTATION] == release
        && metadata["annotations"][RELEASE_NAMESPACE_ANNOTATION] == namespace
}

/// The objects of a manifest, with every `List` taken apart.
///
/// # Errors
/// The text is not YAML.
pub fn parse_manifest(text: &str, detail: ErrorDetail) -> Result<Vec<Value>, YamlError> {
    Ok(flatten_lists(yaml::parse_documents(text, detail)?))
}

/// Replaces every list by its items, nested lists included.
///
/// helm reads manifests through the resource builder of kubectl with `Flatten()`, which decodes each object with `items` as a list
/// (<https://github.com/kubernetes/apimachinery/blob/v0.34.0/pkg/apis/meta/v1/unstructured/helpers.go>, `detectList`). A list that
/// is a hook is a hook as a whole, so its items inherit the annotation.
#[must_use]
pub fn flatten_lists(documents: Vec<Value>) -> Vec<Value> {
    documents.into_iter().flat_map(flatten_list).collect()
}

fn flatten_list(mut document: Value) -> Vec<Value> {
    let Some(Value::Array(items)) = document.get_mut("items").map(Value::take) else { return vec![document] };
    let hook = document.pointer("/metadata/annotations/helm.sh~1hook").cloned();
    let items = items.into_iter().filter(Value::is_object).map(|mut item| {
        if let Some(hook) = &hook {
            item["metadata"]["annotations"][HOOK_ANNOTATION] = hook.clone();
        }
        item
    });
    flatten_lists(items.collect())
}

/// Whether helm runs this object as a hook. A hook is in no release manifest: an object that becomes one leaves the manifest, and
/// helm deletes it (<https://github.com/helm/helm/blob/v3.19.0/pkg/releaseutil/manifest_sorter.go>).
#[must_use]
pub fn is_hook(document: &Value) -> bool {
    document.pointer("/metadata/annotations/helm.sh~1hook").is_some()
}

/// The objects that helm keeps in the release's manifest.
pub fn release_objects(documents: &[Value]) -> impl Iterator<Item = &Value> {
    documents.iter().filter(|document| !is_hook(document))
}

/// Whether helm reads a chart's file as a CRD of a `crds/` folder: it installs these once, beside the release, and never upgrades
/// them. Paths are relative to the chart; a subchart's own folder may be called `crds` too
/// (<https://github.com/helm/helm/blob/v3.19.0/pkg/chart/chart.go>, `CRDObjects` and `hasManifestExtension`).
#[must_use]
pub fn is_folder_crd_path(path: &str) -> bool {
    let mut rest = path;
    while let Some((_, inside)) = rest.strip_prefix("charts/").and_then(|inside| inside.split_once('/')) {
        rest = inside;
    }
    let extension = rest.rsplit_once('.').map(|(_, extension)| extension);
    rest.starts_with("crds/") && matches!(extension, Some("yaml" | "yml" | "json"))
}

/// Whether a chart's file is stored in a release record: helm stores the files of the chart itself, not those of its subcharts
/// (<https://github.com/helm/helm/blob/v3.19.0/pkg/chart/chart.go>: `dependencies` is not serialized).
#[must_use]
pub fn is_recorded_path(path: &str) -> bool {
    !path.starts_with("charts/")
}

/// What helm stores of the output of `helm template`: all of it but the files of `crds/` folders, which `--include-crds` adds.
///
/// Each document starts with a comment `# Source: CHART/PATH`.
#[must_use]
pub fn recorded_text(rendered: &str) -> String {
    let is_folder_crd = |document: &&str| {
        let source = document.lines().find_map(|line| line.strip_prefix("# Source: "));
        source.and_then(|source| source.split_once('/')).is_some_and(|(_, path)| is_folder_crd_path(path))
    };
    rendered.split("\n---\n").filter(|document| !is_folder_crd(document)).collect::<Vec<_>>().join("\n---\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<String> {
        let objects = parse_manifest(text, ErrorDetail::Snippet).unwrap();
        objects.iter().map(|object| object["kind"].as_str().unwrap_or("none").to_owned()).collect()
    }

    #[test]
    fn lists_are_taken_apart_as_helm_does() {
        let list = r#"{"apiVersion": "v1", "kind": "List", "items": [{"kind": "A"}, {"kind": "List", "items": [{"kind": "B"}]}]}"#;
        assert_eq!(kinds(&format!("---\nkind: C\n---\n{list}\n---\n# nothing\n---\n")), ["C", "A", "B"]);
        assert_eq!(kinds("kind: WidgetList\nitems: []\n"), [""; 0]);
        assert_eq!(kinds("kind: Widget\nspec: {items: [1]}\n"), ["Widget"]);
        assert_eq!(kinds("kind: ConfigMap\nitems: text\n"), ["ConfigMap"]);
    }

    #[test]
    fn a_list_that_is_a_hook_makes_hooks_of_its_items() {
        let text = "kind: List\nmetadata: {annotations: {helm.sh/hook: pre-install}}\nitems:\n- {kind: A, metadata: {name: a}}\n";
        let objects = parse_manifest(text, ErrorDetail::Snippet).unwrap();
        assert!(objects.iter().all(is_hook) && objects.len() == 1);
        assert_eq!(release_objects(&objects).count(), 0);
    }

    #[test]
    fn files_of_crds_folders_are_those_that_helm_reads() {
        let folder = [
            "crds/a.yaml",
            "crds/a.yml",
            "crds/a.json",
            "crds/deep/er/a.yaml",
            "charts/sub/crds/a.yaml",
            "charts/crds/crds/a.yaml",
            "charts/sub-1.2.3/charts/inner/crds/a.yaml",
        ];
        for path in folder {
            assert!(is_folder_crd_path(path), "{path}");
        }
        let others = [
            "crds/README.md",
            "crds/a",
            "files/crds/a.yaml",
            "templates/crds/a.yaml",
            "charts/crds/crd.yaml",
            "charts/crds/templates/crd.yaml",
            "charts/sub/files/crds/a.yaml",
        ];
        for path in others {
            assert!(!is_folder_crd_path(path), "{path}");
        }
    }

    #[test]
    fn crds_of_folders_are_not_stored_with_the_manifest() {
        let rendered = "---\n# Source: m/crds/a.yaml\nkind: A\n---\n# Source: m/charts/s/crds/b.yaml\nkind: B\n---\n# Source: m/templates/c.yaml\nkind: C\n";
        assert_eq!(recorded_text(rendered), "# Source: m/templates/c.yaml\nkind: C\n");
    }
}
