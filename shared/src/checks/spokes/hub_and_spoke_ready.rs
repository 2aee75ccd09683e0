//! Health check `hub-and-spoke-ready`: requires healthy Hub and Spoke objects.

use jiff::Timestamp;
use serde_json::Value;

use super::{list_or_skip, str_at};
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::object::{ObjectRef, find_condition};
use crate::model::object_status::{self, ObjectState};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "hub-and-spoke-ready",
    section: Section::Spokes,
    title: "healthy Hub and Spoke objects",
    level: Level::Error,
    why: "The fleet configuration controller starts the hub and joins spokes. If one is unhealthy, new compute pools \
        do not start.",
    fix: "Read the conditions of the object (HubInitialized, SpokeJoined, AddonsConfigured) with kubectl describe, \
        then the log of fleetconfig-controller.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::ManagedClusters], heals_with_time: true, run: check };

/// Conditions of the fleet configuration whose `True` is bad news (fleetconfig-controller `api/v1beta1`).
const FAILURE_CONDITIONS: [&str; 1] = ["CleanupFailed"];

/// Checks that each Hub and Spoke is in phase `Running`. A starting one is a warning; one without a status is skipped.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    let spokes = &context.health_inputs.managed_clusters;
    for (kind, objects) in [("Hub", &spokes.hubs), ("Spoke", &spokes.spokes)] {
        for object in list_or_skip(&mut result, kind, objects) {
            if object.get("status").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty) {
                result.record_skip("no controller has reported on them");
            } else {
                result.record(judge(object, context.now));
            }
        }
    }
    result.build()
}

fn judge(object: &Value, now: Timestamp) -> Option<Finding> {
    let object_ref = ObjectRef::from_manifest(object)?;
    let phase = str_at(object, "/status/phase");
    let bad = FAILURE_CONDITIONS
        .into_iter()
        .find(|kind| find_condition(object, kind).is_some_and(|found| found.status == "True"));
    let (level, what) = match (phase, bad) {
        (_, Some(bad)) => (Level::Error, bad.to_owned()),
        ("Running", None) => return None,
        ("Initializing" | "Joining" | "Deleting", None) => (Level::Warning, format!("is {phase}")),
        ("", None) => {
            let found = object_status::compute_status(object, now);
            if found.state == ObjectState::Current {
                return None;
            }
            (Level::Error, found.reason)
        }
        (_, None) => (Level::Error, format!("is {phase}")),
    };
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let failing = conditions
        .into_iter()
        .find(|one| one["status"] == "False" && !FAILURE_CONDITIONS.contains(&str_at(one, "/type")));
    let why = failing.map(|one| format!(": {} {}", str_at(one, "/type"), str_at(one, "/message"))).unwrap_or_default();
    let hint =
        format!("kubectl -n {} describe {} {}", object_ref.namespace, object_ref.kind.to_lowercase(), object_ref.name);
    Some(Finding { level, ..CARD.finding(object_ref.to_string(), format!("{what}{why}"), hint) })
}
