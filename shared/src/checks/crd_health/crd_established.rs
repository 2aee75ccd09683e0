//! Check `crd-established`.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::{check_each_crd, describe_condition};
use crate::model::check::{Card, CheckResult, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "crd-established",
    section: Section::Crds,
    title: "every CRD is Established",
    level: Level::Error,
    why: "Until a CRD is Established the API server does not serve its kind: every read and write of such objects fails with 404.",
    fix: "Read the CRD's conditions with kubectl describe crd; most often its names are taken by another CRD.",
};

/// Whether each CRD is served at all.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let name = crd.name();
        let message = format!("is not Established: {}", describe_condition(crd.condition("Established")));
        let hint = format!("kubectl describe crd {name}");
        (!crd.has_condition("Established")).then(|| CARD.finding(format!("CRD {name}"), message, hint))
    })
}
