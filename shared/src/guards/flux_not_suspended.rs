//! HelmReleases that are suspended by someone other than an upgrade run.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::model::task::Task;
use crate::plan::flux::FluxRoute;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-not-suspended",
    section: Section::Guards,
    title: "HelmReleases that are not suspended by others",
    level: Level::Error,
    why: "helm-controller ignores a suspended HelmRelease, and its Ready condition does not change. The reason for \
        the suspension is unknown.",
    fix: "Find out why it is suspended, then resume it: kubectl patch helmrelease NAME --type merge --patch \
        '{\"spec\":{\"suspend\":false}}'",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each suspended HelmRelease. One that an interrupted run suspended is resumed by a step of the plan instead.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
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
    CARD.finding(object_ref.to_string(), "is suspended, but not by an upgrade run", hint)
}
