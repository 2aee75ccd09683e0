//! The commits for objects that Git manages: each object in its new state, in merge order.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{FluxRoute, FluxRoutes, build_ready_expr};
use crate::model::flux::{FluxObject, FluxRef};
use crate::model::secret::Hidden;
use crate::model::yaml::{self, YamlError};

/// One object to commit.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitFile {
    /// The object.
    pub object: FluxRef,
    /// The file name; its number is the merge order.
    pub file_name: String,
    /// The changes, key by key; values are masked.
    pub changes: Vec<String>,
    /// The object in its new state.
    #[serde(skip)]
    pub manifest: Hidden<Value>,
}

impl CommitFile {
    /// The text of the file.
    ///
    /// # Errors
    /// The object cannot be serialized as YAML.
    pub fn render(&self) -> Result<String, YamlError> {
        let mut text = format!("# {} of an upgrade; commit it in the order of the numbers.\n", self.object);
        for change in &self.changes {
            let _ = writeln!(text, "#   {change}");
        }
        Ok(text + &yaml::write(self.manifest.reveal())?)
    }
}

/// The commits in order: the CRD source, the application's HelmRelease, whose readyExpr waits for the CRDs, the application's source.
/// All can be merged at once: then Flux itself follows the order.
#[must_use]
pub fn build_commits(routes: &FluxRoutes) -> Vec<CommitFile> {
    let mut all = Vec::new();
    all.extend(routes.crds.as_ref().and_then(build_source_commit));
    all.extend(routes.app.as_ref().and_then(|app| build_release_commit(app, routes.crds.as_ref())));
    all.extend(routes.app.as_ref().and_then(build_source_commit));
    number_files(all)
}

/// Numbers the files.
#[must_use]
pub fn number_files(mut all: Vec<CommitFile>) -> Vec<CommitFile> {
    for (at, commit) in all.iter_mut().enumerate() {
        commit.file_name = format!("{}-{}-{}.yaml", at + 1, commit.object.name, commit.object.kind.to_lowercase());
    }
    all
}

fn build_source_commit(route: &FluxRoute) -> Option<CommitFile> {
    let (object, patch) = route.version_patch.as_ref().filter(|_| route.needs_source_patch())?;
    Some(build_commit(object.clone(), route.find_object(object)?, patch))
}

/// The application's HelmRelease: its dependsOn, and its values if they change.
fn build_release_commit(app: &FluxRoute, crds: Option<&FluxRoute>) -> Option<CommitFile> {
    let mut patch = json!({});
    if let Some(after) = crds.and_then(|crds| build_depends_on(app, crds)) {
        patch["spec"]["dependsOn"] = after;
    }
    if let Some(values) = &app.values {
        patch["spec"]["values"] = values.reveal().clone();
    }
    let changes = patch.as_object().is_some_and(|fields| !fields.is_empty());
    changes.then(|| build_commit(app.helm_release.object_ref(), app.helm_release.json(), &patch))
}

/// `dependsOn` with an expression that requires the new version of the CRD chart.
fn build_depends_on(app: &FluxRoute, crds: &FluxRoute) -> Option<Value> {
    let expression = build_ready_expr(&crds.target.as_ref()?.version);
    let mut all =
        app.helm_release.json().pointer("/spec/dependsOn").and_then(Value::as_array).cloned().unwrap_or_default();
    let on_crds =
        app.helm_release.depends_on().iter().position(|one| one.helm_release == crds.helm_release.object_ref());
    match on_crds.and_then(|at| all.get_mut(at)) {
        Some(entry) if entry["readyExpr"] == *expression => return None,
        Some(entry) => entry["readyExpr"] = expression.into(),
        None => {
            let crds_ref = crds.helm_release.object_ref();
            all.push(json!({"name": crds_ref.name, "namespace": crds_ref.namespace, "readyExpr": expression}));
        }
    }
    Some(Value::Array(all))
}

/// An object as Git has it, with a patch applied.
#[must_use]
pub fn build_commit(object: FluxRef, current: &Value, patch: &Value) -> CommitFile {
    let mut manifest = strip_server_fields(current);
    let mut changes = Vec::new();
    apply_patch(&mut manifest, patch, "", &mut changes);
    CommitFile { object, file_name: String::new(), changes, manifest: Hidden::new(manifest) }
}

/// The part of an object that a person wrote: without the fields of servers and controllers.
fn strip_server_fields(object: &Value) -> Value {
    let mut metadata = Map::new();
    for key in ["name", "namespace"] {
        metadata.insert(key.to_owned(), object["metadata"][key].clone());
    }
    let ours = |key: &&String| {
        !key.contains("fluxcd.io/") && !key.contains("kubectl.kubernetes.io/") && !key.contains("argocd")
    };
    for key in ["labels", "annotations"] {
        let all = object["metadata"][key].as_object().into_iter().flatten();
        let some: Map<String, Value> =
            all.filter(|(name, _)| ours(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        if !some.is_empty() {
            metadata.insert(key.to_owned(), Value::Object(some));
        }
    }
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": metadata, "spec": object["spec"]})
}

/// Applies a patch to an object and returns the changes. `spec.values` is reported by name only.
fn apply_patch(object: &mut Value, patch: &Value, at: &str, changes: &mut Vec<String>) {
    match patch {
        Value::Object(fields) if at != "spec.values" => {
            for (key, value) in fields {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                if !object[key].is_object() && value.is_object() && object[key].is_null() {
                    object[key] = json!({});
                }
                apply_patch(&mut object[key], value, &path, changes);
            }
        }
        value if object == value => {}
        value => {
            let masked = |value: &Value| match (value, at) {
                (_, "spec.values") => "…".to_owned(),
                (Value::Null, _) => "not set".to_owned(),
                (Value::String(text), _) => text.clone(),
                (other, _) => other.to_string(),
            };
            changes.push(format!("{at}: {} → {}", masked(object), masked(value)));
            *object = value.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::find_routes;
    use super::super::route::tests::flux_view;
    use super::*;
    use crate::ask::UpgradeSpec;
    use crate::model::chart::{Digest, DigestKind};

    fn build_test_commits(expression: &str, values: Option<Value>) -> Vec<CommitFile> {
        let digest = Digest { sha256: "sha256:new".into(), kind: DigestKind::Manifest };
        let charts = [Some(("0.7.4".to_owned(), &digest)), Some(("1.1.0".to_owned(), &digest))];
        let mut ask = UpgradeSpec::sample();
        ask.installation.namespace = "m".into();
        build_commits(&find_routes(
            &ask,
            &flux_view(&json!({"semver": "0.7.1"}), expression),
            charts,
            values.map(Hidden::new),
        ))
    }

    #[test]
    fn crds_first_and_the_application_waits_for_them() {
        let all = build_test_commits("", None);
        let files: Vec<&str> = all.iter().map(|commit| commit.file_name.as_str()).collect();
        assert_eq!(
            files,
            ["1-mural-crds-ocirepository.yaml", "2-mural-helmrelease.yaml", "3-mural-ocirepository.yaml"]
        );
        assert_eq!(all[0].changes, ["spec.ref.semver: 0.7.1 → 0.7.4"]);
        assert_eq!(all[1].manifest.reveal()["spec"]["dependsOn"][0]["readyExpr"], build_ready_expr("0.7.4").as_str());
        assert!(all[1].manifest.reveal().get("status").is_none());
        assert_eq!(build_test_commits(&build_ready_expr("0.7.4"), None).len(), 2, "what asks for it already stays");
    }

    #[test]
    fn values_are_written_and_not_shown() {
        let all = build_test_commits(&build_ready_expr("0.7.4"), Some(json!({"password": "canary"})));
        assert_eq!(all[1].changes, ["spec.values: … → …"]);
        assert!(all[1].render().unwrap().contains("canary"), "the file holds them");
        assert!(!format!("{all:?}").contains("canary") && !serde_json::to_string(&all).unwrap().contains("canary"));
    }
}
