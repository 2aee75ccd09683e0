//! HelmReleases that are reconciling, stalled or failing before the run patches their sources.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::model::task::Task;
use crate::plan::flux::FluxRoute;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-not-reconciling",
    section: Section::Guards,
    title: "HelmReleases that are not upgrading, failing or remediating",
    level: Level::Error,
    why: "An upgrade or rollback in progress would conflict with this run. A HelmRelease that has no retries left, \
        or waits for a dependency, would also block this upgrade.",
    fix: "Wait until the HelmRelease is Ready, or fix the cause in its Ready condition: kubectl describe helmrelease \
        NAME",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each HelmRelease that is not settled, unless it already reconciles to the wanted chart.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let routes: Vec<&FluxRoute> = context.flux.routes().collect();
    let findings =
        routes.iter().filter(|route| !route.helm_release.is_suspended()).filter_map(|route| check_release(route));
    CheckResult::new(&CARD, routes.len(), Verdict::from_findings(findings.collect()))
}

fn check_release(route: &FluxRoute) -> Option<Finding> {
    let release = &route.helm_release;
    let object_ref = release.object_ref();
    let ready = release.ready_condition();
    let condition = ready.as_ref().map_or_else(String::new, |ready| format!("{}: {}", ready.reason, ready.message));
    let look = format!("kubectl describe {}", object_ref.to_kubectl_args());
    let newest = release.history().into_iter().next();
    let pending = newest.is_some_and(|newest| newest.status.is_in_progress());
    if pending || ready.as_ref().is_some_and(|ready| ready.status == "Unknown") {
        if route.is_waiting_for_controllers() {
            return None;
        }
        return Some(CARD.finding(
            object_ref.to_string(),
            format!("is reconciling: {condition}"),
            format!("wait until it is Ready: {look}"),
        ));
    }
    if release.stalled_condition().is_some() || (release.has_exhausted_retries() && !release.is_ready()) {
        let went_back = if release.is_remediated() { " and rolled back" } else { "" };
        let message = format!("has no retries left{went_back}: {condition}");
        // A new chart or new values reset the retries, so this does not refuse.
        let hint = format!("fix the cause, or the upgrade fails with it too: {look}");
        return Some(Finding { level: Level::Warning, ..CARD.finding(object_ref.to_string(), message, hint) });
    }
    let failing = ready.filter(|ready| ready.status == "False")?;
    let level = if failing.reason == "DependencyNotReady" { Level::Warning } else { Level::Error };
    Some(Finding {
        level,
        ..CARD.finding(
            object_ref.to_string(),
            format!("is not Ready: {condition}"),
            format!("fix the cause first: {look}"),
        )
    })
}
