//! Releases whose newest revision failed, and the effect on the next `helm upgrade`.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::cluster_view::ReadFailure;
use crate::model::pending_release::find_creating_run;
use crate::model::release::ReleaseRecord;
use crate::model::release_status::ReleaseStatus;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-not-failed",
    section: Section::Guards,
    title: "releases whose last revision did not fail",
    level: Level::Warning,
    why: "After a failed upgrade, live objects partly match the failed revision, but helm compares with the last \
        deployed one. helm neither changes nor removes objects that only the failed revision created.",
    fix: "Find the cause with helm history RELEASE. Then roll back to the last good revision with helm rollback \
        RELEASE, or repeat the upgrade.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Reports each failed revision that another helm left; one of an interrupted run passes. It is an error if no revision was ever
/// deployed, except for the first record of the CRD chart.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
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
    let Some(newest) = context.view.newest_revision(release)?.filter(|record| record.status == ReleaseStatus::Failed)
    else {
        return Ok(None);
    };
    let compared = context.view.current_revision(release)?.filter(|record| record.status == ReleaseStatus::Deployed);
    let subject = format!("release {release}");
    let repair = context.view.rollback_command(release);
    let records = context.view.releases.get(release).and_then(|records| records.as_ref().ok());
    let ours = records.is_some_and(|records| find_creating_run(records).is_some());
    let Some(deployed) = compared else {
        // The first record of the CRD chart, which a run of ours was cut off in: what it meant to write is what the next one writes.
        if ours && release == context.crds_release {
            return Ok(None);
        }
        if records.is_some_and(|records| records.iter().any(|record| record.status.has_been_deployed())) {
            return Ok(Some(build_failed_rollback_finding(context, newest)));
        }
        let message = format!(
            "revision {} failed, and no revision was ever deployed: helm would compare with the failed one",
            newest.revision
        );
        return Ok(Some(Finding { level: Level::Error, ..CARD.finding(subject, message, repair) }));
    };
    if ours {
        return Ok(None);
    }
    let message = format!(
        "revision {} failed; helm compares with revision {} and ignores objects that only the failed one created",
        newest.revision, deployed.revision
    );
    Ok(Some(CARD.finding(subject, message, format!("roll back first: {repair}"))))
}

/// A failed `helm rollback` marks the deployed revision as superseded, so that none is deployed. `helm upgrade` then continues from the
/// failed revision (<https://github.com/helm/helm/blob/v3.17.2/pkg/action/upgrade.go>, `prepareUpgrade`), and the same rollback fails again.
fn build_failed_rollback_finding(context: &GuardContext<'_>, newest: &ReleaseRecord) -> Finding {
    let (release, revision) = (&newest.name, newest.revision);
    let message =
        format!("revision {revision} failed, and no revision is deployed now: helm compares with revision {revision}");
    let hint = format!(
        "helm history {release} --namespace {} shows the cause; if it is a conflict with another field manager, upgrade with --force-conflicts",
        context.view.cluster.namespace
    );
    CARD.finding(format!("release {release}"), message, hint)
}
