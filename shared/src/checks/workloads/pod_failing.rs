//! Health check `pod-failing`: requires pods of the releases without a persistent failure.

use serde_json::Value;

use super::{list_namespace_workloads, release_objects};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::object::ObjectRef;
use crate::model::object_status::{self, ObjectState, PodBlocker};
use crate::model::unready_objects::describe_failed_pod;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "pod-failing",
    section: Section::Workloads,
    title: "pods of the releases without a persistent failure",
    level: Level::Error,
    why: "A workload can count as ready while one of its pods cannot pull its image, crashes repeatedly or cannot be \
        scheduled. The next disruption stops the others.",
    fix: "Describe the pod. After a crash, read its log with kubectl logs --previous. For an image, check its name \
        and the pull secret.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::OtherNamespaces], heals_with_time: true, run: check };

/// Reports failing pods of the releases, except those of a workload that `workload-ready` reports.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = release_objects(context, &CARD) {
        return answer;
    }
    let mut result = CheckResultBuilder::new(&CARD);
    for namespace_workloads in list_namespace_workloads(context, &mut result) {
        let pods = match namespace_workloads.release_pods() {
            Ok(pods) => pods,
            Err(failure) => {
                result.record_failure(failure);
                continue;
            }
        };
        for (pod, owner) in pods {
            let unready =
                |object: &&Value| object_status::compute_status(object, context.now).state != ObjectState::Current;
            let owner_unready = namespace_workloads
                .live_objects
                .iter()
                .filter(|object| is_owner(object, owner))
                .any(|object| unready(&object));
            let trouble = object_status::find_pod_blocker(pod).filter(|_| !owner_unready);
            let failed = if owner.0 == "Pod" { build_failed_finding(pod) } else { None };
            result.record(failed.or_else(|| trouble.and_then(|trouble| build_finding(pod, &trouble))));
        }
    }
    result.record_skip("the releases have no pods");
    result.build()
}

fn is_owner(object: &Value, (kind, name): (&str, &str)) -> bool {
    object["kind"] == kind && object.pointer("/metadata/name").is_some_and(|own| own == name)
}

/// A pod of the manifest that failed. No controller starts another one.
fn build_failed_finding(pod: &Value) -> Option<Finding> {
    if pod.pointer("/status/phase").is_none_or(|phase| phase != "Failed") {
        return None;
    }
    let object = ObjectRef::from_manifest(pod)?;
    let end = describe_failed_pod(pod).or_else(|| pod.pointer("/status/reason")?.as_str().map(str::to_owned));
    let end = end.map_or_else(String::new, |end| format!(": {end}"));
    let hint = format!("kubectl -n {} logs {}", object.namespace, object.name);
    Some(CARD.finding(object.to_string(), format!("failed and is not started again{end}"), hint))
}

fn build_finding(pod: &Value, trouble: &PodBlocker) -> Option<Finding> {
    let pod = ObjectRef::from_manifest(pod)?;
    let ObjectRef { namespace, name, .. } = &pod;
    let hint = if trouble.reason == "CrashLoopBackOff" {
        format!("kubectl -n {namespace} logs {name} -c {} --previous", trouble.container)
    } else {
        format!("kubectl -n {namespace} describe pod {name}")
    };
    Some(CARD.finding(pod.to_string(), trouble.to_string(), hint))
}
