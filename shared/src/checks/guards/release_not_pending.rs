//! No release is in the middle of something.

use super::Admission;
use crate::checks::{Card, Checked, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "release-not-pending",
    section: Section::Guards,
    title: "no release is in the middle of something",
    level: Level::Error,
    why: "While the newest revision is pending, helm refuses every upgrade: another helm is at work, or one was killed.",
    fix: "If no helm is at work, go back to the last good revision with helm rollback.",
};

/// The guard.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let releases = [admission.crds_release, admission.app_release];
    let mut findings = Vec::new();
    for release in releases {
        match admission.view.newest(release) {
            Err(not_seen) => {
                return Checked::new(&CARD, releases.len(), Verdict::Undetermined { reason: not_seen.to_string() });
            }
            Ok(Some(record)) if record.pending() => {
                let message = format!("is {} at revision {}", record.status, record.revision);
                let namespace = &admission.view.hub.namespace;
                let hint = format!("is another helm at work? if not: helm rollback {release} --namespace {namespace}");
                findings.push(CARD.finding(format!("release {release}"), message, hint));
            }
            Ok(_) => {}
        }
    }
    Checked::new(&CARD, releases.len(), Verdict::from_findings(findings))
}
