//! Health checks of the hub and its spokes: ManagedClusters and Leases of Open Cluster Management, and the Hub and Spoke objects of
//! the fleet configuration controller.
//!
//! All of it is read from the hub; the spokes themselves are not contacted.

pub mod agent_lease;
pub mod hub_and_spoke_ready;
pub mod managed_cluster_available;

use serde_json::Value;

use super::check_result_builder::CheckResultBuilder;
use crate::model::health_inputs::OptionalKind;

/// The objects of a kind. If the kind is not served, a skip reason is recorded instead.
fn list_or_skip<'a>(result: &mut CheckResultBuilder, kind: &str, objects: &'a OptionalKind) -> &'a [Value] {
    match objects {
        Err(failure) => result.record_failure(failure),
        Ok(None) => result.record_skip(format!("the cluster has no kind {kind}")),
        Ok(Some(objects)) if objects.is_empty() => result.record_skip(format!("there is no {kind}")),
        Ok(Some(objects)) => return objects,
    }
    &[]
}

fn str_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
