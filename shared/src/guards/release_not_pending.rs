//! Releases with a pending revision that this run must not overwrite.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::lease::Liveness;
use crate::model::pending_release::find_interrupted_run;
use crate::model::release::ReleaseRecord;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-not-pending",
    section: Section::Guards,
    title: "releases without a pending revision",
    level: Level::Error,
    why: "helm refuses every upgrade while the newest revision is pending: another helm is running, or one was \
        killed. If an earlier run of this tool left the revision pending, the upgrade marks it as failed and \
        continues.",
    fix: "Wait for the other helm. If none is running, roll back to the last good revision: helm rollback RELEASE",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Fails for each pending revision, unless an upgrade run created it and certainly no longer runs.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let releases = [context.crds_release, context.app_release];
    let mut findings = Vec::new();
    for release in releases {
        let records = match context.view.releases.get(release) {
            Some(Err(failure)) => return undetermined_verdict(failure.to_string()),
            Some(Ok(records)) => records.as_slice(),
            None => &[],
        };
        let Some(newest) = records.last().filter(|newest| newest.status.is_in_progress()) else { continue };
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

/// Why an earlier upgrade run may still be active; `None` if it certainly is not.
fn find_active_run(context: &GuardContext<'_>) -> Option<String> {
    match context.locks {
        Err(failure) => Some(failure.to_string()),
        Ok(locks) => {
            let living = locks.iter().find(|held| held.liveness != Liveness::Dead)?;
            Some(format!("{} may still be running: an upgrade waits for its lock first", living.holder.user))
        }
    }
}

fn build_finding(context: &GuardContext<'_>, newest: &ReleaseRecord) -> Finding {
    let release = &newest.name;
    let message = format!("is {} at revision {}, and not because of an upgrade run", newest.status, newest.revision);
    let hint = format!("wait for a running helm; if none is running: {}", context.view.rollback_command(release));
    CARD.finding(format!("release {release}"), message, hint)
}
