//! The patch that a client-side helm sends for an object of a built-in kind, as far as a dry run needs it.
//!
//! helm merges three states: the stored manifest, the next manifest and the live object. It sends every field in which the live object
//! differs from the next manifest, also if no chart changed it, and deletes what the stored manifest had and the next one lacks
//! (<https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apimachinery/pkg/util/strategicpatch/patch.go>,
//! `CreateThreeWayMergePatch`).
//!
//! Lists with a merge key are merged element by element, so that elements which the cluster added (an injected volume mount, a sidecar)
//! stay. Other lists are replaced. The rules are those of
//! <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md>.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Lists that the API server merges, with the key of their elements (`patchMergeKey` in
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/api/core/v1/types.go>).
const MERGE_KEYS: [(&str, &[&str]); 13] = [
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
    ("imagePullSecrets", &["name"]),
    // Of a ServiceAccount.
    ("secrets", &["name"]),
];

/// One part of an object in the three states that helm merges.
#[derive(Debug, Clone, Copy)]
pub(super) struct MergedStates<'a> {
    /// In the stored manifest; null if it is not in it.
    pub(super) old: &'a Value,
    /// In the next manifest.
    pub(super) new: &'a Value,
    /// As it lives.
    pub(super) live: &'a Value,
}

impl<'a> MergedStates<'a> {
    /// The patch of an object; empty if nothing is sent.
    pub(super) fn build_patch(self) -> Map<String, Value> {
        let none = Map::new();
        let fields = |value: &'a Value| value.as_object();
        let (old, new, live) =
            (fields(self.old).unwrap_or(&none), fields(self.new).unwrap_or(&none), fields(self.live).unwrap_or(&none));
        let removed = old.keys().filter(|key| !new.contains_key(*key) && live.contains_key(*key));
        let mut patch: Map<String, Value> = removed.map(|key| (key.clone(), Value::Null)).collect();
        for (key, new) in new {
            let old = old.get(key).unwrap_or(&Value::Null);
            match live.get(key) {
                Some(live) => {
                    patch.extend(MergedStates { old, new, live }.patch_field(key).map(|part| (key.clone(), part)));
                }
                None if new.is_null() => {}
                None => drop(patch.insert(key.clone(), new.clone())),
            }
        }
        patch
    }

    fn patch_field(self, field: &str) -> Option<Value> {
        let Self { old, new, live } = self;
        if new == live {
            return None;
        }
        match (new, live) {
            (Value::Object(fields), Value::Object(live_fields)) => {
                let mut patch = self.build_patch();
                // A Deployment keeps nothing of its old strategy, defaults included (`patchStrategy: retainKeys`).
                let drops_fields = live_fields.keys().any(|key| !fields.contains_key(key));
                if field == "strategy" && (drops_fields || !patch.is_empty()) {
                    patch.insert("$retainKeys".to_owned(), fields.keys().cloned().collect());
                }
                (!patch.is_empty()).then_some(Value::Object(patch))
            }
            (Value::Array(new), Value::Array(live)) => {
                patch_list(field, old.as_array().map_or(&[][..], Vec::as_slice), new, live)
            }
            _ => Some(new.clone()),
        }
    }
}

fn patch_list(field: &str, old: &[Value], new: &[Value], live: &[Value]) -> Option<Value> {
    let Some((_, keys)) = MERGE_KEYS.iter().find(|(name, _)| *name == field) else {
        return Some(Value::Array(new.to_vec()));
    };
    let is_unique = |key: &&&str| [old, new, live].iter().all(|items| is_unique_key(items, key));
    let Some(key) = keys.iter().find(is_unique) else { return Some(replace_list(new)) };
    let find = |items: &'_ [Value], item: &Value| items.iter().position(|other| other[key] == item[key]);
    let changed = new.iter().filter_map(|item| {
        let Some(live) = find(live, item).map(|at| &live[at]) else { return Some(item.clone()) };
        let old = find(old, item).map_or(&Value::Null, |at| &old[at]);
        let mut patch = MergedStates { old, new: item, live }.build_patch();
        (!patch.is_empty()).then(|| {
            patch.insert((*key).to_owned(), item[key].clone());
            Value::Object(patch)
        })
    });
    let removed = old.iter().filter(|before| find(new, before).is_none() && find(live, before).is_some());
    let removed = removed.map(|before| json!({"$patch": "delete", (*key): before[key]}));
    let patch: Vec<Value> = changed.chain(removed).collect();
    (!patch.is_empty()).then_some(Value::Array(patch))
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

    fn patch(old: &Value, new: &Value, live: &Value) -> Value {
        Value::Object(MergedStates { old, new, live }.build_patch())
    }

    /// The API server injects a volume mount into a bare Pod, which a replaced list of containers would remove.
    #[test]
    fn a_changed_image_leaves_the_rest_of_the_container_alone() {
        let pod = |image: &str| json!({"spec": {"containers": [{"name": "agent", "image": image, "args": ["a"]}]}});
        let mut live = pod("agent:1");
        live["spec"]["containers"][0]["volumeMounts"] = json!([{"mountPath": "/var/run"}]);
        let sent = patch(&pod("agent:1"), &pod("agent:2"), &live);
        assert_eq!(sent, json!({"spec": {"containers": [{"name": "agent", "image": "agent:2"}]}}));
    }

    #[test]
    fn elements_are_added_changed_and_deleted_by_their_key() {
        let service = |ports: Value| json!({"spec": {"ports": ports}});
        let old = service(json!([{"name": "http", "port": 80}, {"name": "dns", "port": 53}]));
        let live = service(json!([{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53}]));
        let new = service(json!([{"name": "http", "port": 8080}, {"name": "dns", "port": 53}]));
        let ports = json!([{"name": "http", "port": 8080}, {"$patch": "delete", "port": 80}]);
        assert_eq!(patch(&old, &new, &live), json!({"spec": {"ports": ports}}));
    }

    #[test]
    fn lists_without_a_key_of_their_own_are_replaced() {
        let both = |ports: Value| json!({"ports": ports, "args": [ports]});
        let old = both(json!([{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]));
        let sent = patch(&old, &both(json!([{"containerPort": 53, "protocol": "UDP"}])), &old);
        assert_eq!(sent["ports"], json!([{"$patch": "replace"}, {"containerPort": 53, "protocol": "UDP"}]));
        assert_eq!(sent["args"], json!([[{"containerPort": 53, "protocol": "UDP"}]]));
    }

    #[test]
    fn a_deployment_keeps_nothing_of_its_old_strategy() {
        let live = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}});
        let sent =
            patch(&json!({"strategy": {"type": "RollingUpdate"}}), &json!({"strategy": {"type": "Recreate"}}), &live);
        assert_eq!(sent, json!({"strategy": {"type": "Recreate", "$retainKeys": ["type"]}}));
    }

    /// <https://github.com/minio/minio/issues/17762>, <https://github.com/goharbor/harbor-helm/issues/1564>
    #[test]
    fn a_field_changed_by_hand_is_sent_back_although_no_chart_changes_it() {
        let claims =
            |size: &str| json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "size": size}]}});
        assert_eq!(patch(&claims("1Gi"), &claims("1Gi"), &claims("5Gi")), claims("1Gi"));
        let workload = |replicas: u32| json!({"spec": {"replicas": replicas}});
        assert_eq!(patch(&workload(1), &workload(1), &workload(3)), workload(1));
    }

    #[test]
    fn live_fields_stay_and_fields_that_left_the_chart_are_deleted() {
        let labels = |labels: Value| json!({"metadata": {"labels": labels}});
        let live = labels(json!({"a": "1", "b": "1", "hand": "x"}));
        let sent = patch(&labels(json!({"a": "1", "b": "1"})), &labels(json!({"a": "1"})), &live);
        assert_eq!(sent, labels(json!({"b": null})));
        assert_eq!(patch(&labels(json!({"a": "1"})), &labels(json!({"a": "1"})), &live), json!({}));
    }
}
