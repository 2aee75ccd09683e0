//! The rule of each kind, top to bottom, the first that applies wins; what falls through is current.

use jiff::Timestamp;
use serde_json::Value;

use super::{ObjectStatus, join_reason, pod_rules, read_number};
use crate::model::object::{ObjectRef, find_condition};

/// The rule of an object's kind, by group and kind in any version; `None` where there is none.
pub(super) fn apply_kind_rule(object_ref: &ObjectRef, object: &Value, now: Timestamp) -> Option<ObjectStatus> {
    let status = match (object_ref.group(), object_ref.kind.as_str()) {
        ("apps" | "extensions", "Deployment") => deployment_status(object),
        ("apps", "StatefulSet") => stateful_set_status(object),
        ("apps" | "extensions", "DaemonSet") => daemon_set_status(object),
        ("apps" | "extensions", "ReplicaSet") => replica_set_status(object),
        ("", "Pod") => pod_rules::pod_status(object, now),
        ("batch", "Job") => job_status(object),
        ("batch", "CronJob") | ("", "Secret" | "ConfigMap") => ObjectStatus::current("exists"),
        ("policy", "PodDisruptionBudget") => ObjectStatus::current("observed"),
        ("", "PersistentVolumeClaim") => volume_claim_status(object),
        ("", "Service") => service_status(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crd_status(object),
        _ => return None,
    };
    Some(status)
}

/// Stricter than kstatus, which skips an absent `observedGeneration`: the controllers of these kinds always write it.
fn check_observed(object: &Value) -> Option<ObjectStatus> {
    read_number(object, "/status/observedGeneration")
        .is_none()
        .then(|| ObjectStatus::in_progress("its controller has not seen it yet"))
}

fn has_true_condition(object: &Value, kind: &str) -> bool {
    find_condition(object, kind).is_some_and(|found| found.status == "True")
}

/// The first pair that is short: what is there, what is wanted, and how it is called.
fn check_counts(pairs: &[(i64, i64, &str)]) -> Option<ObjectStatus> {
    let (have, wanted, what) = pairs.iter().find(|(have, wanted, _)| have < wanted)?;
    Some(ObjectStatus::in_progress(format!("{have} of {wanted} {what}")))
}

fn deployment_status(object: &Value) -> ObjectStatus {
    let progressing = find_condition(object, "Progressing");
    if let Some(found) = progressing.filter(|found| found.reason == "ProgressDeadlineExceeded") {
        return ObjectStatus::failed(join_reason(found.reason, found.message, ""));
    }
    let count = |pointer: &str| read_number(object, pointer).unwrap_or(0);
    let wanted = read_number(object, "/spec/replicas").unwrap_or(1);
    let (total, updated) = (count("/status/replicas"), count("/status/updatedReplicas"));
    let (available, ready) = (count("/status/availableReplicas"), count("/status/readyReplicas"));
    if is_paused(object) {
        return paused_status(object, &[(total, wanted, "replicas made"), (ready, wanted, "replicas ready")]);
    }
    // Without a deadline (absent, or MaxInt32 for "never") the condition Progressing is not kept up to date.
    let deadline =
        read_number(object, "/spec/progressDeadlineSeconds").filter(|deadline| *deadline != i64::from(i32::MAX));
    let done = deadline.is_none()
        || find_condition(object, "Progressing")
            .is_some_and(|found| found.status == "True" && found.reason == "NewReplicaSetAvailable");
    check_observed(object)
        .or_else(|| check_counts(&[(total, wanted, "replicas made"), (updated, wanted, "replicas updated")]))
        .or_else(|| {
            (total > wanted).then(|| ObjectStatus::in_progress(format!("{} old replicas to go", total - wanted)))
        })
        .or_else(|| {
            check_counts(&[(available, updated, "updated replicas available"), (ready, wanted, "replicas ready")])
        })
        .or_else(|| (!done).then(|| ObjectStatus::in_progress("the new ReplicaSet is not available yet")))
        .or_else(|| (!has_true_condition(object, "Available")).then(|| ObjectStatus::in_progress("not available")))
        .unwrap_or_else(|| ObjectStatus::current(format!("{ready} of {wanted} replicas ready")))
}

/// Whether the rollout of a Deployment waits for `kubectl rollout resume`.
#[must_use]
pub fn is_paused(object: &Value) -> bool {
    object.pointer("/spec/paused").is_some_and(|paused| paused == true)
}

/// A paused Deployment rolls nothing out: it is current if its pods run, of whichever template. helm 3 does not wait for it either.
fn paused_status(object: &Value, counts: &[(i64, i64, &str)]) -> ObjectStatus {
    check_observed(object).or_else(|| check_counts(counts)).unwrap_or_else(|| ObjectStatus::current("paused"))
}

/// Whether pods of an older template stay until someone deletes them.
#[must_use]
pub fn updates_on_delete(object: &Value) -> bool {
    object.pointer("/spec/updateStrategy/type").is_some_and(|kind| kind == "OnDelete")
}

fn stateful_set_status(object: &Value) -> ObjectStatus {
    let count = |pointer: &str| read_number(object, pointer).unwrap_or(0);
    let wanted = read_number(object, "/spec/replicas").unwrap_or(1);
    let (total, ready) = (count("/status/replicas"), count("/status/readyReplicas"));
    check_observed(object)
        .or_else(|| check_counts(&[(total, wanted, "replicas made"), (ready, wanted, "replicas ready")]))
        .or_else(|| (total > wanted).then(|| ObjectStatus::in_progress(format!("{} replicas to go", total - wanted))))
        .or_else(|| check_stateful_rollout(object, wanted))
        .unwrap_or_else(|| ObjectStatus::current(format!("{ready} of {wanted} replicas ready")))
}

fn check_stateful_rollout(object: &Value, wanted: i64) -> Option<ObjectStatus> {
    if updates_on_delete(object) {
        return None;
    }
    let count = |pointer: &str| read_number(object, pointer).unwrap_or(0);
    if let Some(partition) =
        read_number(object, "/spec/updateStrategy/rollingUpdate/partition").filter(|from| *from > 0)
    {
        return check_counts(&[(
            count("/status/updatedReplicas"),
            wanted - partition,
            "replicas beyond the partition updated",
        )]);
    }
    let revision = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    check_counts(&[(count("/status/currentReplicas"), wanted, "replicas current")]).or_else(|| {
        let (current, update) = (revision("/status/currentRevision"), revision("/status/updateRevision"));
        (current != update).then(|| ObjectStatus::in_progress(format!("revision {update} is still rolling out")))
    })
}

fn daemon_set_status(object: &Value) -> ObjectStatus {
    let count = |pointer: &str| read_number(object, pointer).unwrap_or(0);
    if read_number(object, "/metadata/generation").is_none() {
        return ObjectStatus::in_progress("it has no generation");
    }
    let Some(wanted) = read_number(object, "/status/desiredNumberScheduled") else {
        return ObjectStatus::in_progress("its controller has not counted the nodes yet");
    };
    // kstatus waits until someone deletes the old pods; helm 3 does not.
    let updated = if updates_on_delete(object) { wanted } else { count("/status/updatedNumberScheduled") };
    check_observed(object)
        .or_else(|| {
            check_counts(&[
                (count("/status/currentNumberScheduled"), wanted, "pods scheduled"),
                (updated, wanted, "pods updated"),
                (count("/status/numberAvailable"), wanted, "pods available"),
                (count("/status/numberReady"), wanted, "pods ready"),
            ])
        })
        .unwrap_or_else(|| ObjectStatus::current(format!("{wanted} of {wanted} pods ready")))
}

fn replica_set_status(object: &Value) -> ObjectStatus {
    if let Some(found) = find_condition(object, "ReplicaFailure").filter(|found| found.status == "True") {
        return ObjectStatus::in_progress(join_reason(found.reason, found.message, "cannot make pods"));
    }
    let count = |pointer: &str| read_number(object, pointer).unwrap_or(0);
    let wanted = read_number(object, "/spec/replicas").unwrap_or(1);
    let total = count("/status/replicas");
    check_counts(&[
        (count("/status/fullyLabeledReplicas"), wanted, "replicas labelled"),
        (count("/status/availableReplicas"), wanted, "replicas available"),
        (count("/status/readyReplicas"), wanted, "replicas ready"),
    ])
    .or_else(|| (total > wanted).then(|| ObjectStatus::in_progress(format!("{} replicas to go", total - wanted))))
    .unwrap_or_else(|| ObjectStatus::current(format!("{wanted} of {wanted} replicas ready")))
}

/// A running Job is current, as in kstatus: only its end can be good or bad.
fn job_status(object: &Value) -> ObjectStatus {
    let true_condition = |kind: &str| find_condition(object, kind).filter(|found| found.status == "True");
    if true_condition("Complete").is_some() {
        return ObjectStatus::current("complete");
    }
    if let Some(found) = true_condition("Failed") {
        return ObjectStatus::failed(join_reason(found.reason, found.message, "failed"));
    }
    if is_suspended(object) {
        return ObjectStatus::current("suspended");
    }
    if object.pointer("/status/startTime").is_none() {
        return ObjectStatus::in_progress("not started");
    }
    ObjectStatus::current("running")
}

fn is_suspended(job: &Value) -> bool {
    job.pointer("/spec/suspend").is_some_and(|suspend| suspend == true)
}

/// Whether a Job has started and not ended, and is not suspended.
#[must_use]
pub fn is_running_job(job: &Value) -> bool {
    let has_ended = ["Complete", "Failed"].iter().any(|kind| has_true_condition(job, kind));
    job.pointer("/status/startTime").is_some() && !has_ended && !is_suspended(job)
}

/// Stricter than kstatus, for which `Lost` is still on its way: the volume behind the claim is gone.
fn volume_claim_status(object: &Value) -> ObjectStatus {
    match object.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default() {
        "Bound" => ObjectStatus::current("bound"),
        "Lost" => ObjectStatus::failed("Lost: its volume is gone"),
        "" => ObjectStatus::in_progress("has no phase yet"),
        phase => ObjectStatus::in_progress(format!("{phase}: no volume is bound to it")),
    }
}

fn service_status(object: &Value) -> ObjectStatus {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if text("/spec/type") == "LoadBalancer" && text("/spec/clusterIP").is_empty() {
        return ObjectStatus::in_progress("has no cluster IP yet");
    }
    ObjectStatus::current("exists")
}

/// Stricter than kstatus, which asks for Established alone: names accepted, schema structural, conditions of this generation.
fn crd_status(object: &Value) -> ObjectStatus {
    let condition_with = |kind: &str, status: &str| find_condition(object, kind).filter(|found| found.status == status);
    if let Some(found) = condition_with("NamesAccepted", "False") {
        return ObjectStatus::failed(join_reason(found.reason, found.message, "its names are not accepted"));
    }
    if let Some(found) = condition_with("NonStructuralSchema", "True") {
        return ObjectStatus::failed(join_reason(found.reason, found.message, "its schema is not structural"));
    }
    if let Some(found) = condition_with("Established", "False").filter(|found| found.reason != "Installing") {
        return ObjectStatus::failed(join_reason(found.reason, found.message, "not established"));
    }
    if condition_with("NamesAccepted", "True").is_none() || condition_with("Established", "True").is_none() {
        return ObjectStatus::in_progress("not established yet");
    }
    if has_stale_condition(object) {
        return ObjectStatus::in_progress("its conditions speak of an older generation");
    }
    ObjectStatus::current("established")
}

fn has_stale_condition(object: &Value) -> bool {
    let Some(generation) = read_number(object, "/metadata/generation") else { return false };
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions
        .filter(|entry| entry["type"] == "Established" || entry["type"] == "NamesAccepted")
        .any(|entry| read_number(entry, "/observedGeneration").is_some_and(|observed| observed < generation))
}
