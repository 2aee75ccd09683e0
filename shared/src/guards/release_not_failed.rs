//! The newest revision of a release did not fail; where it did, what helm makes of that.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::cluster_view::ReadFailure;
use crate::model::pending_release::find_creating_run;

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
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let releases = [context.crds_release, context.app_release];
    let judged: Result<Vec<Option<Finding>>, &ReadFailure> =
        releases.iter().map(|release| check_release(context, release)).collect();
    let verdict = match judged {
        Err(failure) => Verdict::Undetermined { reason: failure.to_string() },
        Ok(findings) => Verdict::from_findings(findings.into_iter().flatten().collect()),
    };
    CheckResult::new(&CARD, releases.len(), verdict)
}

fn check_release<'a>(context: &GuardContext<'a>, release: &str) -> Result<Option<Finding>, &'a ReadFailure> {
    let Some(newest) = context.view.newest_revision(release)?.filter(|record| record.status == "failed") else {
        return Ok(None);
    };
    let compared = context.view.current_revision(release)?.filter(|record| record.status == "deployed");
    let subject = format!("release {release}");
    let repair = context.view.rollback_command(release);
    let records = context.view.releases.get(release).and_then(|records| records.as_ref().ok());
    let ours = records.is_some_and(|records| find_creating_run(records).is_some());
    let Some(deployed) = compared else {
        // The first record of the CRD chart, which a run of ours was cut off in: what it meant to write is what the next one writes.
        if ours && release == context.crds_release {
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
