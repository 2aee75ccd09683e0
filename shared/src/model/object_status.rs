//! Whether an object is ready, in kstatus order: of the raw object alone, and of a time that is handed in.
//!
//! Source of order and table: `pkg/kstatus` of fluxcd/cli-utils (used by Flux and helm 4). Where we are stricter, the rule says so.

mod kind_rules;
mod pod_rules;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

pub use kind_rules::{is_paused, is_running_job, updates_on_delete};
pub use pod_rules::{PodBlocker, find_pod_blocker};

use super::object::{ObjectRef, find_condition};

/// How far an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectState {
    /// As its spec wants it.
    Current,
    /// On its way.
    InProgress,
    /// Will not get there by waiting.
    Failed,
    /// Being deleted.
    Terminating,
    /// Undetermined; the reason is part of it.
    Unknown,
}

/// How far an object is, and how we know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectStatus {
    /// How far.
    pub state: ObjectState,
    /// Why, in a few words.
    pub reason: String,
    /// No rule and no condition applies: kstatus calls such an object ready, and we mark it as assumed.
    pub assumed: bool,
}

impl ObjectStatus {
    fn new(state: ObjectState, reason: impl Into<String>) -> Self {
        Self { state, reason: reason.into(), assumed: false }
    }

    fn current(reason: impl Into<String>) -> Self {
        Self::new(ObjectState::Current, reason)
    }

    fn in_progress(reason: impl Into<String>) -> Self {
        Self::new(ObjectState::InProgress, reason)
    }

    fn failed(reason: impl Into<String>) -> Self {
        Self::new(ObjectState::Failed, reason)
    }
}

/// How far an object is.
///
/// The order: deleting → generation not observed → standard conditions → the rule of its kind → `Ready` → assumed, as a guess.
#[must_use]
pub fn compute_status(object: &Value, now: Timestamp) -> ObjectStatus {
    let Some(object_ref) = ObjectRef::from_manifest(object) else {
        return ObjectStatus::new(ObjectState::Unknown, "not an object: it has no apiVersion, kind or name");
    };
    if object.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null()) {
        return ObjectStatus::new(ObjectState::Terminating, "is being deleted");
    }
    check_generation(object)
        .or_else(|| check_standard_conditions(object))
        .or_else(|| kind_rules::apply_kind_rule(&object_ref, object, now))
        .or_else(|| check_ready_condition(object))
        .unwrap_or_else(|| ObjectStatus {
            assumed: true,
            ..ObjectStatus::current("assumed: it has no status to go by")
        })
}

fn check_generation(object: &Value) -> Option<ObjectStatus> {
    let generation = read_number(object, "/metadata/generation")?;
    let observed = read_number(object, "/status/observedGeneration")?;
    (generation != observed).then(|| {
        ObjectStatus::in_progress(format!(
            "generation {generation} is not observed yet (its controller has seen {observed})"
        ))
    })
}

/// The first of `Reconciling` and `Stalled` that is `True`, in the list's own order.
fn check_standard_conditions(object: &Value) -> Option<ObjectStatus> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    all.iter().filter(|entry| entry["status"] == "True").find_map(|entry| match entry["type"].as_str() {
        Some("Reconciling") => Some(ObjectStatus::in_progress(describe_condition(entry, "is being reconciled"))),
        Some("Stalled") => Some(ObjectStatus::failed(describe_condition(entry, "is stalled"))),
        _ => None,
    })
}

fn check_ready_condition(object: &Value) -> Option<ObjectStatus> {
    let ready = find_condition(object, "Ready")?;
    let reason = join_reason(ready.reason, ready.message, "its Ready condition says nothing more");
    Some(if ready.status == "True" { ObjectStatus::current(reason) } else { ObjectStatus::in_progress(reason) })
}

/// What a condition says of itself.
fn describe_condition(condition: &Value, otherwise: &str) -> String {
    let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
    join_reason(text("reason"), text("message"), otherwise)
}

fn join_reason(reason: &str, message: &str, otherwise: &str) -> String {
    match (reason, message) {
        ("", "") => otherwise.to_owned(),
        (one, "") | ("", one) => one.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

/// How many parts of an object are ready, and how many are wanted; `None` for kinds without parts.
///
/// Parts of an old revision do not count: a rollout begins at 0 and ends at what is wanted.
#[must_use]
pub fn compute_progress(object: &Value) -> Option<(u64, u64)> {
    let count = |pointer: &str, default: i64| read_number(object, pointer).unwrap_or(default);
    let (ready, wanted) = match object["kind"].as_str()? {
        "Deployment" | "StatefulSet" => {
            (count("/status/readyReplicas", 0).min(count("/status/updatedReplicas", 0)), count("/spec/replicas", 1))
        }
        "DaemonSet" => (
            count("/status/numberReady", 0).min(count("/status/updatedNumberScheduled", 0)),
            count("/status/desiredNumberScheduled", 0),
        ),
        "ReplicaSet" => (count("/status/readyReplicas", 0), count("/spec/replicas", 1)),
        "Job" => (count("/status/succeeded", 0), count("/spec/completions", 1)),
        "Pod" => return pod_rules::count_ready_containers(object),
        _ => return None,
    };
    Some((u64::try_from(ready).unwrap_or(0), u64::try_from(wanted).unwrap_or(0)))
}

/// A whole number, also where a controller wrote it as text or with a fraction of nothing (seen in `observedGeneration`).
fn read_number(object: &Value, pointer: &str) -> Option<i64> {
    let value = object.pointer(pointer)?;
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => {
            return number.as_i64().or_else(|| number.to_string().strip_suffix(".0")?.parse().ok());
        }
        _ => return None,
    };
    text.parse().ok()
}

#[cfg(test)]
mod tests;
