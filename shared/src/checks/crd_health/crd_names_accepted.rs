//! Health check `crd-names-accepted`: requires accepted names of every CRD.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::{check_each_crd, describe_condition};
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-names-accepted",
    section: Section::Crds,
    title: "accepted names of every CRD",
    level: Level::Error,
    why: "Another CRD of the same group has the same plural, singular, short name or kind. The CRD stays Established \
        with its old names, and its new names are not served.",
    fix: "Find the other CRD with kubectl get crds, and rename or remove one of the two.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: true, run: check };

/// Checks that the API server accepted the names of each CRD.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let name = crd.name();
        let message = format!("its names are not accepted: {}", describe_condition(crd.condition("NamesAccepted")));
        let hint = format!("kubectl describe crd {name}");
        (!crd.has_condition("NamesAccepted")).then(|| CARD.finding(format!("CRD {name}"), message, hint))
    })
}
