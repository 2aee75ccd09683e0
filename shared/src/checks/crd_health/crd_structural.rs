//! Check `crd-structural`.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::{check_each_crd, describe_condition};
use crate::model::check::{Card, CheckResult, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "crd-structural",
    section: Section::Crds,
    title: "the schema of every CRD is structural",
    level: Level::Error,
    why: "For a schema that is not structural the API server neither prunes nor defaults nor publishes OpenAPI, and it refuses the CRD's next change.",
    fix: "Apply the chart's own CRD again; if it is the chart's, the vendor has to mend it.",
};

/// Whether the API server calls any schema non-structural.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let name = crd.name();
        let message = format!("NonStructuralSchema is {}", describe_condition(crd.condition("NonStructuralSchema")));
        let hint = format!("kubectl describe crd {name}");
        crd.has_condition("NonStructuralSchema").then(|| CARD.finding(format!("CRD {name}"), message, hint))
    })
}
