//! Horizontal pod autoscalers: who sets the replica count of a workload besides its chart.

use serde_json::Value;

use super::object::ObjectRef;

/// The controller that writes the replica count through the `scale` subresource. A field manager is the name of the program, which some
/// distributions extend.
const AUTOSCALER_FIELD_MANAGER: &str = "kube-controller-manager";

/// The name of the HorizontalPodAutoscaler in these manifests that scales the workload.
#[must_use]
pub fn find_autoscaler<'a>(manifests: &'a [Value], workload: &ObjectRef) -> Option<&'a str> {
    let scales = |document: &&Value| {
        let target = &document["spec"]["scaleTargetRef"];
        document["kind"] == "HorizontalPodAutoscaler"
            && target["kind"] == workload.kind.as_str()
            && target["name"] == workload.name.as_str()
    };
    manifests.iter().find(scales)?["metadata"]["name"].as_str()
}

/// Whether an autoscaler, of a chart or of the operator, has set this workload's replica count.
#[must_use]
pub fn is_scaled_by_autoscaler(live: &Value) -> bool {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    entries
        .filter(|entry| entry["manager"].as_str().is_some_and(|name| name.starts_with(AUTOSCALER_FIELD_MANAGER)))
        .filter(|entry| entry["subresource"] == "scale")
        .any(|entry| entry.pointer("/fieldsV1/f:spec/f:replicas").is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_autoscaler_is_found_by_its_target_or_by_what_it_wrote() {
        let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "shop"},
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "shop"}}});
        let workload = |name: &str| {
            ObjectRef::from_manifest(
                &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}}),
            )
            .unwrap()
        };
        let manifests = [autoscaler];
        assert_eq!(find_autoscaler(&manifests, &workload("shop")), Some("shop"));
        assert_eq!(find_autoscaler(&manifests, &workload("other")), None);
        let scaled = |subresource: &str| {
            json!({"metadata": {"managedFields": [{"manager": "kube-controller-manager-1.37.2",
            "subresource": subresource, "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}})
        };
        assert!(is_scaled_by_autoscaler(&scaled("scale")) && !is_scaled_by_autoscaler(&scaled("")));
    }
}
