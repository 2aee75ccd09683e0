//! Both HelmReleases are at rest before they are moved.

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::plan::flux::FluxWay;

/// The card.
pub static CARD: Card = Card {
    id: "flux-at-rest",
    section: Section::Guards,
    title: "neither HelmRelease is at work, failing or remediating",
    level: Level::Error,
    why: "A release that is being upgraded or rolled back right now would be met half-way; one that has used up its retries or waits for a dependency tells of a trouble that the upgrade would inherit. One that is on its way to the wanted chart, as a run that was cut off leaves it, is waited for instead.",
    fix: "Wait until it is Ready, or mend what its Ready condition names: kubectl describe helmrelease NAME.",
};

/// The guard.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let ways: Vec<&FluxWay> = admission.flux.all().collect();
    let findings = ways.iter().filter(|way| !way.helm_release.suspended()).filter_map(|way| found(way));
    Checked::new(&CARD, ways.len(), Verdict::from_findings(findings.collect()))
}

fn found(way: &FluxWay) -> Option<Finding> {
    let release = &way.helm_release;
    let named = release.named();
    let ready = release.ready();
    let said = ready.as_ref().map_or_else(String::new, |ready| format!("{}: {}", ready.reason, ready.message));
    let look = format!("kubectl describe {}", named.words());
    let newest = release.history().into_iter().next();
    let pending = newest.is_some_and(|newest| newest.status.starts_with("pending-") || newest.status == "uninstalling");
    if pending || ready.as_ref().is_some_and(|ready| ready.status == "Unknown") {
        if way.arrives() {
            return None;
        }
        return Some(CARD.finding(
            named.to_string(),
            format!("is at work: {said}"),
            format!("wait until it is Ready: {look}"),
        ));
    }
    if release.stalled().is_some() || (release.retries_exhausted() && !release.is_ready()) {
        let went_back = if release.remediated() { ", and went back" } else { "" };
        let message = format!("has used up its retries{went_back}: {said}");
        // A new chart or new values begin anew; so this does not refuse.
        let hint = format!("mend what it says, or the upgrade will meet it too: {look}");
        return Some(Finding { level: Level::Warning, ..CARD.finding(named.to_string(), message, hint) });
    }
    let failing = ready.filter(|ready| ready.status == "False")?;
    let level = if failing.reason == "DependencyNotReady" { Level::Warning } else { Level::Error };
    Some(Finding {
        level,
        ..CARD.finding(named.to_string(), format!("is not Ready: {said}"), format!("mend it first: {look}"))
    })
}
