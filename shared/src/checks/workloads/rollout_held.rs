//! Health check `rollout-held`: requires no workload whose new pod template waits for a person.

use serde_json::Value;

use super::{WORKLOAD_KINDS, check_each_workload};
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::object::ObjectRef;
use crate::model::object_status;
use crate::model::text_format::format_count;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "rollout-held",
    section: Section::Workloads,
    title: "no workload whose new pod template waits for a person",
    level: Level::Warning,
    why: "A paused Deployment, and a StatefulSet or DaemonSet with the strategy OnDelete, count as ready while their \
        pods still run the old template. An upgrade then ends without the new version.",
    fix: "Resume the rollout: kubectl rollout resume deployment NAME. For OnDelete, delete the old pods one by one.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::OtherNamespaces], heals_with_time: false, run: check };

/// Reports old pods of workloads that do not replace them. A paused Deployment without old pods is an info.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_workload(context, &CARD, &WORKLOAD_KINDS, |object, live| {
        let live = live?;
        if object_status::is_paused(live) { judge_paused(object, live) } else { judge_on_delete(object, live) }
    })
}

fn judge_paused(object: &ObjectRef, live: &Value) -> Option<Finding> {
    let hint = format!("kubectl -n {} rollout resume deployment {}", object.namespace, object.name);
    let (level, message) = match count_old_pods(live, "/status/replicas", "/status/updatedReplicas") {
        0 => (Level::Info, "is paused: a change of its pod template is not rolled out".to_owned()),
        old => (CARD.level, format!("is paused: {} of the old template", format_count(old, "pod"))),
    };
    Some(Finding { level, ..CARD.finding(object.to_string(), message, hint) })
}

fn judge_on_delete(object: &ObjectRef, live: &Value) -> Option<Finding> {
    if !object_status::updates_on_delete(live) {
        return None;
    }
    let old = match object.kind.as_str() {
        "StatefulSet" => count_old_pods(live, "/status/replicas", "/status/updatedReplicas"),
        _ => count_old_pods(live, "/status/currentNumberScheduled", "/status/updatedNumberScheduled"),
    };
    let message = format!("has the strategy OnDelete: {} of an older template until deleted", format_count(old, "pod"));
    let hint = format!("kubectl -n {} get pods -L controller-revision-hash; delete the old ones", object.namespace);
    (old > 0).then(|| CARD.finding(object.to_string(), message, hint))
}

fn count_old_pods(live: &Value, all: &str, updated: &str) -> usize {
    let count = |pointer: &str| live.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    usize::try_from(count(all).saturating_sub(count(updated))).unwrap_or(usize::MAX)
}
