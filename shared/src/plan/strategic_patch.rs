//! The strategic merge patch of two manifests of a built-in kind, as far as a dry run needs it.
//!
//! Lists with a merge key are merged element by element, so that elements which the cluster added (an injected volume mount, a sidecar)
//! stay. Other lists are replaced. The rules are those of
//! <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md>.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Lists of a pod and of a Service that the API server merges, with the key of their elements (`patchMergeKey` in
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/api/core/v1/types.go>).
const MERGE_KEYS: [(&str, &[&str]); 11] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("volumes", &["name"]),
    ("env", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    // A port of a container, or of a Service.
    ("ports", &["containerPort", "port"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("webhooks", &["name"]),
];

/// The patch that makes `new` of `old`.
pub(super) fn strategic_patch(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let removed = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let mut patch: Map<String, Value> = removed.collect();
    for (key, value) in new {
        match old.get(key) {
            Some(before) if before == value => {}
            Some(before) => drop(patch.insert(key.clone(), patch_field(key, before, value))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(patch)
}

fn patch_field(field: &str, old: &Value, new: &Value) -> Value {
    match (old, new) {
        (Value::Array(old), Value::Array(new)) => patch_list(field, old, new),
        // A Deployment keeps nothing of its old strategy, defaults included (`patchStrategy: retainKeys`).
        (Value::Object(_), Value::Object(fields)) if field == "strategy" => {
            let mut patch = strategic_patch(old, new);
            patch["$retainKeys"] = fields.keys().cloned().collect();
            patch
        }
        (old, new) => strategic_patch(old, new),
    }
}

fn patch_list(field: &str, old: &[Value], new: &[Value]) -> Value {
    let Some((_, keys)) = MERGE_KEYS.iter().find(|(name, _)| *name == field) else { return Value::Array(new.to_vec()) };
    let Some(key) = keys.iter().find(|key| is_unique_key(old, key) && is_unique_key(new, key)) else {
        return replace_list(new);
    };
    let changed = new.iter().filter_map(|item| match old.iter().find(|before| before[key] == item[key]) {
        Some(before) if before == item => None,
        Some(before) => {
            let mut patch = strategic_patch(before, item);
            patch[key] = item[key].clone();
            Some(patch)
        }
        None => Some(item.clone()),
    });
    let removed = old.iter().filter(|before| !new.iter().any(|item| item[key] == before[key]));
    let removed = removed.map(|before| json!({"$patch": "delete", (*key): before[key]}));
    Value::Array(changed.chain(removed).collect())
}

/// Whether every element has this key, with a value of its own.
fn is_unique_key(items: &[Value], key: &str) -> bool {
    let values: BTreeSet<String> = items.iter().filter_map(|item| item.get(key)).map(Value::to_string).collect();
    values.len() == items.len()
}

fn replace_list(new: &[Value]) -> Value {
    Value::Array(std::iter::once(json!({"$patch": "replace"})).chain(new.iter().cloned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The API server injects a volume mount into a bare Pod, which a replaced list of containers would remove.
    #[test]
    fn a_changed_image_leaves_the_rest_of_the_container_alone() {
        let pod = |image: &str| json!({"spec": {"containers": [{"name": "agent", "image": image, "args": ["a"]}]}});
        let patch = strategic_patch(&pod("agent:1"), &pod("agent:2"));
        assert_eq!(patch, json!({"spec": {"containers": [{"name": "agent", "image": "agent:2"}]}}));
    }

    #[test]
    fn elements_are_added_changed_and_deleted_by_their_key() {
        let service = |ports: Value| json!({"spec": {"ports": ports}});
        let old = service(json!([{"name": "http", "port": 80}, {"name": "dns", "port": 53}]));
        let new = service(json!([{"name": "http", "port": 8080}, {"name": "dns", "port": 53}]));
        let ports = json!([{"name": "http", "port": 8080}, {"$patch": "delete", "port": 80}]);
        assert_eq!(strategic_patch(&old, &new), json!({"spec": {"ports": ports}}));
    }

    #[test]
    fn lists_without_a_key_of_their_own_are_replaced() {
        let both = |ports: Value| json!({"ports": ports, "args": [ports]});
        let old = both(json!([{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]));
        let patch = strategic_patch(&old, &both(json!([{"containerPort": 53, "protocol": "UDP"}])));
        assert_eq!(patch["ports"], json!([{"$patch": "replace"}, {"containerPort": 53, "protocol": "UDP"}]));
        assert_eq!(patch["args"], json!([[{"containerPort": 53, "protocol": "UDP"}]]));
    }

    #[test]
    fn a_deployment_keeps_nothing_of_its_old_strategy() {
        let patch = strategic_patch(
            &json!({"strategy": {"type": "RollingUpdate"}}),
            &json!({"strategy": {"type": "Recreate"}}),
        );
        assert_eq!(patch, json!({"strategy": {"type": "Recreate", "$retainKeys": ["type"]}}));
    }
}
