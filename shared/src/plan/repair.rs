//! States that somebody left behind, each with its name: what it is, and what mends it.

mod transitional_crds;

use std::collections::BTreeMap;

use serde::Serialize;

use super::decide::plural_suffix;
use super::journal::JournalSnapshot;
use super::{Action, Step, StepId, keep_annotation};
use crate::model::crd::Crd;
use crate::model::flux::SuspendedHelmRelease;
use crate::model::release::ReleaseRecord;
use crate::model::release_role::ReleaseRole;
use crate::model::release_status::ReleaseStatus;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// `held-left-behind`, `release-pending`, `release-failed`, `keep-left-behind`, `bridge-left-standing`, `journal-damaged`
    pub id: &'static str,
    /// What it is about.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// What is done about it; or, where nothing is, what to do.
    pub fix: String,
    /// Whether it is done here.
    pub fixable: bool,
}

/// What is known.
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
    /// The release of the application: the one that is waited for.
    pub app_release: &'a str,
    /// HelmReleases that a run of ours suspended and did not let go.
    pub suspended_releases: Vec<SuspendedHelmRelease>,
}

impl RepairFacts<'_> {
    fn role_of(&self, release: &str) -> ReleaseRole {
        if release == self.app_release { ReleaseRole::App } else { ReleaseRole::Crds }
    }
}

/// What is wrong, and what mends it.
#[derive(Debug, Default)]
pub struct RepairPlan {
    /// Everything that is wrong.
    pub issues: Vec<Issue>,
    /// What mends it, in an order that is safe.
    pub steps: Vec<Step>,
    /// CRDs as they are applied again.
    pub crds_to_apply: BTreeMap<String, Crd>,
}

/// Names what is wrong, and decides the steps that mend it: objects are moved before any release is written, CRDs go back
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
        steps.push(new_repair_step(StepId::Validate, "look at everything again".to_owned(), Action::Validate));
    }
    RepairPlan { issues, steps, crds_to_apply: transitional_crds.into_crds() }
}

fn new_repair_step(id: StepId, title: String, action: Action) -> Step {
    let because = "it was left behind".to_owned();
    Step { id, title, action, reason: because, command: Vec::new() }
}

/// Through Flux, the application is suspended until its CRDs are served: a run that died before it let go leaves it so.
fn check_suspended_releases(facts: &RepairFacts<'_>, issues: &mut Vec<Issue>, steps: &mut Vec<Step>) {
    for (at, SuspendedHelmRelease { helm_release, run, .. }) in facts.suspended_releases.iter().enumerate() {
        let title = format!("let {helm_release} go on");
        // A run suspends one HelmRelease: a second one is a copy of it, and each has its own repair.
        let is_first = at == 0;
        issues.push(Issue {
            id: "held-left-behind",
            subject: helm_release.to_string(),
            message: format!("was suspended by our run {run} until its CRDs would be served, and nobody let it go"),
            fix: match is_first {
                true => format!("{title}, as its source is now. To end that upgrade instead, ask for it again"),
                false => format!("run kubectl mural upgrade repair again: {title} after the one before it"),
            },
            fixable: is_first,
        });
        if !is_first {
            continue;
        }
        let action =
            Action::ResumeHelmRelease { helm_release: helm_release.clone(), has_new_values: false, depends_on: None };
        steps.push(new_repair_step(StepId::Resume, title, action));
        let title = format!("{helm_release} is Ready at what its source holds");
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
    let mut report = |id: &'static str, message: String, cure: String, mended: bool| {
        issues.push(Issue { id, subject: format!("release {release}"), message, fix: cure, fixable: mended });
    };
    if status.is_pending() {
        let title = format!("mark revision {revision} of {release} failed");
        report(
            "release-pending",
            format!("revision {revision} is {status} since {at}: helm refuses every upgrade until it ends"),
            format!("{title}. If another helm is at work on it right now, do not"),
            true,
        );
        let action = Action::UnlockRelease { release: release.to_owned(), revision };
        return steps.push(new_repair_step(StepId::Unlock(facts.role_of(release)), title, action));
    }
    if *status == ReleaseStatus::Uninstalling {
        let fix = format!("helm uninstall {release} --namespace {} ends it", facts.namespace);
        return report("release-pending", format!("revision {revision} was being uninstalled at {at}"), fix, false);
    }
    check_failed_release(facts, release, records, issues, steps);
}

/// Of a failed release without a deployed revision: the last that stood is the one to go back to.
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
    let mut report = |message: String, cure: String, mended: bool| {
        issues.push(Issue {
            id: "release-failed",
            subject: format!("release {release}"),
            message,
            fix: cure,
            fixable: mended,
        });
    };
    let revision = newest.revision;
    let message =
        format!("revision {revision} failed, and none is deployed: helm takes the failed one for what is there");
    match records.iter().rev().find(|record| record.status.has_been_deployed()) {
        Some(good) => {
            let title = format!("{release} back to revision {}, {}", good.revision, good.chart_version);
            report(message, title.clone(), true);
            let (revision, role) = (good.revision, facts.role_of(release));
            let wait = role == ReleaseRole::App;
            let action = Action::RollbackRelease { release: release.to_owned(), revision, wait };
            steps.push(new_repair_step(StepId::Release(role), title, action));
        }
        None => {
            let fix = format!(
                "no revision of it ever stood: helm uninstall {release} --namespace {}, then install it anew",
                facts.namespace
            );
            report(message, fix, false);
        }
    }
}

/// Marks that a run of ours has set, and that no run is left to need.
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
            id: "keep-left-behind",
            subject: format!("CRD {name}"),
            message: "a run of ours marked it helm.sh/resource-policy: keep, and that run is over".to_owned(),
            fix: "take the mark away; the CRD and its objects stay".to_owned(),
            fixable: true,
        });
    }
    let title = format!("take the mark from {} CRD{}", names.len(), plural_suffix(names.len()));
    steps.push(new_repair_step(StepId::RemoveKeep, title, Action::RemoveKeepAnnotation { names }));
}

fn check_journal(facts: &RepairFacts<'_>, issues: &mut Vec<Issue>, steps: &mut Vec<Step>) {
    let mut runs = Vec::new();
    for unread in &facts.journal.unreadable_runs {
        let fix = match unread.from_newer_version {
            true => "use the version that wrote it, or a newer one".to_owned(),
            false => "set it aside: what it told is lost; releases and CRDs are not touched".to_owned(),
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
            format!("set {} damaged run{} aside", runs.len(), plural_suffix(runs.len())),
            Action::DiscardRuns { runs },
        ));
    }
}

#[cfg(test)]
mod tests;
