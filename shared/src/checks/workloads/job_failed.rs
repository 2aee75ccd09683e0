//! Health check `job-failed`: requires Jobs of the releases that did not fail.

use serde_json::Value;

use super::{list_namespace_workloads, pod_owner, release_objects};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::object::ObjectRef;
use crate::model::object_status::{self, ObjectState};
use crate::model::pod_creation::find_creation_failure;
use crate::model::unready_objects::describe_failed_pod;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "job-failed",
    section: Section::Workloads,
    title: "Jobs of the releases that did not fail",
    level: Level::Error,
    why: "The Jobs of a chart prepare the application. A failed Job is not tried again, and one whose pods cannot be \
        created never ends.",
    fix: "Read the logs of its pods, fix the cause, delete the Job, and repeat the upgrade to create it again.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::OtherNamespaces], heals_with_time: false, run: check };

/// Reports failed Jobs of the manifests and hooks. A failed Job of a CronJob is a warning, because the next one may succeed.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = release_objects(context, &CARD) {
        return answer;
    }
    let mut result = CheckResultBuilder::new(&CARD);
    for namespace_workloads in list_namespace_workloads(context, &mut result) {
        for (job, object) in namespace_workloads
            .live_objects
            .iter()
            .filter_map(|object| Some((ObjectRef::from_manifest(object)?, object)))
        {
            let cron = pod_owner::controller(object).filter(|(kind, _)| *kind == "CronJob");
            let (kind, name) = cron.unwrap_or(("Job", &job.name));
            if job.kind == "Job"
                && pod_owner::has_object(
                    &namespace_workloads.release_objects,
                    kind,
                    name,
                    &namespace_workloads.namespace,
                )
            {
                let level = if cron.is_some() { Level::Warning } else { CARD.level };
                let pods = namespace_workloads.pods.as_ref().map_or(&[][..], Vec::as_slice);
                result.record(judge(context, pods, (&job, object), level));
            }
        }
    }
    result.record_skip("the releases have no Jobs");
    result.build()
}

fn judge(
    context: &CheckContext<'_>,
    pods: &[Value],
    (job, object): (&ObjectRef, &Value),
    level: Level,
) -> Option<Finding> {
    let namespace = &job.namespace;
    let pods: Vec<&Value> = pods.iter().filter(|pod| pod_owner::controller(pod) == Some(("Job", &job.name))).collect();
    let workloads = context.workloads(namespace).ok();
    let creation_failure =
        workloads.and_then(|workloads| find_creation_failure(object, &pods, &workloads.creation_failures));
    if let Some(failure) = creation_failure {
        let hint = format!("kubectl -n {namespace} describe job {}", job.name);
        return Some(Finding { level, ..CARD.finding(job.to_string(), format!("has no pod: {failure}"), hint) });
    }
    let found = object_status::compute_status(object, context.now);
    if found.state != ObjectState::Failed {
        return None;
    }
    let end = pods.iter().find_map(|pod| describe_failed_pod(pod)).map_or_else(String::new, |end| format!("; {end}"));
    let hint = format!("kubectl -n {namespace} logs job/{}", job.name);
    Some(Finding { level, ..CARD.finding(job.to_string(), format!("failed: {}{end}", found.reason), hint) })
}
