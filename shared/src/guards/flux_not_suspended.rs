//! No HelmRelease is suspended by somebody else.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::plan::flux::FluxRoute;

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
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let routes: Vec<&FluxRoute> = context.flux.routes().collect();
    let findings = routes
        .iter()
        .filter(|route| route.helm_release.is_suspended() && route.suspended_by_run().is_none())
        .map(|route| build_finding(route));
    CheckResult::new(&CARD, routes.len(), Verdict::from_findings(findings.collect()))
}

fn build_finding(route: &FluxRoute) -> Finding {
    let object_ref = route.helm_release.object_ref();
    let hint = format!(
        "kubectl patch {} --type merge --patch '{{\"spec\":{{\"suspend\":false}}}}'",
        object_ref.to_kubectl_args()
    );
    CARD.finding(object_ref.to_string(), "is suspended, and not by us", hint)
}
