//! Releases that more than one HelmRelease manages.

use crate::ask::OwnerMode;
use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::flux::{FluxObject, FluxRef, FluxView};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-single-helmrelease",
    section: Section::Guards,
    title: "a single HelmRelease for each release",
    level: Level::Error,
    why: "Two HelmReleases of one release overwrite each other: the last one to reconcile wins, and an upgrade does \
        not last.",
    fix: "Suspend the wrong HelmRelease, then delete it. helm-controller keeps the release of a HelmRelease that is \
        deleted while suspended.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each release with two or more HelmReleases.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    if context.mode == OwnerMode::Helm {
        return CheckResult::new(&CARD, 0, Verdict::Pass);
    }
    let releases = [context.crds_release, context.app_release];
    let view = context.view;
    let findings =
        releases.into_iter().filter_map(|release| check_single_release(&view.flux, release, &view.cluster.namespace));
    CheckResult::new(&CARD, releases.len(), Verdict::from_findings(findings.collect()))
}

/// The finding for a release with two or more HelmReleases; `None` with one or none.
#[must_use]
pub fn check_single_release(flux: &FluxView, release: &str, namespace: &str) -> Option<Finding> {
    let all: Vec<FluxRef> = flux.helm_releases_of(release, namespace).map(FluxObject::object_ref).collect();
    let (_, others) = all.split_first().filter(|(_, others)| !others.is_empty())?;
    let names = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let hint =
        others.iter().map(|other| format!("kubectl get {}", other.to_kubectl_args())).collect::<Vec<_>>().join("; ");
    Some(CARD.finding(
        format!("release {release}"),
        format!("is managed by {names}"),
        format!("find out which one is wrong: {hint}"),
    ))
}
