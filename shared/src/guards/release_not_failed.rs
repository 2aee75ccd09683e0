//! The newest revision of a release did not fail; where it did, what helm makes of that.

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::pending::made_by;
use crate::model::view::NotSeen;

/// The card.
pub static CARD: Card = Card {
    id: "release-not-failed",
    section: Section::Guards,
    title: "no release failed last time",
    level: Level::Warning,
    why: "After a failed upgrade the live objects are partly the failed revision's, while helm compares with the last deployed one: what only the failed one made is neither changed nor removed. Where none was ever deployed, helm takes the failed one for what is there.",
    fix: "Find out why it failed with helm history, and go back to the last good revision with helm rollback. The same upgrade again goes on from there, too.",
};

/// The guard: a failed revision of our own may be tried again without a word; another's is told, and refused where nothing ever stood,
/// but for the CRD chart's first record.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let releases = [admission.crds_release, admission.app_release];
    let judged: Result<Vec<Option<Finding>>, &NotSeen> =
        releases.iter().map(|release| one(admission, release)).collect();
    let verdict = match judged {
        Err(not_seen) => Verdict::Undetermined { reason: not_seen.to_string() },
        Ok(findings) => Verdict::from_findings(findings.into_iter().flatten().collect()),
    };
    Checked::new(&CARD, releases.len(), verdict)
}

fn one<'a>(admission: &Admission<'a>, release: &str) -> Result<Option<Finding>, &'a NotSeen> {
    let Some(newest) = admission.view.newest(release)?.filter(|record| record.status == "failed") else {
        return Ok(None);
    };
    let compared = admission.view.current(release)?.filter(|record| record.status == "deployed");
    let subject = format!("release {release}");
    let repair = admission.view.repair(release);
    let records = admission.view.releases.get(release).and_then(|records| records.as_ref().ok());
    let ours = records.is_some_and(|records| made_by(records).is_some());
    let Some(deployed) = compared else {
        // The first record of the CRD chart, which a run of ours was cut off in: what it meant to write is what the next one writes.
        if ours && release == admission.crds_release {
            return Ok(None);
        }
        let message = format!(
            "revision {} failed, and none was ever deployed: helm would take it for what is there",
            newest.revision
        );
        return Ok(Some(Finding { level: Level::Error, ..CARD.finding(subject, message, repair) }));
    };
    if ours {
        return Ok(None);
    }
    let message = format!(
        "revision {} failed; helm compares with revision {}, so what only the failed one made is left as it is",
        newest.revision, deployed.revision
    );
    Ok(Some(CARD.finding(subject, message, format!("to go back first: {repair}"))))
}
