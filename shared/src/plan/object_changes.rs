//! The changes of the application's objects: the forecast against the manifest of the newest revision.

use serde_json::Value;

use super::{ObjectChange, ObjectChangeKind};
use crate::model::manifest::release_objects;
use crate::model::object::ObjectRef;

/// The most details of one object; the rest is counted.
const MAX_DETAILS: usize = 6;

/// Compares two manifests object by object, in the order of kind and name. Hooks are not part of a release and are left out.
#[must_use]
pub fn diff_manifests(namespace: &str, old: &[Value], new: &[Value]) -> Vec<ObjectChange> {
    let (old, new) = (select_release_objects(namespace, old), select_release_objects(namespace, new));
    let was = |object: &ObjectRef| old.iter().find(|(other, _)| other.is_same_object(object)).map(|(_, value)| *value);
    let stays = |object: &ObjectRef| new.iter().any(|(other, _)| other.is_same_object(object));
    let mut all: Vec<ObjectChange> = Vec::new();
    for (object, value) in &new {
        match was(object) {
            None => all.push(build_change(object, ObjectChangeKind::Create, Vec::new())),
            Some(before) if before != *value => {
                all.push(build_change(object, ObjectChangeKind::Update, describe_changes(before, value)));
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

/// The differences, by path. Of a Secret only the number of keys is reported.
fn describe_changes(old: &Value, new: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    collect_differences(old, new, "", &mut paths);
    if new["kind"] == "Secret" {
        let keys =
            paths.iter().filter(|(path, _, _)| path.starts_with("data") || path.starts_with("stringData")).count();
        let rest = if keys == paths.len() { "" } else { ", and its metadata" };
        return vec![format!("{keys} key{} changed (masked){rest}", if keys == 1 { "" } else { "s" })];
    }
    // The chart's version is in a label of nearly every object and is no information here.
    let relevant: Vec<_> = paths
        .iter()
        .filter(|(path, _, _)| !path.contains("helm.sh/chart") && !path.contains("app.kubernetes.io/version"))
        .collect();
    let mut lines: Vec<String> =
        relevant.iter().take(MAX_DETAILS).map(|(path, old, new)| format_change(path, old, new)).collect();
    if relevant.len() > MAX_DETAILS {
        lines.push(format!("and {} more", relevant.len() - MAX_DETAILS));
    }
    if lines.is_empty() { vec!["labels only".to_owned()] } else { lines }
}

fn format_change(path: &str, old: &Value, new: &Value) -> String {
    // ConfigMaps and environment variables may hold what should have been a Secret: only plain, short values are shown.
    let display = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.len() <= 80 && !text.contains('\n') => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(_) | Value::Array(_) | Value::Object(_) => "…".to_owned(),
    };
    let secret = path.split(['.', '[']).any(crate::model::secret::is_secret_key) || path.contains("httpHeaders");
    let masked =
        |value: &Value| if secret && !value.is_null() { crate::model::secret::MASK.to_owned() } else { display(value) };
    let (old, new) = (masked(old), masked(new));
    let common =
        if short_path(path) == "image" { old.rfind('/').filter(|at| new.get(..=*at) == old.get(..=*at)) } else { None };
    let (old, new) = match common {
        Some(at) => (old.get(at + 1..).unwrap_or(&old).to_owned(), new.get(at + 1..).unwrap_or(&new).to_owned()),
        None => (old, new),
    };
    format!("{} {old} → {new}", short_path(path))
}

/// A container's field without its path: `spec.template.spec.containers[canvas].image` becomes `image`.
fn short_path(path: &str) -> &str {
    path.rsplit_once("].").map_or(path, |(_, field)| field)
}

fn collect_differences<'a>(old: &'a Value, new: &'a Value, path: &str, into: &mut Vec<(String, &'a Value, &'a Value)>) {
    const NOTHING: &Value = &Value::Null;
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect_differences(a.get(key).unwrap_or(NOTHING), b.get(key).unwrap_or(NOTHING), &inner, into);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (old_item, new_item)) in a.iter().zip(b).enumerate() {
                let name = new_item["name"].as_str().map_or_else(|| at.to_string(), str::to_owned);
                collect_differences(old_item, new_item, &format!("{path}[{name}]"), into);
            }
        }
        (one, other) if one != other => into.push((path.to_owned(), one, other)),
        _ => {}
    }
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
        assert_eq!(found[1].details, ["image a:1 → a:2"]);
    }

    #[test]
    fn of_a_secret_only_the_number_of_keys_shows() {
        let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "dex"}, "stringData": {"config.yaml": value}});
        let found = diff_manifests("m", &[secret("canary-1")], &[secret("canary-2")]);
        assert_eq!(found[0].details, ["1 key changed (masked)"]);
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
