//! The rollback to the state before a run: per release and per CRD what is rolled back, what stays and why, and what is lost.

mod releases;
pub mod restored_crd;
mod rollback_steps;
mod step_summary;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::crd_plan::CrdDecision;
use super::journal::{JournalSnapshot, RunEntry, RunState, StepPhase, Task};
use super::recorded_state::RecordedCrd;
use super::value_hash::digest_json;
use super::{Action, Step, crd_migration, keep_annotation};
use crate::checks::crd_changes::{CrdFinding, CrdVerdict};
use crate::model::check::Level;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::release::ReleaseRecord;
use crate::model::release_status::ReleaseStatus;

pub use releases::{ForeignRevision, ReleaseRollback};
pub use step_summary::StepRollback;

/// Whether something is rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RollbackDecision {
    /// It is rolled back.
    RollBack,
    /// It cannot or must not be rolled back: it stays as it is.
    Leave,
    /// It is in the state from before the run.
    Unchanged,
}

/// The rollback of one CRD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdRollback {
    /// Its name.
    pub name: String,
    /// Whether it is rolled back.
    pub decision: RollbackDecision,
    /// Why it stays; empty if it is rolled back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What the rollback of it loses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
}

/// The rollback of custom resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectRollback {
    /// They stay as they are now.
    Leave,
    /// `--overwrite`: the objects of the backup replace the live ones.
    Overwrite,
}

/// The rollback as the operator sees it: what it restores, what it leaves and what it loses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackPlan {
    /// The run that is rolled back.
    pub run: String,
    /// That run, and the runs that it resumed.
    pub runs: Vec<String>,
    /// Its progress.
    pub state: RunState,
    /// The user who ran it.
    pub user: String,
    /// When it started.
    pub started_at: jiff::Timestamp,
    /// The rollback of each step that the run has started, in order.
    pub steps: Vec<StepRollback>,
    /// The releases, the application first.
    pub releases: Vec<ReleaseRollback>,
    /// Every CRD of the run.
    pub crds: Vec<CrdRollback>,
    /// The custom resources.
    pub objects: ObjectRollback,
    /// CRDs that are annotated first, so that helm deletes none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crds_to_annotate: Vec<String>,
    /// CRDs that lose the keep annotation in the end: a run of ours has set it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crds_to_unannotate: Vec<String>,
}

/// The input of the rollback plan.
#[derive(Debug)]
pub struct RollbackFacts<'a> {
    /// The run to roll back.
    pub run: &'a RunEntry,
    /// That run, and the runs that it resumed, as far as the journal still has them.
    pub run_chain: &'a [&'a RunEntry],
    /// Interrupted rollbacks of it.
    pub earlier_rollbacks: &'a [&'a RunEntry],
    /// The records of each release, oldest first.
    pub releases: &'a BTreeMap<String, Vec<ReleaseRecord>>,
    /// The live CRDs.
    pub live: &'a BTreeMap<String, Crd>,
    /// The CRDs of the backup; the reason if there are none here.
    pub backup_crds: Result<&'a BTreeMap<String, Crd>, &'a str>,
    /// The API server's answer to a dry-run of each backup CRD.
    pub forecasts: &'a BTreeMap<String, CrdDryRunResult>,
    /// What the rollback of each CRD does, including to the live objects.
    pub verdicts: &'a BTreeMap<String, CrdVerdict>,
    /// `--overwrite`
    pub overwrite: bool,
}

/// The run that a rollback would roll back: the newest upgrade that wrote something and that no later run supersedes.
#[must_use]
pub fn find_target_run(journal: &JournalSnapshot) -> Option<&RunEntry> {
    let open = |run: &&RunEntry| !matches!(run.state, RunState::Superseded | RunState::RolledBack);
    journal.runs.iter().rev().filter(open).find(|run| run.task == Task::Upgrade && run.has_written())
}

/// Interrupted rollbacks of this run.
#[must_use]
pub fn find_interrupted_rollbacks<'a>(journal: &'a JournalSnapshot, run: &RunEntry) -> Vec<&'a RunEntry> {
    let ids = run.run_ids();
    journal.runs.iter().filter(|one| one.task == Task::Rollback && one.earlier_runs == ids).collect()
}

/// Decides what is rolled back, and the steps.
///
/// # Errors
/// Someone else has upgraded since then: the error has the revision.
pub fn decide_rollback(facts: &RollbackFacts<'_>) -> Result<(RollbackPlan, Vec<Step>), ForeignRevision> {
    let run = facts.run;
    let crds: Vec<CrdRollback> = run.recorded_state.crds.keys().filter_map(|name| decide_crd(facts, name)).collect();
    let all_crds_roll_back = crds.iter().all(|crd| crd.decision != RollbackDecision::Leave);
    let [app, record] = [&run.request.app.release, &run.request.crds.release];
    let app = releases::decide_application(facts, app)?;
    let record = releases::decide_crd_record(facts, record, all_crds_roll_back)?;
    let crds_to_annotate = find_crds_to_annotate(facts, &[&app, &record]);
    let objects = if facts.overwrite { ObjectRollback::Overwrite } else { ObjectRollback::Leave };
    let crds_to_unannotate = find_crds_to_unannotate(facts, &[&app, &record], &crds_to_annotate);
    let mut rollback = RollbackPlan {
        run: run.run.clone(),
        runs: run.run_ids(),
        state: run.state,
        user: run.user.clone(),
        started_at: run.started_at,
        steps: Vec::new(),
        releases: vec![app, record],
        crds,
        objects,
        crds_to_annotate,
        crds_to_unannotate,
    };
    rollback.steps = step_summary::summarize_steps(run, &rollback);
    let steps = rollback_steps::build_steps(&rollback);
    Ok((rollback, steps))
}

/// The CRDs with a keep annotation of the run or of this rollback. It is removed in the end, if no release is rolled back
///  only in part: until then helm may still compare with the manifest that they left.
fn find_crds_to_unannotate(
    facts: &RollbackFacts<'_>,
    releases: &[&ReleaseRollback],
    crds_to_annotate: &[String],
) -> Vec<String> {
    let stands = |release: &&ReleaseRollback| {
        let newest = facts.releases.get(&release.release).and_then(|records| records.last());
        release.decision == RollbackDecision::RollBack
            || newest.is_none_or(|newest| newest.status == ReleaseStatus::Deployed)
    };
    if !releases.iter().all(stands) {
        return Vec::new();
    }
    let runs = facts.run_chain.iter().chain(facts.earlier_rollbacks).copied();
    keep_annotation::find_own_annotations(runs, facts.live)
        .into_iter()
        .chain(crds_to_annotate.iter().cloned())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The rollback of one CRD; none if it did not exist before and does not now.
fn decide_crd(facts: &RollbackFacts<'_>, name: &str) -> Option<CrdRollback> {
    let before = facts.run.recorded_state.crds.get(name).and_then(Option::as_ref);
    let live = facts.live.get(name);
    let build = |way: RollbackDecision, because: String, lost: Vec<String>| {
        Some(CrdRollback { name: name.to_owned(), decision: way, reason: because, losses: lost })
    };
    let leave = |because: String| build(RollbackDecision::Leave, because, Vec::new());
    let (before, live) = match (before, live) {
        (None, None) => return None,
        (None, Some(_)) => {
            return leave("it did not exist before; a rollback never deletes a CRD or its objects".into());
        }
        (Some(_), None) => {
            return leave(
                "someone else deleted it and its objects; run helm mural crds restore to restore both".into(),
            );
        }
        (Some(before), Some(live)) => (before, live),
    };
    let now = RecordedCrd::from_crd(live);
    if now == *before {
        return build(RollbackDecision::Unchanged, String::new(), Vec::new());
    }
    match find_obstacle(facts, name, before, &now) {
        Some(because) => leave(because),
        None => assess_losses(facts, name, live)
            .map_or_else(leave, |lost| build(RollbackDecision::RollBack, String::new(), lost)),
    }
}

/// Why a CRD cannot be rolled back, whatever its content.
fn find_obstacle(facts: &RollbackFacts<'_>, name: &str, before: &RecordedCrd, now: &RecordedCrd) -> Option<String> {
    if now.uid != before.uid {
        return Some("it was deleted and created again since then".to_owned());
    }
    if now.spec_digest == before.spec_digest {
        let (is, was) = (now.stored_versions.join(", "), before.stored_versions.join(", "));
        return Some(format!(
            "its spec is as before; its objects were migrated and are stored as {is} instead of {was}"
        ));
    }
    // An interrupted rollback may have left it as it is, and so may the run.
    let ours = |run: &&RunEntry| run.crds_after_run.get(name).is_none_or(|left| left.spec_digest == now.spec_digest);
    let runs = facts.earlier_rollbacks.iter().copied().chain([facts.run]);
    if !runs.into_iter().any(|run| ours(&run)) {
        return Some("someone else has changed it since the run".to_owned());
    }
    let backup_crds = match facts.backup_crds {
        Err(why) => return Some(why.to_owned()),
        Ok(saved) => saved,
    };
    let Some(backup_crd) = backup_crds.get(name) else {
        return Some("the backup does not have it".to_owned());
    };
    let has = |version: &&String| backup_crd.versions().any(|one| one.name == version.as_str());
    let missing: Vec<&str> = now.stored_versions.iter().filter(|version| !has(version)).map(String::as_str).collect();
    if missing.is_empty() {
        return None;
    }
    let missing = missing.join(", ");
    let unreadable =
        format!("objects may be stored as {missing}, which the backup's CRD does not have: they would be unreadable");
    let is_transitional = facts.live.get(name).is_some_and(|live| {
        now.stored_versions.iter().any(|to| {
            crd_migration::recover_original_crd(live, to, |spec| digest_json(spec) == before.spec_digest).is_some()
        })
    });
    let repair_hint = "; run kubectl mural upgrade repair afterwards to migrate them back and restore the CRD";
    Some(if is_transitional { unreadable + repair_hint } else { unreadable })
}

/// What the rollback of a CRD loses.
///
/// # Errors
/// It would break an object, or the server refuses.
fn assess_losses(facts: &RollbackFacts<'_>, name: &str, live: &Crd) -> Result<Vec<String>, String> {
    match facts.forecasts.get(name) {
        None => return Err("it was not dry-run".to_owned()),
        Some(CrdDryRunResult::Rejected(rejection)) => {
            return Err(format!("the API server rejects it: {}", rejection.message));
        }
        Some(CrdDryRunResult::NoAnswer(reason)) => return Err(format!("no answer to its dry-run: {reason}")),
        Some(CrdDryRunResult::Accepted(_) | CrdDryRunResult::NotAsked(_)) => {}
    }
    let Some(verdict) = facts.verdicts.get(name) else { return Err("its objects could not be read".to_owned()) };
    let messages = |level: Level| {
        let of = verdict.findings.iter().filter(move |finding| finding.level == level);
        let place = |finding: &CrdFinding| finding.path.as_ref().map_or_else(String::new, |path| format!("{path}: "));
        of.map(|finding| format!("{}{}", place(finding), finding.message)).collect::<Vec<_>>()
    };
    if matches!(verdict.decision, CrdDecision::Breaking | CrdDecision::Rejected) {
        let why = messages(Level::Error).into_iter().chain(verdict.server_errors.clone());
        return Err(why.take(3).collect::<Vec<_>>().join("; "));
    }
    let mut losses = messages(Level::Warning);
    let backup_crd = facts.backup_crds.ok().and_then(|backup_crd| backup_crd.get(name));
    if let Some(saved) = backup_crd.filter(|saved| saved.storage_version() != live.storage_version()) {
        let (is, was) = (live.storage_version(), saved.storage_version());
        losses
            .push(format!("objects stored as {is} stay so until each is written again; new ones are stored as {was}"));
    }
    Ok(losses)
}

/// CRDs of the current manifest that the target revision's manifest lacks: helm would delete them.
fn find_crds_to_annotate(facts: &RollbackFacts<'_>, releases: &[&ReleaseRollback]) -> Vec<String> {
    let mut all = BTreeSet::new();
    for release in releases.iter().filter(|release| release.decision == RollbackDecision::RollBack) {
        let records = facts.releases.get(&release.release).map_or(&[][..], Vec::as_slice);
        let names = |record: Option<&ReleaseRecord>| -> BTreeSet<String> {
            let objects = record.and_then(|record| record.manifest_objects().ok()).unwrap_or_default();
            objects.iter().filter_map(|object| Crd::name_of(object).map(str::to_owned)).collect()
        };
        let to = names(records.iter().find(|record| Some(record.revision) == release.to_revision));
        // helm compares with the newest revision, and after a failure with the deployed one: neither may delete a CRD.
        let from = records
            .iter()
            .filter(|record| Some(record.revision) > release.to_revision)
            .flat_map(|one| names(Some(one)));
        all.extend(from.filter(|name| !to.contains(name)));
    }
    let has_no_annotation = |name: &String| {
        facts
            .live
            .get(name)
            .is_some_and(|crd| crd.annotation(crate::model::release::RESOURCE_POLICY_ANNOTATION) != Some("keep"))
    };
    all.into_iter().filter(has_no_annotation).collect()
}

/// Whether an earlier rollback has started to roll this release back.
fn is_rolling_back(earlier_rollbacks: &[&RunEntry], release: &str) -> bool {
    let has_started = |run: &&RunEntry| {
        run.steps.iter().any(|step| {
            step.phase != StepPhase::Pending
                && matches!(&step.action, Action::RollbackRelease { release: of, .. } if of == release)
        })
    };
    earlier_rollbacks.iter().any(has_started)
}

#[cfg(test)]
mod tests;
