//! What helm would send to the API server for each object of the application, so that the server can be asked first.

use serde_json::{Map, Value};

use crate::model::application::{ApplyMethod, LiveObjects};
use crate::model::object::ObjectRef;
use crate::plan::object_changes::select_release_objects;
use crate::plan::strategic_patch::MergedStates;

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectWrite {
    /// The object.
    pub object: ObjectRef,
    /// The form of the request.
    pub operation: WriteOperation,
}

/// The request for one object.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteOperation {
    /// It is not there: it is created.
    Create(Value),
    /// It exists: a JSON merge patch (RFC 7386) with the changes of the chart.
    Merge(Value),
    /// It exists and its kind is built in: a strategic merge patch with the changes of the chart and of other writers.
    StrategicMerge(Value),
    /// A server-side apply of the whole object.
    Apply(Value),
}

/// The writes of an upgrade from the manifest `old` to `new`.
///
/// A client-side helm sends a JSON merge patch from the old manifest to the new one for custom resources. For kinds of Kubernetes, it
/// sends a strategic merge patch that also takes back what differs on the cluster
/// (<https://github.com/helm/helm/blob/v3.17.2/pkg/kube/client.go>, `createPatch`). An empty patch is not sent.
/// A server-side helm applies every object, changed or not, so that every conflict shows.
#[must_use]
pub fn build_writes(
    namespace: &str,
    old: &[Value],
    new: &[Value],
    live: &LiveObjects,
    method: ApplyMethod,
) -> Vec<ObjectWrite> {
    let old = select_release_objects(namespace, old);
    let was = |object: &ObjectRef| old.iter().find(|(other, _)| other.is_same_object(object)).map(|(_, value)| *value);
    let write_of = |(object, value): (ObjectRef, &Value)| {
        let before = was(&object).map(without_ignored_namespace);
        let value = without_ignored_namespace(value);
        let operation = match (live.get(&object, namespace).ok().flatten(), method, before) {
            (None, _, _) => WriteOperation::Create(value),
            (Some(_), ApplyMethod::ServerSide, _) => WriteOperation::Apply(value),
            (Some(live), ApplyMethod::ClientSide, before) if object.is_built_in() => {
                // helm compares an adopted object with the chart's own.
                let old = before.as_ref().unwrap_or(&value);
                let patch = MergedStates { old, new: &value, live }.build_patch();
                if patch.is_empty() {
                    return None;
                }
                WriteOperation::StrategicMerge(Value::Object(patch))
            }
            (Some(_), ApplyMethod::ClientSide, Some(before)) if before == value => return None,
            (Some(_), ApplyMethod::ClientSide, Some(before)) => WriteOperation::Merge(merge_patch(&before, &value)),
            (Some(_), ApplyMethod::ClientSide, None) => WriteOperation::Merge(value),
        };
        Some(ObjectWrite { object, operation })
    };
    select_release_objects(namespace, new)
        .into_iter()
        .filter(|(object, _)| object.kind != "CustomResourceDefinition")
        .filter_map(write_of)
        .collect()
}

/// The manifest as helm sends it: it removes the namespace of a built-in kind that has none.
fn without_ignored_namespace(manifest: &Value) -> Value {
    let mut sent = manifest.clone();
    let has_namespace = ObjectRef::from_manifest(manifest).is_some_and(|object| !object.namespace.is_empty());
    if let Some(metadata) = sent["metadata"].as_object_mut().filter(|_| !has_namespace) {
        metadata.remove("namespace");
    }
    sent
}

/// What a JSON merge patch (RFC 7386) makes of a document.
pub(super) fn apply_merge_patch(document: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *document = patch.clone();
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(fields) = document else { return };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            apply_merge_patch(fields.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// The JSON merge patch (RFC 7386) that makes `new` of `old`.
pub(super) fn merge_patch(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        match old.get(key) {
            Some(before) if before == value => {}
            Some(before) => drop(patch.insert(key.clone(), merge_patch(before, value))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(name: &str, data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    }

    fn all(method: ApplyMethod) -> Vec<(String, WriteOperation)> {
        let (old, new) = (json!({"a": "1", "b": "2"}), json!({"a": "1", "c": "3"}));
        let mut live = LiveObjects::default();
        ["same", "changed"].iter().for_each(|name| live.insert(config(name, &old), "m"));
        let before = ["same", "changed", "lost"].map(|name| config(name, &old));
        let after = [config("same", &old), config("changed", &new), config("lost", &old), config("new", &new)];
        let found = build_writes("m", &before, &after, &live, method);
        found.into_iter().map(|write| (write.object.name, write.operation)).collect()
    }

    #[test]
    fn a_client_side_helm_sends_what_changes_and_what_is_missing() {
        let (old, new) = (json!({"a": "1", "b": "2"}), json!({"a": "1", "c": "3"}));
        let patch = WriteOperation::StrategicMerge(json!({"data": {"b": null, "c": "3"}}));
        let wanted = [
            ("changed".to_owned(), patch),
            ("lost".to_owned(), WriteOperation::Create(config("lost", &old))),
            ("new".to_owned(), WriteOperation::Create(config("new", &new))),
        ];
        assert_eq!(all(ApplyMethod::ClientSide), wanted);
    }

    #[test]
    fn a_server_side_helm_applies_everything_that_is_there() {
        let applied = |how: &WriteOperation| matches!(how, WriteOperation::Apply(_));
        let found = all(ApplyMethod::ServerSide);
        assert_eq!(found.len(), 4);
        assert_eq!(found.iter().filter(|(_, how)| applied(how)).count(), 2);
    }
}
