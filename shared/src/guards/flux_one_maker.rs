//! One HelmRelease makes each release.

use crate::ask::Mode;
use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::flux::{FluxObject, FluxRef, FluxView};

/// The card.
pub static CARD: Card = Card {
    id: "flux-one-maker",
    section: Section::Guards,
    title: "one HelmRelease makes each release",
    level: Level::Error,
    why: "Two HelmReleases of one release undo each other for ever: whichever reconciles last wins, and an upgrade of one is no upgrade.",
    fix: "Suspend and delete the one that should not be there: a HelmRelease that is deleted while suspended leaves its release alone.",
};

/// The guard.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    if admission.mode == Mode::Helm {
        return Checked::new(&CARD, 0, Verdict::Pass);
    }
    let releases = [admission.crds_release, admission.app_release];
    let view = admission.view;
    let findings = releases.into_iter().filter_map(|release| many(&view.flux, release, &view.hub.namespace));
    Checked::new(&CARD, releases.len(), Verdict::from_findings(findings.collect()))
}

/// What is said of a release that more than one HelmRelease makes.
#[must_use]
pub fn many(flux: &FluxView, release: &str, namespace: &str) -> Option<Finding> {
    let all: Vec<FluxRef> = flux.making(release, namespace).map(FluxObject::named).collect();
    let (_, others) = all.split_first().filter(|(_, others)| !others.is_empty())?;
    let names = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let hint = others.iter().map(|other| format!("kubectl get {}", other.words())).collect::<Vec<_>>().join("; ");
    Some(CARD.finding(format!("release {release}"), format!("is made by {names}"), format!("look whose it is: {hint}")))
}
