//! Container images that workloads name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What a registry says of an image, asked from this workstation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageAvailability {
    /// It is there.
    Available {
        /// The digest of its manifest, `sha256:…`.
        digest: String,
    },
    /// The registry has no such image.
    Missing,
    /// The registry could not be asked, and why: it says nothing of what the nodes will find.
    Undetermined {
        /// The registry's host.
        host: String,
        /// Why.
        reason: String,
    },
}

/// The query of each new image; `None` if image checks are off.
pub type ImageLookup = Option<BTreeMap<String, ImageAvailability>>;

/// The images that the pods of these objects run, init containers' included.
#[must_use]
pub fn collect_images(objects: &[Value]) -> BTreeSet<String> {
    objects.iter().filter_map(pod_spec).flat_map(list_container_images).collect()
}

/// Where each kind of workload keeps its pods' spec.
fn pod_spec(object: &Value) -> Option<&Value> {
    let pointer = match object["kind"].as_str()? {
        "Pod" => "/spec",
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => "/spec/template/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => return None,
    };
    object.pointer(pointer)
}

fn list_container_images(spec: &Value) -> Vec<String> {
    let lists = [&spec["initContainers"], &spec["containers"]];
    let all = lists.into_iter().filter_map(Value::as_array).flatten();
    all.filter_map(|container| container["image"].as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn images_of_every_kind_of_workload_are_found_once() {
        let spec = json!({"initContainers": [{"image": "a:1"}], "containers": [{"image": "b:1"}, {"image": "a:1"}]});
        let found = collect_images(&[
            json!({"kind": "Deployment", "spec": {"template": {"spec": spec}}}),
            json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"image": "c:1"}]}}}}}}),
            json!({"kind": "ConfigMap", "spec": {"containers": [{"image": "d:1"}]}}),
        ]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a:1", "b:1", "c:1"]);
    }
}
