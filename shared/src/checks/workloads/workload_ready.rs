//! Health check `workload-ready`: requires every workload of the releases to be ready.

use serde_json::Value;

use super::{WORKLOAD_KINDS, check_each_workload, pod_owner};
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::cluster_view::Workloads;
use crate::model::health_inputs::ReadScope;
use crate::model::object::ObjectRef;
use crate::model::object_status::{self, ObjectState, PodBlocker};
use crate::model::pod_creation::find_creation_failure;
use crate::model::release_inventory::container_images;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "workload-ready",
    section: Section::Workloads,
    title: "every workload of the releases to be ready",
    level: Level::Error,
    why: "A Deployment, StatefulSet or DaemonSet without all new pods ready serves partly, with the old version, or \
        not at all.",
    fix: "Describe the workload and its pods, and read their logs. The hint of the finding shows the failing pod.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::OtherNamespaces], heals_with_time: true, run: check };

/// Checks the readiness of each workload by the rules of kstatus. `workload-present` reports missing ones.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_workload(context, &CARD, &WORKLOAD_KINDS, |object, live| judge(context, object, live?))
}

fn judge(context: &CheckContext<'_>, object: &ObjectRef, live: &Value) -> Option<Finding> {
    let found = object_status::compute_status(live, context.now);
    if found.state == ObjectState::Current {
        return find_uncounted_pod(context, object, live);
    }
    // Enough ready pods are no reason: the Deployment may still wait for `minReadySeconds`.
    let counted = object_status::compute_progress(live)
        .filter(|(ready, wanted)| ready < wanted)
        .map_or_else(String::new, |(ready, wanted)| format!("{ready}/{wanted} ready: "));
    let namespace = &object.namespace;
    let describe = format!("kubectl -n {namespace} describe {} {}", object.kind.to_lowercase(), object.name);
    let (reason, look) = find_cause(context, object, live).unwrap_or((found.reason, describe));
    let (changed, hint) = match find_changed_images(context, object, live) {
        Some((images, wanted)) => {
            let (kind, name) = (object.kind.to_lowercase(), &object.name);
            let restore = format!("kubectl -n {namespace} set image {kind}/{name} {wanted}");
            (format!("; its image {images} differs from the release"), format!("{look}; restore it: {restore}"))
        }
        None => (String::new(), look),
    };
    Some(CARD.finding(object.to_string(), format!("{counted}{reason}{changed}"), hint))
}

/// The cause behind the counts, and the command that shows it: pods that cannot be created, a failing pod, or a node.
fn find_cause(context: &CheckContext<'_>, object: &ObjectRef, live: &Value) -> Option<(String, String)> {
    let namespace = &object.namespace;
    let workloads = context.workloads(namespace).ok()?;
    let pods: Vec<&Value> = list_pods_of(workloads, object);
    if let Some(failure) = find_creation_failure(live, &pods, &workloads.creation_failures) {
        let hint = format!("kubectl -n {namespace} get events --field-selector reason={}", failure.reason);
        return Some((failure.to_string(), hint));
    }
    if let Some((pod, blocker)) = find_failing_pod(&pods) {
        return Some((blocker.to_string(), format!("kubectl -n {namespace} describe pod {pod}")));
    }
    find_pod_on_unready_node(workloads, &pods)
}

/// `pod agent-x runs on node edge-1, which is not ready: …`, and the command that shows the node.
fn find_pod_on_unready_node(workloads: &Workloads, pods: &[&Value]) -> Option<(String, String)> {
    let (pod, node) = pods.iter().find_map(|pod| Some((pod, workloads.find_unready_node(pod)?)))?;
    let (pod, name) = (ObjectRef::from_manifest(pod)?.name, pod.pointer("/spec/nodeName")?.as_str()?);
    Some((format!("pod {pod} runs on {node}"), format!("kubectl describe node {name}")))
}

/// A pod of a DaemonSet whose counts are fine because they leave its node out: a node that is not ready gets a taint with the
/// effect NoSchedule that no DaemonSet tolerates, so it no longer counts as a node that wants the pod
/// (<https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/controller/daemon/daemon_controller.go>, `NodeShouldRunDaemonPod`).
fn find_uncounted_pod(context: &CheckContext<'_>, object: &ObjectRef, live: &Value) -> Option<Finding> {
    if object.kind != "DaemonSet" || live.pointer("/status/numberMisscheduled")?.as_i64()? == 0 {
        return None;
    }
    let workloads = context.workloads(&object.namespace).ok()?;
    let (reason, hint) = find_pod_on_unready_node(workloads, &list_pods_of(workloads, object))?;
    Some(CARD.finding(object.to_string(), format!("{reason}; the DaemonSet does not count this node"), hint))
}

/// Images of a workload that differ from the manifest after a manual change, and `container=image` arguments that restore them.
/// A rollback does not restore them: helm 4 leaves fields of other managers alone.
fn find_changed_images(context: &CheckContext<'_>, object: &ObjectRef, live: &Value) -> Option<(String, String)> {
    let is_object = |one: &ObjectRef| {
        one.is_same_object(object) || pod_owner::with_namespace(one, context.namespace()).is_same_object(object)
    };
    let (_, wanted) = context.inventory.images.iter().find(|(one, _)| is_object(one))?;
    let live = container_images(live);
    let changed: Vec<_> = wanted
        .iter()
        .filter_map(|(name, image)| Some((name, image, live.get(name).filter(|is| *is != image)?)))
        .collect();
    let all = |parts: Vec<String>, between: &str| parts.join(between);
    let is = all(changed.iter().map(|(_, _, is)| (*is).clone()).collect(), ", ");
    let should = all(changed.iter().map(|(name, image, _)| format!("{name}={image}")).collect(), " ");
    (!changed.is_empty()).then_some((is, should))
}

fn list_pods_of<'a>(workloads: &'a Workloads, object: &ObjectRef) -> Vec<&'a Value> {
    let (Ok(pods), Ok(live)) = (&workloads.pods, &workloads.objects) else { return Vec::new() };
    let is_owner = |(kind, name): (&str, &str)| kind == object.kind && name == object.name;
    pods.iter().filter(|pod| is_owner(pod_owner::find_top_owner(pod, live))).collect()
}

/// The failing pod of the workload with the most severe reason.
fn find_failing_pod(pods: &[&Value]) -> Option<(String, PodBlocker)> {
    let failing = pods
        .iter()
        .filter_map(|pod| Some((ObjectRef::from_manifest(pod)?.name, object_status::find_pod_blocker(pod)?)));
    let mut found: Vec<(String, PodBlocker)> = failing.collect();
    found.sort_by(|(one, a), (other, b)| b.terminal.cmp(&a.terminal).then(one.cmp(other)));
    found.into_iter().next()
}
