//! What happens to the application's objects: the forecast against the manifest of the release as it is.

use serde_json::Value;

use super::{ObjectChange, ObjectVerb};
use crate::model::object::ObjectRef;

/// Details that one object shows; the rest is counted.
const DETAILS: usize = 6;

/// Compares two manifests object by object, in the order of kind and name. Hooks are no part of a release and are left out.
#[must_use]
pub fn changes(namespace: &str, old: &[Value], new: &[Value]) -> Vec<ObjectChange> {
    let (old, new) = (named(namespace, old), named(namespace, new));
    let was = |object: &ObjectRef| old.iter().find(|(other, _)| other.same_object(object)).map(|(_, value)| *value);
    let stays = |object: &ObjectRef| new.iter().any(|(other, _)| other.same_object(object));
    let mut all: Vec<ObjectChange> = Vec::new();
    for (object, value) in &new {
        match was(object) {
            None => all.push(change(object, ObjectVerb::Created, Vec::new())),
            Some(before) if before != *value => all.push(change(object, ObjectVerb::Changed, details(before, value))),
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|(object, _)| !stays(object));
    all.extend(gone.map(|(object, _)| change(object, ObjectVerb::Removed, Vec::new())));
    all.sort_by(|a, b| (a.change, &a.object.kind, &a.object.name).cmp(&(b.change, &b.object.kind, &b.object.name)));
    all
}

fn change(object: &ObjectRef, verb: ObjectVerb, details: Vec<String>) -> ObjectChange {
    ObjectChange { object: object.clone(), change: verb, details }
}

/// The objects that helm keeps in a release: hooks are run, not kept. A missing namespace is the release's own.
pub(crate) fn named<'a>(namespace: &str, manifest: &'a [Value]) -> Vec<(ObjectRef, &'a Value)> {
    manifest
        .iter()
        .filter(|object| object.pointer("/metadata/annotations").is_none_or(|all| all.get("helm.sh/hook").is_none()))
        .filter_map(|object| Some((ObjectRef::of(object)?, object)))
        .map(|(mut named, object)| {
            if named.namespace == namespace {
                named.namespace.clear();
            }
            (named, object)
        })
        .collect()
}

/// What differs, by path. Of a Secret only the names of keys are told.
fn details(old: &Value, new: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    differing(old, new, "", &mut paths);
    if new["kind"] == "Secret" {
        let keys =
            paths.iter().filter(|(path, _, _)| path.starts_with("data") || path.starts_with("stringData")).count();
        let rest = if keys == paths.len() { "" } else { ", and its metadata" };
        return vec![format!("{keys} key{} changed (masked){rest}", if keys == 1 { "" } else { "s" })];
    }
    // A chart's version stands in a label of nearly every object: it says nothing here.
    let telling: Vec<_> = paths
        .iter()
        .filter(|(path, _, _)| !path.contains("helm.sh/chart") && !path.contains("app.kubernetes.io/version"))
        .collect();
    let mut lines: Vec<String> = telling.iter().take(DETAILS).map(|(path, old, new)| line(path, old, new)).collect();
    if telling.len() > DETAILS {
        lines.push(format!("and {} more", telling.len() - DETAILS));
    }
    if lines.is_empty() { vec!["labels only".to_owned()] } else { lines }
}

fn line(path: &str, old: &Value, new: &Value) -> String {
    // ConfigMaps and environments may hold what should have been a Secret: a value shows only where it is a plain, short one.
    let shown = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.len() <= 80 && !text.contains('\n') => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(_) | Value::Array(_) | Value::Object(_) => "…".to_owned(),
    };
    let secret = path.split(['.', '[']).any(crate::model::secret::is_secret_key) || path.contains("httpHeaders");
    let masked =
        |value: &Value| if secret && !value.is_null() { crate::model::secret::MASK.to_owned() } else { shown(value) };
    let (old, new) = (masked(old), masked(new));
    let common =
        if short(path) == "image" { old.rfind('/').filter(|at| new.get(..=*at) == old.get(..=*at)) } else { None };
    let (old, new) = match common {
        Some(at) => (old.get(at + 1..).unwrap_or(&old).to_owned(), new.get(at + 1..).unwrap_or(&new).to_owned()),
        None => (old, new),
    };
    format!("{} {old} → {new}", short(path))
}

/// A container's field by its own name: `spec.template.spec.containers[canvas].image` is `image` to a person.
fn short(path: &str) -> &str {
    path.rsplit_once("].").map_or(path, |(_, field)| field)
}

fn differing<'a>(old: &'a Value, new: &'a Value, path: &str, into: &mut Vec<(String, &'a Value, &'a Value)>) {
    const NOTHING: &Value = &Value::Null;
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differing(a.get(key).unwrap_or(NOTHING), b.get(key).unwrap_or(NOTHING), &inner, into);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (one, other)) in a.iter().zip(b).enumerate() {
                let name = other["name"].as_str().map_or_else(|| at.to_string(), str::to_owned);
                differing(one, other, &format!("{path}[{name}]"), into);
            }
        }
        (one, other) if one != other => into.push((path.to_owned(), one, other)),
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
    fn created_changed_and_removed_are_told_apart() {
        let config = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        let hook = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "h", "annotations": {"helm.sh/hook": "post-install"}}});
        let found = changes("m", &[deployment("a:1"), config("old")], &[deployment("a:2"), config("new"), hook]);
        let verbs: Vec<_> = found.iter().map(|change| (change.change, change.object.name.as_str())).collect();
        assert_eq!(
            verbs,
            [(ObjectVerb::Created, "new"), (ObjectVerb::Changed, "canvas"), (ObjectVerb::Removed, "old")]
        );
        assert_eq!(found[1].details, ["image a:1 → a:2"]);
    }

    #[test]
    fn of_a_secret_only_the_number_of_keys_shows() {
        let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "dex"}, "stringData": {"config.yaml": value}});
        let found = changes("m", &[secret("canary-1")], &[secret("canary-2")]);
        assert_eq!(found[0].details, ["1 key changed (masked)"]);
    }

    #[test]
    fn an_equal_manifest_changes_nothing() {
        assert!(changes("m", &[deployment("a:1")], &[deployment("a:1")]).is_empty());
    }
}
