//! No release is in the middle of something that is not our own.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::lease::Liveness;
use crate::model::pending_release::find_interrupted_run;
use crate::model::release::ReleaseRecord;

/// The card.
pub static CARD: Card = Card {
    id: "release-not-pending",
    section: Section::Guards,
    title: "no release is in the middle of something",
    level: Level::Error,
    why: "While the newest revision is pending, helm refuses every upgrade: another helm is at work, or one was killed. What a run of ours left behind is marked failed and gone on from; what somebody else's helm does is theirs.",
    fix: "If no helm is at work, go back to the last good revision with helm rollback.",
};

/// The guard.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let releases = [context.crds_release, context.app_release];
    let mut findings = Vec::new();
    for release in releases {
        let records = match context.view.releases.get(release) {
            Some(Err(failure)) => return undetermined_verdict(failure.to_string()),
            Some(Ok(records)) => records.as_slice(),
            None => &[],
        };
        let Some(newest) = records.last().filter(|newest| newest.is_pending()) else { continue };
        match find_interrupted_run(records).map(|run| (run, find_active_run(context))) {
            Some((_, None)) => {}
            Some((run, Some(doubt))) => {
                return undetermined_verdict(format!(
                    "release {release} is {} by run {run}, and {doubt}",
                    newest.status
                ));
            }
            None => findings.push(build_finding(context, newest)),
        }
    }
    CheckResult::new(&CARD, releases.len(), Verdict::from_findings(findings))
}

fn undetermined_verdict(reason: String) -> CheckResult {
    CheckResult::new(&CARD, 2, Verdict::Undetermined { reason })
}

/// Why a run of ours may still be at work; none where certainly none is.
fn find_active_run(context: &GuardContext<'_>) -> Option<String> {
    match context.locks {
        Err(failure) => Some(failure.to_string()),
        Ok(locks) => {
            let living = locks.iter().find(|held| held.liveness != Liveness::Dead)?;
            Some(format!("{} may still be at work: an upgrade would first see whether they live", living.holder.user))
        }
    }
}

fn build_finding(context: &GuardContext<'_>, newest: &ReleaseRecord) -> Finding {
    let release = &newest.name;
    let message = format!("is {} at revision {}, and no run of ours made it so", newest.status, newest.revision);
    let hint = format!("is another helm at work? wait for it. If not: {}", context.view.rollback_command(release));
    CARD.finding(format!("release {release}"), message, hint)
}
