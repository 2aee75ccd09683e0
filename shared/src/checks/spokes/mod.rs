//! The hub and its spokes: managed clusters of Open Cluster Management, and the hubs and spokes of the fleet configuration.

pub mod agent_lease;
pub mod hub_and_spoke_ready;
pub mod managed_cluster_available;

use serde_json::Value;

use super::gathered::Gathered;
use crate::model::vitals::Perhaps;

/// The objects of a kind; where it is not served, that is noted as a reason to skip.
fn known<'a>(gathered: &mut Gathered, kind: &str, objects: &'a Perhaps) -> &'a [Value] {
    match objects {
        Err(not_seen) => gathered.not_seen(not_seen),
        Ok(None) => gathered.skipped(format!("the cluster has no kind {kind}")),
        Ok(Some(objects)) if objects.is_empty() => gathered.skipped(format!("there is no {kind}")),
        Ok(Some(objects)) => return objects,
    }
    &[]
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
