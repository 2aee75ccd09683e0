//! How much of a workload serves while a rollout is not complete. Pure; input is the object as the API server has it.

use serde::Serialize;
use serde_json::Value;

/// A Deployment, StatefulSet or DaemonSet whose rollout is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IncompleteRollout {
    /// `Deployment canvas`
    pub object: String,
    /// The wanted replicas.
    pub wanted: u64,
    /// The available replicas of all revisions.
    pub available: u64,
    /// The replicas of the newest revision.
    pub updated: u64,
}

/// Reads a workload; `None` if its rollout is complete, or if it has no replicas.
#[must_use]
pub fn read_incomplete_rollout(object: &Value) -> Option<IncompleteRollout> {
    let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
    let kind = object["kind"].as_str()?;
    let (wanted, available, updated) = match kind {
        "Deployment" | "StatefulSet" => {
            (count("/spec/replicas").unwrap_or(1), count("/status/availableReplicas"), count("/status/updatedReplicas"))
        }
        "DaemonSet" => (
            count("/status/desiredNumberScheduled").unwrap_or_default(),
            count("/status/numberAvailable"),
            count("/status/updatedNumberScheduled"),
        ),
        _ => return None,
    };
    let (available, updated) = (available.unwrap_or_default(), updated.unwrap_or_default());
    let object = format!("{kind} {}", object.pointer("/metadata/name")?.as_str()?);
    (available < wanted || updated < wanted).then_some(IncompleteRollout { object, wanted, available, updated })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rollout_is_complete_if_every_replica_is_new_and_available() {
        let deployment = |available: u64, updated: u64| {
            json!({"kind": "Deployment", "metadata": {"name": "canvas"}, "spec": {"replicas": 3},
                "status": {"availableReplicas": available, "updatedReplicas": updated}})
        };
        assert_eq!(read_incomplete_rollout(&deployment(3, 3)), None);
        let half = read_incomplete_rollout(&deployment(3, 2)).unwrap();
        assert_eq!((half.object.as_str(), half.wanted, half.available, half.updated), ("Deployment canvas", 3, 3, 2));
        assert!(read_incomplete_rollout(&deployment(2, 3)).is_some());
        let none = json!({"kind": "DaemonSet", "metadata": {"name": "agent"}, "status": {}});
        assert_eq!(read_incomplete_rollout(&none), None);
        assert_eq!(read_incomplete_rollout(&json!({"kind": "Job", "metadata": {"name": "x"}})), None);
    }
}
