//! A CustomResourceDefinition as raw JSON with a few readers: a typed struct would drop what it does not know.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::release_objects;
use super::object::{Condition, find_condition};

/// The kind of a CRD.
pub const CRD_KIND: &str = "CustomResourceDefinition";

/// The API server's path of a CRD.
#[must_use]
pub fn crd_path(name: &str) -> String {
    format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
}

/// One CRD, from a chart or from the cluster. Nothing of it is lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Crd(Value);

/// One entry of `spec.versions`.
#[derive(Debug, Clone, Copy)]
pub struct CrdVersion<'a> {
    /// `v1beta1`
    pub name: &'a str,
    /// Whether clients can use it.
    pub served: bool,
    /// Whether objects are stored in it.
    pub storage: bool,
    /// `schema.openAPIV3Schema`
    pub schema: Option<&'a Value>,
}

impl Crd {
    /// Takes a document that is a CRD (any `apiextensions.k8s.io` version) with a name; gives back any other.
    ///
    /// # Errors
    /// The document itself, where it is something else.
    pub fn new(document: Value) -> Result<Self, Value> {
        if Self::name_of(&document).is_some() { Ok(Self(document)) } else { Err(document) }
    }

    /// The name of the CRD that a document is; none where it is something else.
    #[must_use]
    pub fn name_of(document: &Value) -> Option<&str> {
        let is_crd = document["kind"] == "CustomResourceDefinition"
            && document["apiVersion"].as_str().is_some_and(|version| version.starts_with("apiextensions.k8s.io/"));
        document.pointer("/metadata/name").filter(|_| is_crd)?.as_str()
    }

    /// The whole document.
    #[must_use]
    pub const fn json(&self) -> &Value {
        &self.0
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// `metadata.name`: `<plural>.<group>`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `spec.group`
    #[must_use]
    pub fn group(&self) -> &str {
        self.text("/spec/group")
    }

    /// `spec.names.kind`
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("/spec/names/kind")
    }

    /// `spec.names.plural`
    #[must_use]
    pub fn plural(&self) -> &str {
        self.text("/spec/names/plural")
    }

    /// Whether objects live in namespaces.
    #[must_use]
    pub fn is_namespaced(&self) -> bool {
        self.text("/spec/scope") == "Namespaced"
    }

    /// `metadata.uid`: empty where it comes from a chart.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// An annotation's value.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.0.pointer("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Who keeps it, as its own labels and annotations say: Flux, Argo CD or helm; empty where nothing says so.
    #[must_use]
    pub fn describe_manager(&self) -> String {
        let label = |key: &str| self.0.pointer("/metadata/labels").and_then(|all| all.get(key)?.as_str());
        let flux = |kind: &str, group: &str| {
            let name = label(&format!("{group}/name"))?;
            let namespace = label(&format!("{group}/namespace")).unwrap_or_default();
            Some(format!("Flux {kind} {namespace}/{name}"))
        };
        let argo = || {
            let id = self.annotation("argocd.argoproj.io/tracking-id").and_then(|id| id.split(':').next());
            Some(format!("Argo CD {}", id.or_else(|| label("argocd.argoproj.io/instance"))?))
        };
        let helm = || {
            let name = self.annotation("meta.helm.sh/release-name")?;
            let namespace = self.annotation("meta.helm.sh/release-namespace").unwrap_or_default();
            Some(format!("helm {namespace}/{name}"))
        };
        flux("Kustomization", "kustomize.toolkit.fluxcd.io")
            .or_else(|| flux("HelmRelease", "helm.toolkit.fluxcd.io"))
            .or_else(argo)
            .or_else(helm)
            .unwrap_or_default()
    }

    /// `spec.versions`, in its own order.
    pub fn versions(&self) -> impl Iterator<Item = CrdVersion<'_>> {
        self.0.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten().map(|version| CrdVersion {
            name: version["name"].as_str().unwrap_or_default(),
            served: version["served"] == true,
            storage: version["storage"] == true,
            schema: version.pointer("/schema/openAPIV3Schema"),
        })
    }

    /// The version in which all objects are best read: the one in which they are stored, else the first that is served.
    #[must_use]
    pub fn reading_version(&self) -> Option<&str> {
        let served = || self.versions().filter(|version| version.served);
        served().find(|version| version.storage).or_else(|| served().next()).map(|version| version.name)
    }

    /// Where the API server lists the objects of all namespaces: `/apis/<group>/<version>/<plural>`.
    #[must_use]
    pub fn collection_path(&self, version: &str) -> String {
        format!("/apis/{}/{version}/{}", self.group(), self.plural())
    }

    /// Where the objects of one namespace are (empty: those of the cluster).
    #[must_use]
    pub fn namespaced_collection_path(&self, version: &str, namespace: &str) -> String {
        if namespace.is_empty() {
            return self.collection_path(version);
        }
        format!("/apis/{}/{version}/namespaces/{namespace}/{}", self.group(), self.plural())
    }

    /// Whether the status of objects is written apart from the rest.
    #[must_use]
    pub fn has_status_subresource(&self, version: &str) -> bool {
        let versions = self.0.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
        let mut matching = versions.filter(|one| one["name"] == version);
        matching.any(|one| one.pointer("/subresources/status").is_some_and(Value::is_object))
    }

    /// Whether a version is marked as deprecated.
    #[must_use]
    pub fn is_deprecated(&self, version: &str) -> bool {
        let versions = self.0.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
        versions.into_iter().any(|one| one["name"] == version && one["deprecated"] == true)
    }

    /// The version in which objects are stored.
    #[must_use]
    pub fn storage_version(&self) -> &str {
        self.versions().find(|version| version.storage).map_or("", |version| version.name)
    }

    /// `status.storedVersions`: a claim of the server, not a proof (facts of storage migration).
    #[must_use]
    pub fn stored_versions(&self) -> Vec<&str> {
        self.0
            .pointer("/status/storedVersions")
            .and_then(Value::as_array)
            .map(|versions| versions.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    /// A condition of the CRD's status: `Established`, `NamesAccepted`, `NonStructuralSchema`, …
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<Condition<'_>> {
        find_condition(&self.0, kind)
    }

    /// The field managers that own a part of its spec, sorted.
    #[must_use]
    pub fn spec_managers(&self) -> Vec<String> {
        let entries = self.0.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
        let of_spec = entries.filter(|entry| entry.pointer("/fieldsV1/f:spec").is_some());
        let mut names: Vec<String> = of_spec.filter_map(|entry| entry["manager"].as_str().map(str::to_owned)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether a condition is `True`.
    #[must_use]
    pub fn has_condition(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|found| found.status == "True")
    }
}

/// The names of the CRDs that a chart renders as templates: what stands in `crds/` folders is taken out, once for each file there.
///
/// helm puts these into the release's manifest, writes them with the release, and deletes them when they leave it.
#[must_use]
pub fn list_template_crds(rendered: &[Value], crds_folder: &[String]) -> Vec<String> {
    let mut in_folder: Vec<&str> = crds_folder.iter().map(String::as_str).collect();
    let mut names = Vec::new();
    for name in release_objects(rendered).filter_map(Crd::name_of) {
        match in_folder.iter().position(|other| *other == name) {
            Some(at) => drop(in_folder.swap_remove(at)),
            None => names.push(name.to_owned()),
        }
    }
    names
}

/// A manager that owns a part of a CRD's spec, and when it last wrote: RFC 3339, whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecWriter {
    /// `kubectl`, `helm-controller`, …
    pub manager: String,
    /// When.
    pub time: String,
}

/// Everybody who owns a part of a CRD's spec, the last writer last.
#[must_use]
pub fn list_spec_writers(crd: &Crd) -> Vec<SpecWriter> {
    let entries = crd.json().pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let of_spec = entries.filter(|entry| entry.pointer("/fieldsV1/f:spec").is_some());
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<SpecWriter> =
        of_spec.map(|entry| SpecWriter { manager: text(entry, "manager"), time: text(entry, "time") }).collect();
    all.sort_by(|a, b| a.time.cmp(&b.time));
    all
}

/// The writers of a CRD's spec. A manager that loses fields to another manager keeps its time.
#[must_use]
pub fn find_writer_since(before: &[SpecWriter], now: &[SpecWriter]) -> Option<SpecWriter> {
    now.iter().rfind(|writer| !before.contains(writer)).or_else(|| now.last()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_crd_with_a_name_is_one() {
        assert!(Crd::new(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})).is_err());
        let crd = Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "hubs.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Hub", "plural": "hubs"}, "versions": [{"name": "v1", "served": true, "storage": true}]},
            "status": {"storedVersions": ["v1"]}}))
        .unwrap();
        assert_eq!((crd.name(), crd.storage_version(), crd.stored_versions()), ("hubs.example.com", "v1", vec!["v1"]));
    }

    #[test]
    fn a_file_in_the_crds_folder_is_not_a_template() {
        let crd = |name: &str| json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}});
        let rendered = [crd("a.x"), crd("b.x"), crd("a.x"), json!({"kind": "ConfigMap"})];
        assert_eq!(list_template_crds(&rendered, &["a.x".to_owned()]), ["b.x", "a.x"]);
    }

    #[test]
    fn a_new_writer_differs_from_one_that_lost_fields() {
        let crd = |gitops: &str| {
            let entry =
                |manager: &str, time: &str| json!({"manager": manager, "time": time, "fieldsV1": {"f:spec": {}}});
            let fields = json!([entry("gitops", gitops), entry("kubectl", "2026-11-24T07:00:01Z"), {"manager": "apiserver", "fieldsV1": {"f:status": {}}}]);
            let document = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "a", "managedFields": fields}});
            list_spec_writers(&Crd::new(document).unwrap())
        };
        let (before, after) = (crd("2026-11-24T06:00:00Z"), crd("2026-11-24T07:00:01Z"));
        assert_eq!(before.len(), 2);
        assert_eq!(find_writer_since(&before, &after).unwrap().manager, "gitops", "in the same second");
        assert_eq!(find_writer_since(&before, &before).unwrap().manager, "kubectl", "no new writer: the last one");
    }
}
