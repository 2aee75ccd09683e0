//! No HelmRelease is suspended by somebody else.

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::plan::flux::FluxWay;

/// The card.
pub static CARD: Card = Card {
    id: "flux-not-suspended",
    section: Section::Guards,
    title: "neither HelmRelease is suspended by somebody else",
    level: Level::Error,
    why: "helm-controller leaves a suspended HelmRelease alone, and it keeps saying Ready. Somebody suspended it for a reason that we do not know.",
    fix: "Ask who suspended it; then let it go on: kubectl patch helmrelease NAME --type merge --patch '{\"spec\":{\"suspend\":false}}'.",
};

/// The guard. What a dead run of ours left suspended is let go in the plan.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let ways: Vec<&FluxWay> = admission.flux.all().collect();
    let findings = ways.iter().filter(|way| way.helm_release.suspended() && way.held().is_none()).map(|way| found(way));
    Checked::new(&CARD, ways.len(), Verdict::from_findings(findings.collect()))
}

fn found(way: &FluxWay) -> Finding {
    let named = way.helm_release.named();
    let hint = format!("kubectl patch {} --type merge --patch '{{\"spec\":{{\"suspend\":false}}}}'", named.words());
    CARD.finding(named.to_string(), "is suspended, and not by us", hint)
}
