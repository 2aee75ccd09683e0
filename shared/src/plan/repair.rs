//! Broken states that an interrupted run or a person left behind, each with an id, a message and a fix.

mod transitional_crds;

use std::collections::BTreeMap;

use serde::Serialize;

use super::decide::plural_suffix;
use super::journal::{JournalSnapshot, RunEntry, Task};
use super::{Action, Step, StepId, keep_annotation};
use crate::model::crd::Crd;
use crate::model::flux::SuspendedHelmRelease;
use crate::model::release::ReleaseRecord;
use crate::model::release_role::ReleaseRole;
use crate::model::release_status::ReleaseStatus;

/// One issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// The id: `helmrelease-suspended`, `release-pending`, `release-failed`, `keep-annotation-left`, `transitional-crd-left`, `journal-damaged`.
    pub id: &'static str,
    /// The object.
    pub subject: String,
    /// The description of the issue.
    pub message: String,
    /// The fix; for an issue that repair cannot fix, what the operator can do.
    pub fix: String,
    /// Whether repair fixes it.
    pub fixable: bool,
}

/// The input of the decision.
#[derive(Debug)]
pub struct RepairFacts<'a> {
    /// The installation's namespace.
    pub namespace: &'a str,
    /// The records of each release, oldest first.
    pub releases: &'a BTreeMap<String, Vec<ReleaseRecord>>,
    /// The live CRDs.
    pub live: &'a BTreeMap<String, Crd>,
    /// The journal.
    pub journal: &'a JournalSnapshot,
    /// The application's release: the one to wait for.
    pub app_release: &'a str,
    /// HelmReleases that a run of ours suspended and did not resume.
    pub suspended_releases: Vec<SuspendedHelmRelease>,
}

impl RepairFacts<'_> {
    fn role_of(&self, release: &str) -> ReleaseRole {
        if release == self.app_release { ReleaseRole::App } else { ReleaseRole::Crds }
    }
}

/// The issues, and the steps that fix them.
#[derive(Debug, Default)]
pub struct RepairPlan {
    /// Every issue.
    pub issues: Vec<Issue>,
    /// The steps that fix them, in a safe order.
    pub steps: Vec<Step>,
    /// The CRDs to apply.
    pub crds_to_apply: BTreeMap<String, Crd>,
}

impl RepairFacts<'_> {
    /// The other way out of an unfinished upgrade; empty if there is none.
    fn suggest_resume(&self) -> String {
        let unfinished = self.journal.unfinished_run().filter(|run| run.task == Task::Upgrade && run.has_written());
        let command = unfinished.map(RunEntry::format_continue_command);
        command.map_or_else(String::new, |command| format!(". To finish the upgrade instead: {command}"))
    }
}

/// Finds the issues and decides the steps that fix them: objects are migrated before any release is written, CRDs are restored
/// after the application.
#[must_use]
pub fn decide_repair(facts: &RepairFacts<'_>) -> RepairPlan {
    let (mut issues, mut steps) = (Vec::new(), Vec::new());
    let transitional_crds = transitional_crds::find_transitional_crds(facts, &mut issues);
    steps.extend(transitional_crds.build_migrate_step());
    for (release, records) in facts.releases {
        check_release(facts, release, records, &mut issues, &mut steps);
    }
    steps.extend(transitional_crds.build_restore_steps());
    check_keep_annotations(facts, &mut issues, &mut steps);
    check_journal(facts, &mut issues, &mut steps);
    check_suspended_releases(facts, &mut issues, &mut steps);
    if !steps.is_empty() {
        steps.push(new_repair_step(StepId::Validate, "run the final check".to_owned(), Action::Validate));
    }
    RepairPlan { issues, steps, crds_to_apply: transitional_crds.into_crds() }
}

fn new_repair_step(id: StepId, title: String, action: Action) -> Step {
    let because = "an earlier run or a person left it behind".to_owned();
    Step { id, title, action, reason: because, command: Vec::new() }
}

/// Through Flux, the application is suspended until its CRDs are served. A run that ended before it resumed it leaves it so.
fn check_suspended_releases(facts: &RepairFacts<'_>, issues: &mut Vec<Issue>, steps: &mut Vec<Step>) {
    for (at, SuspendedHelmRelease { helm_release, run, .. }) in facts.suspended_releases.iter().enumerate() {
        let title = format!("resume {helm_release}");
        // A run suspends one HelmRelease. A second one is a copy of it, and each has its own repair.
        let is_first = at == 0;
        issues.push(Issue {
            id: "helmrelease-suspended",
            subject: helm_release.to_string(),
            message: format!("was suspended by run {run} until the API server serves its CRDs, and not resumed"),
            fix: match is_first {
                true => format!("{title} with its source as it is now. To finish that upgrade instead, run it again"),
                false => format!("run kubectl mural upgrade repair again to {title} after the first one"),
            },
            fixable: is_first,
        });
        if !is_first {
            continue;
        }
        let action =
            Action::ResumeHelmRelease { helm_release: helm_release.clone(), has_new_values: false, depends_on: None };
        steps.push(new_repair_step(StepId::Resume, title, action));
        let title = format!("wait until {helm_release} is Ready with the chart of its source");
        let (helm_release, wanted) = (helm_release.clone(), None);
        let action =
            Action::AwaitHelmRelease { role: ReleaseRole::App, requests_reconcile: true, helm_release, target: wanted };
        steps.push(new_repair_step(StepId::Ready, title, action));
    }
}

fn check_release(
    facts: &RepairFacts<'_>,
    release: &str,
    records: &[ReleaseRecord],
    issues: &mut Vec<Issue>,
    steps: &mut Vec<Step>,
) {
    let Some(newest) = records.last() else { return };
    let (revision, status, at) = (newest.revision, &newest.status, &newest.last_deployed);
    let mut report = |id: &'static str, message: String, fix: String, fixable: bool| {
        issues.push(Issue { id, subject: format!("release {release}"), message, fix, fixable });
    };
    if status.is_pending() {
        let title = format!("mark revision {revision} of {release} failed");
        report(
            "release-pending",
            format!(
                "revision {revision} is {status} since {at}; helm refuses every upgrade while a revision is pending"
            ),
            format!("{title}; do not run it while another helm works on the release{}", facts.suggest_resume()),
            true,
        );
        let action = Action::UnlockRelease { release: release.to_owned(), revision };
        return steps.push(new_repair_step(StepId::Unlock(facts.role_of(release)), title, action));
    }
    if *status == ReleaseStatus::Uninstalling {
        let fix = format!("run helm uninstall {release} --namespace {} to finish", facts.namespace);
        return report("release-pending", format!("revision {revision} was being uninstalled at {at}"), fix, false);
    }
    check_failed_release(facts, release, records, issues, steps);
}

/// A failed release without a deployed revision is rolled back to the last revision that was once deployed.
fn check_failed_release(
    facts: &RepairFacts<'_>,
    release: &str,
    records: &[ReleaseRecord],
    issues: &mut Vec<Issue>,
    steps: &mut Vec<Step>,
) {
    let failed = records.last().filter(|newest| newest.status == ReleaseStatus::Failed);
    let Some(newest) = failed.filter(|_| !records.iter().any(|record| record.status == ReleaseStatus::Deployed)) else {
        return;
    };
    let mut report = |message: String, fix: String, fixable: bool| {
        issues.push(Issue { id: "release-failed", subject: format!("release {release}"), message, fix, fixable });
    };
    let revision = newest.revision;
    let message = format!("revision {revision} failed and none is deployed: helm compares with the failed one");
    match records.iter().rev().find(|record| record.status.has_been_deployed()) {
        Some(good) => {
            let title = format!("roll {release} back to revision {}, {}", good.revision, good.chart_version);
            report(message, format!("{title}; it overwrites fields that another client has changed since then"), true);
            let (revision, role) = (good.revision, facts.role_of(release));
            let wait = role == ReleaseRole::App;
            let action = Action::RollbackRelease { release: release.to_owned(), revision, wait };
            steps.push(new_repair_step(StepId::Release(role), title, action));
        }
        None => {
            let fix = format!(
                "no revision was ever deployed: run helm uninstall {release} --namespace {}, then install it again",
                facts.namespace
            );
            report(message, fix, false);
        }
    }
}

/// Keep annotations that a run of ours set and that no open run needs.
fn check_keep_annotations(facts: &RepairFacts<'_>, issues: &mut Vec<Issue>, steps: &mut Vec<Step>) {
    let (unfinished, completed): (Vec<_>, Vec<_>) = facts.journal.runs.iter().partition(|run| run.is_unfinished());
    let needed = keep_annotation::find_own_annotations(unfinished, facts.live);
    let names: Vec<String> =
        keep_annotation::find_own_annotations(completed, facts.live).difference(&needed).cloned().collect();
    if names.is_empty() {
        return;
    }
    for name in &names {
        issues.push(Issue {
            id: "keep-annotation-left",
            subject: format!("CRD {name}"),
            message: "a run annotated it with helm.sh/resource-policy: keep, and that run has ended".to_owned(),
            fix: "remove the annotation; the CRD and its objects do not change".to_owned(),
            fixable: true,
        });
    }
    let title = format!("remove the keep annotation from {} CRD{}", names.len(), plural_suffix(names.len()));
    steps.push(new_repair_step(StepId::RemoveKeepAnnotation, title, Action::RemoveKeepAnnotation { names }));
}

fn check_journal(facts: &RepairFacts<'_>, issues: &mut Vec<Issue>, steps: &mut Vec<Step>) {
    let mut runs = Vec::new();
    for unread in &facts.journal.unreadable_runs {
        let fix = match unread.from_newer_version {
            true => "use the version that wrote it, or a newer one".to_owned(),
            false => "discard it: its record is lost; releases and CRDs do not change".to_owned(),
        };
        let (subject, message) = (format!("run {} in the journal", unread.run), unread.reason.clone());
        issues.push(Issue { id: "journal-damaged", subject, message, fix, fixable: !unread.from_newer_version });
        if !unread.from_newer_version {
            runs.push(unread.run.clone());
        }
    }
    if !runs.is_empty() {
        steps.push(new_repair_step(
            StepId::DiscardRuns,
            format!("discard {} damaged run{} from the journal", runs.len(), plural_suffix(runs.len())),
            Action::DiscardRuns { runs },
        ));
    }
}

#[cfg(test)]
mod tests;
