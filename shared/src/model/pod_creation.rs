//! Pods that the API server does not let a controller create: a missing service account, a quota, Pod Security, a webhook.
//!
//! A Deployment carries the reason as its condition `ReplicaFailure`. StatefulSets, DaemonSets and Jobs only have events
//! `FailedCreate`; `cluster` reads them if such an object lacks pods.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use super::object::find_condition;

/// The reason of these events and conditions (<https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/controller/controller_utils.go>,
/// `FailedCreatePodReason`).
pub const FAILED_CREATE: &str = "FailedCreate";

/// What the event recorder puts before a message that stands for several
/// (<https://github.com/kubernetes/client-go/blob/v0.34.0/tools/record/events_cache.go>).
const COMBINED: &str = "(combined from similar events): ";

/// The newest rejected creation of a pod, by `metadata.uid` of its controller.
pub type CreationFailures = BTreeMap<String, RejectedPod>;

/// One rejected creation, from an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedPod {
    /// When it was rejected last; `None` if the event has no time.
    pub at: Option<Timestamp>,
    /// The API server's words.
    pub message: String,
}

/// Why an object lacks pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreationFailure<'a> {
    /// One word: `FailedCreate`.
    pub reason: &'a str,
    /// The API server's words.
    pub message: &'a str,
}

impl fmt::Display for CreationFailure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// Collects the newest event of each controller.
#[must_use]
pub fn collect_creation_failures(events: &[Value]) -> CreationFailures {
    let mut newest = CreationFailures::new();
    for event in events.iter().filter(|event| event["reason"] == FAILED_CREATE) {
        let Some(uid) = event.pointer("/involvedObject/uid").and_then(Value::as_str) else { continue };
        // Old and new recorders write the time to different fields.
        let times = ["/lastTimestamp", "/series/lastObservedTime", "/eventTime", "/metadata/creationTimestamp"];
        let at = times.iter().filter_map(|field| event.pointer(field)?.as_str()?.parse().ok()).max();
        let message = event["message"].as_str().unwrap_or_default().trim_start_matches(COMBINED).to_owned();
        if newest.get(uid).is_none_or(|known| known.at <= at) {
            newest.insert(uid.to_owned(), RejectedPod { at, message });
        }
    }
    newest
}

/// Why an object lacks pods; `None` if its last pod was created after the last rejection.
///
/// `pods` are those of the object.
#[must_use]
pub fn find_creation_failure<'a>(
    owner: &'a Value,
    pods: &[&Value],
    failures: &'a CreationFailures,
) -> Option<CreationFailure<'a>> {
    if let Some(found) = find_condition(owner, "ReplicaFailure").filter(|found| found.status == "True") {
        return Some(CreationFailure { reason: found.reason, message: found.message });
    }
    if !lacks_pods(owner) {
        return None;
    }
    let RejectedPod { at, message } = failures.get(owner.pointer("/metadata/uid")?.as_str()?)?;
    let created = |pod: &&Value| pod.pointer("/metadata/creationTimestamp")?.as_str()?.parse::<Timestamp>().ok();
    // Events live for an hour: an older rejection is over.
    let is_over = pods.iter().filter_map(created).any(|created| at.is_some_and(|at| created >= at));
    (!is_over).then_some(CreationFailure { reason: FAILED_CREATE, message })
}

/// Whether a StatefulSet, DaemonSet or Job has fewer pods than it wants.
#[must_use]
pub fn lacks_pods(owner: &Value) -> bool {
    let count = |pointer: &str, default: i64| owner.pointer(pointer).and_then(Value::as_i64).unwrap_or(default);
    match owner["kind"].as_str() {
        Some("StatefulSet") => count("/status/replicas", 0) < count("/spec/replicas", 1),
        Some("DaemonSet") => count("/status/currentNumberScheduled", 0) < count("/status/desiredNumberScheduled", 0),
        Some("Job") => super::object_status::is_running_job(owner) && count("/status/active", 0) == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stateful_set(replicas: u64) -> Value {
        json!({"kind": "StatefulSet", "metadata": {"uid": "db"}, "spec": {"replicas": 2}, "status": {"replicas": replicas}})
    }

    fn rejection(at: &str) -> Value {
        json!({"reason": "FailedCreate", "involvedObject": {"uid": "db"}, "lastTimestamp": at,
            "message": "(combined from similar events): create Pod db-0 in StatefulSet db failed error: pods \"db-0\" is forbidden: exceeded quota"})
    }

    #[test]
    fn a_deployment_says_it_in_a_condition() {
        let deployment = json!({"kind": "Deployment", "status": {"conditions": [{"type": "ReplicaFailure", "status": "True",
            "reason": "FailedCreate", "message": "pods \"ui-1-\" is forbidden: serviceaccount \"gone\" not found"}]}});
        let none = CreationFailures::new();
        let found = find_creation_failure(&deployment, &[], &none).unwrap();
        assert_eq!(found.to_string(), "FailedCreate: pods \"ui-1-\" is forbidden: serviceaccount \"gone\" not found");
    }

    #[test]
    fn the_newest_event_counts_until_a_pod_was_created() {
        let failures =
            collect_creation_failures(&[rejection("2026-11-24T07:05:00Z"), rejection("2026-11-24T07:01:00Z")]);
        let lacking = stateful_set(1);
        let pod = |at: &str| json!({"metadata": {"creationTimestamp": at}});
        let (older, newer) = (pod("2026-11-24T07:04:00Z"), pod("2026-11-24T07:06:00Z"));
        assert!(find_creation_failure(&lacking, &[&older], &failures).unwrap().message.starts_with("create Pod db-0"));
        assert_eq!(find_creation_failure(&lacking, &[&newer], &failures), None, "it was created after all");
        assert_eq!(find_creation_failure(&stateful_set(2), &[], &failures), None, "it has all its pods");
    }

    #[test]
    fn only_an_object_that_wants_more_pods_lacks_some() {
        let job = |status: Value, suspend: bool| json!({"kind": "Job", "spec": {"suspend": suspend}, "status": status});
        assert!(lacks_pods(&job(json!({"startTime": "2026-11-24T07:00:00Z"}), false)));
        assert!(!lacks_pods(&job(json!({"startTime": "2026-11-24T07:00:00Z", "active": 1}), false)));
        assert!(!lacks_pods(&job(json!({}), true)));
        let done = json!({"startTime": "2026-11-24T07:00:00Z", "conditions": [{"type": "Complete", "status": "True"}]});
        assert!(!lacks_pods(&job(done, false)));
    }
}
