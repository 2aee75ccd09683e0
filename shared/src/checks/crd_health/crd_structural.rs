//! Health check `crd-structural`: requires a structural schema in every CRD.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::{check_each_crd, describe_condition};
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-structural",
    section: Section::Crds,
    title: "a structural schema in every CRD",
    level: Level::Error,
    why: "Without a structural schema, the API server does not prune, default or publish OpenAPI, and rejects the \
        next change of the CRD.",
    fix: "Apply the CRD of the chart again. If the chart has the same schema, report it to the vendor.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Reports CRDs with the condition `NonStructuralSchema`.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let name = crd.name();
        let message = format!("NonStructuralSchema is {}", describe_condition(crd.condition("NonStructuralSchema")));
        let hint = format!("kubectl describe crd {name}");
        crd.has_condition("NonStructuralSchema").then(|| CARD.finding(format!("CRD {name}"), message, hint))
    })
}
