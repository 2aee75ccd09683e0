//! The rule of each kind, top to bottom, the first that applies wins; what falls through is current.

use jiff::Timestamp;
use serde_json::Value;

use super::{Status, number, pods, words};
use crate::model::object::{ObjectRef, condition};

/// The rule of an object's kind, by group and kind in any version; `None` where there is none.
pub(super) fn of_kind(named: &ObjectRef, object: &Value, now: Timestamp) -> Option<Status> {
    let status = match (named.group(), named.kind.as_str()) {
        ("apps" | "extensions", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => daemon_set(object),
        ("apps" | "extensions", "ReplicaSet") => replica_set(object),
        ("", "Pod") => pods::pod(object, now),
        ("batch", "Job") => job(object),
        ("batch", "CronJob") | ("", "Secret" | "ConfigMap") => Status::current("exists"),
        ("policy", "PodDisruptionBudget") => Status::current("observed"),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crd(object),
        _ => return None,
    };
    Some(status)
}

/// Stricter than kstatus, which skips an absent `observedGeneration`: the controllers of these kinds always write it.
fn unseen(object: &Value) -> Option<Status> {
    number(object, "/status/observedGeneration")
        .is_none()
        .then(|| Status::in_progress("its controller has not seen it yet"))
}

fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|found| found.status == "True")
}

/// The first pair that is short: what is there, what is wanted, and how it is called.
fn short(pairs: &[(i64, i64, &str)]) -> Option<Status> {
    let (have, wanted, what) = pairs.iter().find(|(have, wanted, _)| have < wanted)?;
    Some(Status::in_progress(format!("{have} of {wanted} {what}")))
}

fn deployment(object: &Value) -> Status {
    let progressing = condition(object, "Progressing");
    if let Some(found) = progressing.filter(|found| found.reason == "ProgressDeadlineExceeded") {
        return Status::failed(words(found.reason, found.message, ""));
    }
    let count = |pointer: &str| number(object, pointer).unwrap_or(0);
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let (total, updated) = (count("/status/replicas"), count("/status/updatedReplicas"));
    let (available, ready) = (count("/status/availableReplicas"), count("/status/readyReplicas"));
    // Without a deadline (absent, or MaxInt32 for "never") the condition Progressing is not kept up to date.
    let deadline = number(object, "/spec/progressDeadlineSeconds").filter(|deadline| *deadline != i64::from(i32::MAX));
    let done = deadline.is_none()
        || condition(object, "Progressing")
            .is_some_and(|found| found.status == "True" && found.reason == "NewReplicaSetAvailable");
    unseen(object)
        .or_else(|| short(&[(total, wanted, "replicas made"), (updated, wanted, "replicas updated")]))
        .or_else(|| (total > wanted).then(|| Status::in_progress(format!("{} old replicas to go", total - wanted))))
        .or_else(|| short(&[(available, updated, "updated replicas available"), (ready, wanted, "replicas ready")]))
        .or_else(|| (!done).then(|| Status::in_progress("the new ReplicaSet is not available yet")))
        .or_else(|| (!is_true(object, "Available")).then(|| Status::in_progress("not available")))
        .unwrap_or_else(|| Status::current(format!("{ready} of {wanted} replicas ready")))
}

fn stateful_set(object: &Value) -> Status {
    if object.pointer("/spec/updateStrategy/type").is_some_and(|kind| kind == "OnDelete") {
        return Status::current("updated on delete only");
    }
    let count = |pointer: &str| number(object, pointer).unwrap_or(0);
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let (total, ready) = (count("/status/replicas"), count("/status/readyReplicas"));
    unseen(object)
        .or_else(|| short(&[(total, wanted, "replicas made"), (ready, wanted, "replicas ready")]))
        .or_else(|| (total > wanted).then(|| Status::in_progress(format!("{} replicas to go", total - wanted))))
        .or_else(|| stateful_rollout(object, wanted))
        .unwrap_or_else(|| Status::current(format!("{ready} of {wanted} replicas ready")))
}

fn stateful_rollout(object: &Value, wanted: i64) -> Option<Status> {
    let count = |pointer: &str| number(object, pointer).unwrap_or(0);
    if let Some(partition) = number(object, "/spec/updateStrategy/rollingUpdate/partition").filter(|from| *from > 0) {
        return short(&[(
            count("/status/updatedReplicas"),
            wanted - partition,
            "replicas beyond the partition updated",
        )]);
    }
    let revision = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    short(&[(count("/status/currentReplicas"), wanted, "replicas current")]).or_else(|| {
        let (current, update) = (revision("/status/currentRevision"), revision("/status/updateRevision"));
        (current != update).then(|| Status::in_progress(format!("revision {update} is still rolling out")))
    })
}

fn daemon_set(object: &Value) -> Status {
    let count = |pointer: &str| number(object, pointer).unwrap_or(0);
    if number(object, "/metadata/generation").is_none() {
        return Status::in_progress("it has no generation");
    }
    let Some(wanted) = number(object, "/status/desiredNumberScheduled") else {
        return Status::in_progress("its controller has not counted the nodes yet");
    };
    unseen(object)
        .or_else(|| {
            short(&[
                (count("/status/currentNumberScheduled"), wanted, "pods scheduled"),
                (count("/status/updatedNumberScheduled"), wanted, "pods updated"),
                (count("/status/numberAvailable"), wanted, "pods available"),
                (count("/status/numberReady"), wanted, "pods ready"),
            ])
        })
        .unwrap_or_else(|| Status::current(format!("{wanted} of {wanted} pods ready")))
}

fn replica_set(object: &Value) -> Status {
    if let Some(found) = condition(object, "ReplicaFailure").filter(|found| found.status == "True") {
        return Status::in_progress(words(found.reason, found.message, "cannot make pods"));
    }
    let count = |pointer: &str| number(object, pointer).unwrap_or(0);
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let total = count("/status/replicas");
    short(&[
        (count("/status/fullyLabeledReplicas"), wanted, "replicas labelled"),
        (count("/status/availableReplicas"), wanted, "replicas available"),
        (count("/status/readyReplicas"), wanted, "replicas ready"),
    ])
    .or_else(|| (total > wanted).then(|| Status::in_progress(format!("{} replicas to go", total - wanted))))
    .unwrap_or_else(|| Status::current(format!("{wanted} of {wanted} replicas ready")))
}

/// A running Job is current, as in kstatus: only its end can be good or bad.
fn job(object: &Value) -> Status {
    let says = |kind: &str| condition(object, kind).filter(|found| found.status == "True");
    if says("Complete").is_some() {
        return Status::current("complete");
    }
    if let Some(found) = says("Failed") {
        return Status::failed(words(found.reason, found.message, "failed"));
    }
    if object.pointer("/status/startTime").is_none() {
        return Status::in_progress("not started");
    }
    Status::current("running")
}

/// Stricter than kstatus, for which `Lost` is still on its way: the volume behind the claim is gone.
fn claim(object: &Value) -> Status {
    match object.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default() {
        "Bound" => Status::current("bound"),
        "Lost" => Status::failed("Lost: its volume is gone"),
        "" => Status::in_progress("has no phase yet"),
        phase => Status::in_progress(format!("{phase}: no volume is bound to it")),
    }
}

fn service(object: &Value) -> Status {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if text("/spec/type") == "LoadBalancer" && text("/spec/clusterIP").is_empty() {
        return Status::in_progress("has no cluster IP yet");
    }
    Status::current("exists")
}

/// Stricter than kstatus, which asks for Established alone: names accepted, schema structural, conditions of this generation.
fn crd(object: &Value) -> Status {
    let said = |kind: &str, status: &str| condition(object, kind).filter(|found| found.status == status);
    if let Some(found) = said("NamesAccepted", "False") {
        return Status::failed(words(found.reason, found.message, "its names are not accepted"));
    }
    if let Some(found) = said("NonStructuralSchema", "True") {
        return Status::failed(words(found.reason, found.message, "its schema is not structural"));
    }
    if let Some(found) = said("Established", "False").filter(|found| found.reason != "Installing") {
        return Status::failed(words(found.reason, found.message, "not established"));
    }
    if said("NamesAccepted", "True").is_none() || said("Established", "True").is_none() {
        return Status::in_progress("not established yet");
    }
    if stale_condition(object) {
        return Status::in_progress("its conditions speak of an older generation");
    }
    Status::current("established")
}

fn stale_condition(object: &Value) -> bool {
    let Some(generation) = number(object, "/metadata/generation") else { return false };
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions
        .filter(|entry| entry["type"] == "Established" || entry["type"] == "NamesAccepted")
        .any(|entry| number(entry, "/observedGeneration").is_some_and(|observed| observed < generation))
}
