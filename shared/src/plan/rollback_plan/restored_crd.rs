//! A CRD of the backup as it is applied again: what others have set on the live CRD stays theirs.

use serde_json::{Map, Value, json};

use crate::model::crd::Crd;
use crate::model::managed_fields::FIELD_MANAGER;

/// The CRD to apply, by kubectl's field manager like the charts' CRDs.
///
/// It has only the labels and annotations that this manager owns or that the live CRD has lost. If it applied the others, they
///  would become ours, and the next chart would remove them.
#[must_use]
pub fn build_restored_crd(saved: &Crd, live: &Crd) -> Crd {
    let mut metadata = json!({"name": saved.name()});
    for notes in ["labels", "annotations"] {
        let had = saved.json()["metadata"][notes].as_object();
        let has = live.json()["metadata"][notes].as_object();
        let own_keys = list_own_keys(live.json(), notes);
        let ours = |key: &String| has.is_none_or(|has| !has.contains_key(key)) || own_keys.contains(key);
        let entries: Map<String, Value> = had
            .into_iter()
            .flatten()
            .filter(|(key, _)| ours(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !entries.is_empty() {
            metadata[notes] = Value::Object(entries);
        }
    }
    let document = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": metadata, "spec": saved.json()["spec"]});
    Crd::new(document).unwrap_or_else(|_| saved.clone())
}

/// The keys of labels or annotations that our field manager has applied.
fn list_own_keys(live: &Value, notes: &str) -> Vec<String> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let ours = entries.filter(|entry| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply");
    ours.filter_map(|entry| entry["fieldsV1"]["f:metadata"][format!("f:{notes}")].as_object())
        .flatten()
        .filter_map(|(key, _)| key.strip_prefix("f:").map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crd(labels: &Value, managers: &Value) -> Crd {
        let metadata = json!({"name": "hubs.x", "uid": "1", "labels": labels, "managedFields": managers});
        Crd::new(
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata,
            "spec": {"group": "x"}, "status": {"a": 1}}),
        )
        .unwrap()
    }

    #[test]
    fn fields_of_other_managers_are_not_taken_over() {
        let saved = crd(&json!({"chart": "1", "mine": "x", "lost": "y"}), &Value::Null);
        let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:chart": {}}}});
        let live = crd(
            &json!({"chart": "2", "mine": "x", "new": "z"}),
            &json!([
            {"manager": "kubectl", "operation": "Apply", "fieldsV1": fields},
            {"manager": "ann", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:mine": {}}}}}]),
        );
        let applied = build_restored_crd(&saved, &live);
        assert_eq!(applied.json()["metadata"], json!({"name": "hubs.x", "labels": {"chart": "1", "lost": "y"}}));
        assert!(applied.json().get("status").is_none() && applied.json()["spec"]["group"] == "x");
    }
}
