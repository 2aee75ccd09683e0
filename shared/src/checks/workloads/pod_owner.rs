//! Decides which pods, Jobs and claims belong to a release: those whose top owner is in its manifest.

use serde_json::Value;

use crate::model::object::ObjectRef;

/// The object with its namespace; without one in the manifest, helm uses the namespace of the release.
pub(super) fn with_namespace(object: &ObjectRef, namespace: &str) -> ObjectRef {
    let mut placed = object.clone();
    if placed.namespace.is_empty() {
        namespace.clone_into(&mut placed.namespace);
    }
    placed
}

fn str_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The controller of an object, as kind and name.
pub(super) fn controller(object: &Value) -> Option<(&str, &str)> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    Some((str_at(owner, "/kind"), str_at(owner, "/name")))
}

/// The top owner of a pod as kind and name: the Deployment of its ReplicaSet, the CronJob of its Job, or the pod itself.
pub(super) fn find_top_owner<'a>(pod: &'a Value, live: &'a [Value]) -> (&'a str, &'a str) {
    match controller(pod) {
        None => ("Pod", str_at(pod, "/metadata/name")),
        Some(("ReplicaSet", set)) => find_deployment(pod, set),
        Some(("Job", job)) => find_job_owner(job, live),
        Some(other) => other,
    }
}

/// A Deployment names its ReplicaSets `<deployment>-<pod-template-hash>` and labels the pods with that hash.
fn find_deployment<'a>(pod: &'a Value, set: &'a str) -> (&'a str, &'a str) {
    let hash = pod.pointer("/metadata/labels/pod-template-hash").and_then(Value::as_str);
    let name = hash.and_then(|hash| set.strip_suffix(hash)?.strip_suffix('-'));
    name.map_or(("ReplicaSet", set), |name| ("Deployment", name))
}

fn find_job_owner<'a>(job: &'a str, live: &'a [Value]) -> (&'a str, &'a str) {
    let found = live.iter().find(|object| object["kind"] == "Job" && str_at(object, "/metadata/name") == job);
    found.and_then(controller).unwrap_or(("Job", job))
}

/// Whether the manifests contain an object of this kind and name in the namespace.
pub(super) fn has_object(objects: &[ObjectRef], kind: &str, name: &str, namespace: &str) -> bool {
    objects.iter().any(|object| {
        object.kind == kind && object.name == name && (object.namespace.is_empty() || object.namespace == namespace)
    })
}

/// The pods whose top owner is in the manifest of a release.
pub(super) fn select_release_pods<'a>(
    pods: &'a [Value],
    live: &'a [Value],
    objects: &'a [ObjectRef],
    namespace: &'a str,
) -> impl Iterator<Item = (&'a Value, (&'a str, &'a str))> {
    pods.iter()
        .map(|pod| (pod, find_top_owner(pod, live)))
        .filter(move |(_, (kind, name))| has_object(objects, kind, name, namespace))
}
