//! Check `crd-names-accepted`.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::{check_each_crd, describe_condition};
use crate::model::check::{Card, CheckResult, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "crd-names-accepted",
    section: Section::Crds,
    title: "the names of every CRD are accepted",
    level: Level::Error,
    why: "Another CRD of the same group holds the plural, singular, short name or kind. The CRD stays Established under its old names, and the new ones are silently not served.",
    fix: "Find the CRD that holds the name with kubectl get crds, and rename or remove one of the two.",
};

/// Whether each CRD got the names that it asks for.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let name = crd.name();
        let message = format!("its names are not accepted: {}", describe_condition(crd.condition("NamesAccepted")));
        let hint = format!("kubectl describe crd {name}");
        (!crd.has_condition("NamesAccepted")).then(|| CARD.finding(format!("CRD {name}"), message, hint))
    })
}
