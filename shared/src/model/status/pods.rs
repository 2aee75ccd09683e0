//! Pods: how far one is, and what keeps one from running.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::{Status, told};
use crate::model::object::condition;

/// A pod that no node takes is given this long by kstatus: the scheduler may just not have come by.
const SCHEDULED_WITHIN: SignedDuration = SignedDuration::from_secs(15);

/// What keeps a pod from running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// One word, Kubernetes' own: `ImagePullBackOff`, `CrashLoopBackOff`, `Unschedulable`, …
    pub reason: String,
    /// The container; empty where it is the whole pod.
    pub container: String,
    /// What the kubelet or the scheduler says.
    pub message: String,
    /// Waiting will hardly mend it; a short grace and no more. An unschedulable pod may still get a new node.
    pub terminal: bool,
}

/// Why a container waits, where it will not stop waiting by itself. Everything else (`ContainerCreating`) is just young.
const STUCK: [&str; 9] = [
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
pub fn pod_trouble(pod: &Value) -> Option<Trouble> {
    let finished = matches!(phase(pod), "Succeeded" | "Failed");
    if finished || pod.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null()) {
        return None;
    }
    containers(pod).find_map(stuck).or_else(|| unschedulable(pod))
}

fn phase(pod: &Value) -> &str {
    pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|pointer| pod.pointer(pointer)?.as_array())
        .flatten()
}

fn stuck(container: &Value) -> Option<Trouble> {
    let text = |pointer: &str| container.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let reason = text("/state/waiting/reason");
    if !STUCK.contains(&reason) {
        return None;
    }
    let message = match (reason, text("/state/waiting/message")) {
        // "back-off 5m0s restarting failed container=…" says nothing of the cause; how it ended says more.
        ("CrashLoopBackOff", _) => last_end(container),
        (_, "") => text("/image").to_owned(),
        (_, said) => said.to_owned(),
    };
    Some(Trouble { reason: reason.to_owned(), container: text("/name").to_owned(), message, terminal: true })
}

fn last_end(container: &Value) -> String {
    let restarts = container["restartCount"].as_u64().unwrap_or_default();
    let Some(ended) = container.pointer("/lastState/terminated") else {
        return format!("restarted {restarts} times");
    };
    let code = ended["exitCode"]
        .as_i64()
        .map_or_else(|| "an unknown exit code".to_owned(), |code| format!("exit code {code}"));
    let reason = ended["reason"]
        .as_str()
        .filter(|reason| *reason != "Error")
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    format!("ended with {code}{reason}, restarted {restarts} times")
}

fn unschedulable(pod: &Value) -> Option<Trouble> {
    let scheduled = condition(pod, "PodScheduled")?;
    (scheduled.status == "False" && scheduled.reason == "Unschedulable").then(|| Trouble {
        reason: scheduled.reason.to_owned(),
        container: String::new(),
        message: scheduled.message.to_owned(),
        terminal: false,
    })
}

/// The rule of the kind Pod. A failed pod is current, as in kstatus: it has completed, and its owner judges how.
pub(super) fn pod(object: &Value, now: Timestamp) -> Status {
    match phase(object) {
        "Succeeded" => Status::current("completed"),
        "Failed" => Status::current("completed, not successfully"),
        "Running" => running(object),
        "Pending" => pending(object, now),
        "" => Status::in_progress("has no phase yet"),
        other => Status::new(super::State::Unknown, format!("phase {other}")),
    }
}

fn running(object: &Value) -> Status {
    if condition(object, "Ready").is_some_and(|ready| ready.status == "True") {
        return Status::current("ready");
    }
    match pod_trouble(object).filter(|trouble| trouble.reason == "CrashLoopBackOff") {
        Some(trouble) => Status::failed(trouble.to_string()),
        None => Status::in_progress(not_ready(object)),
    }
}

fn pending(object: &Value, now: Timestamp) -> Status {
    let created = object.pointer("/metadata/creationTimestamp").and_then(Value::as_str).and_then(|at| at.parse().ok());
    let old = created.is_none_or(|created: Timestamp| now.duration_since(created) > SCHEDULED_WITHIN);
    match pod_trouble(object) {
        // Stricter than kstatus: an init container that loops fails too. Image pulls are left to the caller's patience.
        Some(trouble) if trouble.reason == "CrashLoopBackOff" => Status::failed(trouble.to_string()),
        Some(trouble) if trouble.reason == "Unschedulable" && old => Status::failed(trouble.to_string()),
        Some(trouble) => Status::in_progress(trouble.to_string()),
        None => Status::in_progress("is starting"),
    }
}

fn not_ready(object: &Value) -> String {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let ready = conditions.into_iter().find(|entry| entry["type"] == "Ready");
    ready.map_or_else(|| "not ready".to_owned(), |entry| told(entry, "not ready"))
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)?;
        if !self.container.is_empty() {
            write!(f, " in {}", self.container)?;
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

/// Containers that are ready, and all of them.
pub(super) fn ready_containers(pod: &Value) -> Option<(u64, u64)> {
    let wanted = pod.pointer("/spec/containers")?.as_array()?.len();
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let ready = statuses.filter(|container| container["ready"] == true).count();
    Some((u64::try_from(ready).ok()?, u64::try_from(wanted).ok()?))
}
