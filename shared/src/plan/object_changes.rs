//! The changes of the application's objects: the forecast against the manifest of the newest revision.

use serde_json::Value;

use super::change_details::describe_changes;
use super::diff_noise::IgnoredPaths;
use super::{ObjectChange, ObjectChangeKind};
use crate::model::manifest::release_objects;
use crate::model::object::ObjectRef;

/// Compares two manifests object by object, in the order of kind and name. Hooks are not part of a release and are left out.
#[must_use]
pub fn diff_manifests(namespace: &str, old: &[Value], new: &[Value]) -> Vec<ObjectChange> {
    diff_manifests_ignoring(namespace, old, new, &IgnoredPaths::default())
}

/// As [`diff_manifests`], without the values of these paths. An object that differs only there is still a change.
#[must_use]
pub fn diff_manifests_ignoring(
    namespace: &str,
    old: &[Value],
    new: &[Value],
    ignored_paths: &IgnoredPaths,
) -> Vec<ObjectChange> {
    let (old, new) = (select_release_objects(namespace, old), select_release_objects(namespace, new));
    let was = |object: &ObjectRef| old.iter().find(|(other, _)| other.is_same_object(object)).map(|(_, value)| *value);
    let stays = |object: &ObjectRef| new.iter().any(|(other, _)| other.is_same_object(object));
    let mut all: Vec<ObjectChange> = Vec::new();
    for (object, value) in &new {
        match was(object) {
            None => all.push(build_change(object, ObjectChangeKind::Create, Vec::new())),
            Some(before) if before != *value => {
                all.push(build_change(
                    object,
                    ObjectChangeKind::Update,
                    describe_changes(before, value, ignored_paths),
                ));
            }
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|(object, _)| !stays(object));
    all.extend(gone.map(|(object, _)| build_change(object, ObjectChangeKind::Delete, Vec::new())));
    all.sort_by(|a, b| (a.change, &a.object.kind, &a.object.name).cmp(&(b.change, &b.object.kind, &b.object.name)));
    all
}

fn build_change(object: &ObjectRef, verb: ObjectChangeKind, details: Vec<String>) -> ObjectChange {
    ObjectChange { object: object.clone(), change: verb, details }
}

/// The objects that helm records in a release: hooks are run, not recorded. A missing namespace is the release's own.
pub(crate) fn select_release_objects<'a>(namespace: &str, manifest: &'a [Value]) -> Vec<(ObjectRef, &'a Value)> {
    release_objects(manifest)
        .filter_map(|object| Some((ObjectRef::from_manifest(object)?, object)))
        .map(|(mut reference, object)| {
            if reference.namespace == namespace {
                reference.namespace.clear();
            }
            (reference, object)
        })
        .collect()
}

/// A field that the next manifest sets and that lives with another value.
#[derive(Debug, Clone, PartialEq)]
pub struct OverwrittenField<'a> {
    /// `spec.volumeClaimTemplates[data].spec.resources.requests.storage`
    pub path: String,
    /// The value on the cluster.
    pub live: &'a Value,
    /// The value of the next manifest.
    pub next: &'a Value,
}

/// The fields of the next manifest that live with another value. What only the live object has is left out.
#[must_use]
pub fn list_overwritten_fields<'a>(live: &'a Value, next: &'a Value) -> Vec<OverwrittenField<'a>> {
    let mut all = Vec::new();
    collect_overwritten_fields(live, next, "", &mut all);
    all
}

fn collect_overwritten_fields<'a>(live: &'a Value, next: &'a Value, path: &str, into: &mut Vec<OverwrittenField<'a>>) {
    match (live, next) {
        (Value::Object(live), Value::Object(next)) => {
            for (key, next) in next {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if let Some(live) = live.get(key) {
                    collect_overwritten_fields(live, next, &inner, into);
                }
            }
        }
        (Value::Array(live), Value::Array(next)) if live.len() == next.len() => {
            for (at, (live, next)) in live.iter().zip(next).enumerate() {
                let name = next["name"].as_str().or_else(|| next["metadata"]["name"].as_str());
                let name = name.map_or_else(|| at.to_string(), str::to_owned);
                collect_overwritten_fields(live, next, &format!("{path}[{name}]"), into);
            }
        }
        (live, next) if live != next => into.push(OverwrittenField { path: path.to_owned(), live, next }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(image: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "canvas", "namespace": "m"},
            "spec": {"containers": [{"name": "ui", "image": image}]}})
    }

    #[test]
    fn created_changed_and_removed_objects_are_distinguished() {
        let config = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        let hook = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "h", "annotations": {"helm.sh/hook": "post-install"}}});
        let found = diff_manifests("m", &[deployment("a:1"), config("old")], &[deployment("a:2"), config("new"), hook]);
        let verbs: Vec<_> = found.iter().map(|change| (change.change, change.object.name.as_str())).collect();
        assert_eq!(
            verbs,
            [
                (ObjectChangeKind::Create, "new"),
                (ObjectChangeKind::Update, "canvas"),
                (ObjectChangeKind::Delete, "old")
            ]
        );
        assert_eq!(found[1].details, ["spec.containers[ui].image a:1 → a:2"]);
    }

    #[test]
    fn of_a_secret_only_the_number_of_keys_shows() {
        let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "dex"}, "stringData": {"config.yaml": value}});
        let found = diff_manifests("m", &[secret("canary-1")], &[secret("canary-2")]);
        assert_eq!(found[0].details, ["1 key changed (masked): config.yaml"]);
    }

    #[test]
    fn overwritten_fields_are_those_that_both_have() {
        let set = |size: &str| json!({"spec": {"claims": [{"metadata": {"name": "data"}, "size": size}]}});
        let mut live = set("5Gi");
        live["spec"]["claims"][0]["mode"] = "Filesystem".into();
        let next = set("1Gi");
        let fields: Vec<String> = list_overwritten_fields(&live, &next).into_iter().map(|field| field.path).collect();
        assert_eq!(fields, ["spec.claims[data].size"]);
    }

    #[test]
    fn an_equal_manifest_changes_nothing() {
        assert!(diff_manifests("m", &[deployment("a:1")], &[deployment("a:1")]).is_empty());
    }
}
