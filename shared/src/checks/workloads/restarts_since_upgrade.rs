//! Health check `restarts-since-upgrade`: requires no container restarts since the last upgrade.

use jiff::Timestamp;
use serde_json::Value;

use super::{list_namespace_workloads, release_objects};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::object::ObjectRef;
use crate::model::object_status;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "restarts-since-upgrade",
    section: Section::Workloads,
    title: "no container restarts since the last upgrade",
    level: Level::Warning,
    why: "A container that crashes and restarts is ready in between, so other checks pass. Restarts before the \
        upgrade do not count.",
    fix: "Read how it ended: kubectl logs --previous. After OOMKilled (137), raise the memory limit. After a failed \
        liveness probe, raise its timeout.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::OtherNamespaces], heals_with_time: false, run: check };

/// Whether a container of the releases' pods ended after the newest revision was deployed.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = release_objects(context, &CARD) {
        return answer;
    }
    let Some(upgraded_at) = deployment_time(context) else {
        let mut result = CheckResultBuilder::new(&CARD);
        result.record_skip("the release record has no deployment time");
        return result.build();
    };
    let mut result = CheckResultBuilder::new(&CARD);
    for namespace_workloads in list_namespace_workloads(context, &mut result) {
        match namespace_workloads.release_pods() {
            // `workload-ready` and `pod-failing` report containers that fail right now.
            Ok(pods) => {
                pods.iter().filter(|(pod, _)| object_status::find_pod_blocker(pod).is_none()).for_each(|(pod, _)| {
                    result.record(find_restarts(pod, upgraded_at));
                });
            }
            Err(failure) => result.record_failure(failure),
        }
    }
    result.record_skip("the releases have no pods");
    result.build()
}

/// When the application's newest revision was deployed.
fn deployment_time(context: &CheckContext<'_>) -> Option<Timestamp> {
    context.view.newest_revision(context.app_release).ok().flatten()?.last_deployed.parse().ok()
}

fn find_restarts(pod: &Value, upgraded_at: Timestamp) -> Vec<Finding> {
    let Some(object_ref) = ObjectRef::from_manifest(pod) else { return Vec::new() };
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let all = containers.iter().filter_map(|pointer| pod.pointer(pointer)?.as_array()).flatten();
    all.filter_map(|container| check_container(&object_ref, container, upgraded_at)).collect()
}

fn check_container(pod: &ObjectRef, container: &Value, upgraded_at: Timestamp) -> Option<Finding> {
    let restarts = container["restartCount"].as_u64().filter(|restarts| *restarts > 0)?;
    let ended = container.pointer("/lastState/terminated")?;
    let at: Timestamp = ended["finishedAt"].as_str()?.parse().ok().filter(|at| *at > upgraded_at)?;
    let name = container["name"].as_str().unwrap_or_default();
    let code = ended["exitCode"].as_i64().map_or_else(String::new, |code| format!(" with exit code {code}"));
    let reason = ended["reason"]
        .as_str()
        .filter(|reason| *reason != "Error")
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    let message = format!("container {name} ended{code}{reason} at {at}, restart count {restarts}");
    let hint = format!("kubectl -n {} logs {} -c {name} --previous", pod.namespace, pod.name);
    Some(CARD.finding(pod.to_string(), message, hint))
}
