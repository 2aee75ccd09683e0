//! Health check `crd-established`: requires the condition Established on every CRD.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::{check_each_crd, describe_condition};
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-established",
    section: Section::Crds,
    title: "the condition Established on every CRD",
    level: Level::Error,
    why: "The API server does not serve a kind until its CRD is Established: every read and write fails with 404.",
    fix: "Read the conditions of the CRD: kubectl describe crd NAME. Most often another CRD uses the same names.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: true, run: check };

/// Fails for each CRD without the condition `Established`.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let name = crd.name();
        let message = format!("is not Established: {}", describe_condition(crd.condition("Established")));
        let hint = format!("kubectl describe crd {name}");
        (!crd.has_condition("Established")).then(|| CARD.finding(format!("CRD {name}"), message, hint))
    })
}
