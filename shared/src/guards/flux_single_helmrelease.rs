//! One HelmRelease makes each release.

use crate::ask::OwnerMode;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::flux::{FluxObject, FluxRef, FluxView};

/// The card.
pub static CARD: Card = Card {
    id: "flux-single-helmrelease",
    section: Section::Guards,
    title: "one HelmRelease makes each release",
    level: Level::Error,
    why: "Two HelmReleases of one release undo each other for ever: whichever reconciles last wins, and an upgrade of one is no upgrade.",
    fix: "Suspend and delete the one that should not be there: a HelmRelease that is deleted while suspended leaves its release alone.",
};

/// The guard.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    if context.mode == OwnerMode::Helm {
        return CheckResult::new(&CARD, 0, Verdict::Pass);
    }
    let releases = [context.crds_release, context.app_release];
    let view = context.view;
    let findings =
        releases.into_iter().filter_map(|release| check_single_release(&view.flux, release, &view.cluster.namespace));
    CheckResult::new(&CARD, releases.len(), Verdict::from_findings(findings.collect()))
}

/// What is said of a release that more than one HelmRelease makes.
#[must_use]
pub fn check_single_release(flux: &FluxView, release: &str, namespace: &str) -> Option<Finding> {
    let all: Vec<FluxRef> = flux.helm_releases_of(release, namespace).map(FluxObject::object_ref).collect();
    let (_, others) = all.split_first().filter(|(_, others)| !others.is_empty())?;
    let names = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let hint =
        others.iter().map(|other| format!("kubectl get {}", other.to_kubectl_args())).collect::<Vec<_>>().join("; ");
    Some(CARD.finding(format!("release {release}"), format!("is made by {names}"), format!("look whose it is: {hint}")))
}
