//! Pods: how far one is, and what keeps one from running.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::{ObjectStatus, describe_condition};
use crate::model::object::find_condition;

/// A pod that no node takes is given this long by kstatus: the scheduler may just not have come by.
const SCHEDULING_GRACE: SignedDuration = SignedDuration::from_secs(15);

/// What keeps a pod from running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodBlocker {
    /// One word, Kubernetes' own: `ImagePullBackOff`, `CrashLoopBackOff`, `Unschedulable`, …
    pub reason: String,
    /// The container; empty where it is the whole pod.
    pub container: String,
    /// What the kubelet or the scheduler says.
    pub message: String,
    /// Waiting rarely heals it, so only a short grace applies. An unschedulable pod may still get a new node.
    pub terminal: bool,
}

/// Why a container waits, where it will not stop waiting by itself. Everything else (`ContainerCreating`) is just young.
const STUCK_WAITING_REASONS: [&str; 9] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// What keeps a pod from running; `None` for one that runs, is young, is going, or has finished.
///
/// Init containers are looked at too, and first: until they end, the others only wait. (kstatus does not look at them.)
#[must_use]
pub fn find_pod_blocker(pod: &Value) -> Option<PodBlocker> {
    let finished = matches!(phase(pod), "Succeeded" | "Failed");
    if finished || pod.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null()) {
        return None;
    }
    container_statuses(pod).find_map(check_container).or_else(|| check_scheduling(pod))
}

fn phase(pod: &Value) -> &str {
    pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default()
}

fn container_statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|pointer| pod.pointer(pointer)?.as_array())
        .flatten()
}

fn check_container(container: &Value) -> Option<PodBlocker> {
    let text = |pointer: &str| container.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let reason = text("/state/waiting/reason");
    if !STUCK_WAITING_REASONS.contains(&reason) {
        return None;
    }
    let message = match (reason, text("/state/waiting/message")) {
        // "back-off 5m0s restarting failed container=…" says nothing of the cause; how it ended says more.
        ("CrashLoopBackOff", _) => describe_last_termination(container),
        (_, "") => text("/image").to_owned(),
        (_, said) => said.to_owned(),
    };
    Some(PodBlocker { reason: reason.to_owned(), container: text("/name").to_owned(), message, terminal: true })
}

fn describe_last_termination(container: &Value) -> String {
    let restarts = container["restartCount"].as_u64().unwrap_or_default();
    let Some(termination) = container.pointer("/lastState/terminated") else {
        return format!("restarted {restarts} times");
    };
    let code = termination["exitCode"]
        .as_i64()
        .map_or_else(|| "an unknown exit code".to_owned(), |code| format!("exit code {code}"));
    let reason = termination["reason"]
        .as_str()
        .filter(|reason| *reason != "Error")
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    format!("ended with {code}{reason}, restarted {restarts} times")
}

fn check_scheduling(pod: &Value) -> Option<PodBlocker> {
    let scheduled = find_condition(pod, "PodScheduled")?;
    (scheduled.status == "False" && scheduled.reason == "Unschedulable").then(|| PodBlocker {
        reason: scheduled.reason.to_owned(),
        container: String::new(),
        message: scheduled.message.to_owned(),
        terminal: false,
    })
}

/// The rule of the kind Pod. A failed pod is current, as in kstatus: it has completed, and its owner judges how.
pub(super) fn pod_status(object: &Value, now: Timestamp) -> ObjectStatus {
    match phase(object) {
        "Succeeded" => ObjectStatus::current("completed"),
        "Failed" => ObjectStatus::current(describe_end(object)),
        "Running" => running_pod_status(object),
        "Pending" => pending_pod_status(object, now),
        "" => ObjectStatus::in_progress("has no phase yet"),
        other => ObjectStatus::new(super::ObjectState::Unknown, format!("phase {other}")),
    }
}

/// The kubelet gives a reason if it ended the pod itself, for example `Evicted`.
fn describe_end(pod: &Value) -> String {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    super::join_reason(text("/status/reason"), text("/status/message"), "completed, not successfully")
}

fn running_pod_status(object: &Value) -> ObjectStatus {
    if find_condition(object, "Ready").is_some_and(|ready| ready.status == "True") {
        return ObjectStatus::current("ready");
    }
    match find_pod_blocker(object).filter(|trouble| trouble.reason == "CrashLoopBackOff") {
        Some(trouble) => ObjectStatus::failed(trouble.to_string()),
        None => ObjectStatus::in_progress(describe_unready(object)),
    }
}

fn pending_pod_status(object: &Value, now: Timestamp) -> ObjectStatus {
    let created = object.pointer("/metadata/creationTimestamp").and_then(Value::as_str).and_then(|at| at.parse().ok());
    let old = created.is_none_or(|created: Timestamp| now.duration_since(created) > SCHEDULING_GRACE);
    match find_pod_blocker(object) {
        // Stricter than kstatus: an init container that loops fails too. The caller's grace period applies to image pulls.
        Some(trouble) if trouble.reason == "CrashLoopBackOff" => ObjectStatus::failed(trouble.to_string()),
        Some(trouble) if trouble.reason == "Unschedulable" && old => ObjectStatus::failed(trouble.to_string()),
        Some(trouble) => ObjectStatus::in_progress(trouble.to_string()),
        None => ObjectStatus::in_progress("is starting"),
    }
}

fn describe_unready(object: &Value) -> String {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let ready = conditions.into_iter().find(|entry| entry["type"] == "Ready");
    ready.map_or_else(|| "not ready".to_owned(), |entry| describe_condition(entry, "not ready"))
}

impl std::fmt::Display for PodBlocker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)?;
        if !self.container.is_empty() {
            write!(f, " in {}", self.container)?;
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

/// Containers that are ready, and all of them.
pub(super) fn count_ready_containers(pod: &Value) -> Option<(u64, u64)> {
    let wanted = pod.pointer("/spec/containers")?.as_array()?.len();
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let ready = statuses.filter(|container| container["ready"] == true).count();
    Some((u64::try_from(ready).ok()?, u64::try_from(wanted).ok()?))
}
