//! Going back to what was before a run: per release and per CRD what goes back, what stays and why, and what would be lost.

mod releases;
pub mod restored_crd;
mod step_summary;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::crd_plan::CrdDecision;
use super::decide::plural_suffix;
use super::journal::{JournalSnapshot, RunEntry, RunState, StepPhase, Task};
use super::recorded_state::RecordedCrd;
use super::value_hash::digest_json;
use super::{Action, Step, StepId, crd_migration, keep_annotation};
use crate::checks::crd_changes::{CrdFinding, CrdVerdict};
use crate::model::check::Level;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::release::ReleaseRecord;
use crate::model::release_role::ReleaseRole;
use crate::model::release_status::ReleaseStatus;

pub use releases::{ForeignRevision, ReleaseRollback};
pub use step_summary::StepRollback;

/// Whether something goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RollbackDecision {
    /// It goes back.
    RollBack,
    /// It cannot, or must not: it stays as it is.
    Leave,
    /// It is as it was.
    Unchanged,
}

/// One CRD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CrdRollback {
    /// Its name.
    pub name: String,
    /// Whether it goes back.
    pub decision: RollbackDecision,
    /// Why it stays; empty where it goes back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What going back costs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
}

/// What of the custom resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectRollback {
    /// They stay as they are now.
    Leave,
    /// `--overwrite`: those that were saved stand in place of those that are there.
    Overwrite,
}

/// The honest statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackPlan {
    /// The run that is undone.
    pub run: String,
    /// It, and those that it went on from.
    pub runs: Vec<String>,
    /// How far it came.
    pub state: RunState,
    /// Who ran it.
    pub user: String,
    /// When it began.
    pub started_at: jiff::Timestamp,
    /// What becomes of each step that the run has begun, in its order.
    pub steps: Vec<StepRollback>,
    /// The releases, the application first.
    pub releases: Vec<ReleaseRollback>,
    /// Every CRD that the run was about.
    pub crds: Vec<CrdRollback>,
    /// The custom resources.
    pub objects: ObjectRollback,
    /// CRDs that are marked first, so that helm deletes none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crds_to_annotate: Vec<String>,
    /// CRDs from which the mark is taken in the end: a run of ours has set it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crds_to_unannotate: Vec<String>,
}

/// What the statement is made from.
#[derive(Debug)]
pub struct RollbackFacts<'a> {
    /// The run that is undone.
    pub run: &'a RunEntry,
    /// It, and those that it went on from, as far as the journal still has them.
    pub run_chain: &'a [&'a RunEntry],
    /// Rollbacks of it that were cut off.
    pub earlier_rollbacks: &'a [&'a RunEntry],
    /// The records of each release, oldest first.
    pub releases: &'a BTreeMap<String, Vec<ReleaseRecord>>,
    /// The live CRDs.
    pub live: &'a BTreeMap<String, Crd>,
    /// The saved CRDs; why there are none here.
    pub backup_crds: Result<&'a BTreeMap<String, Crd>, &'a str>,
    /// The server's word on each saved CRD.
    pub forecasts: &'a BTreeMap<String, CrdDryRunResult>,
    /// What going back does, to the live objects too.
    pub verdicts: &'a BTreeMap<String, CrdVerdict>,
    /// `--overwrite`
    pub overwrite: bool,
}

/// The run that would be undone: the newest upgrade that wrote something and that no later run stands for.
#[must_use]
pub fn find_target_run(journal: &JournalSnapshot) -> Option<&RunEntry> {
    let open = |run: &&RunEntry| !matches!(run.state, RunState::Superseded | RunState::RolledBack);
    journal.runs.iter().rev().filter(open).find(|run| run.task == Task::Upgrade && run.has_written())
}

/// Rollbacks of this run that were cut off.
#[must_use]
pub fn find_interrupted_rollbacks<'a>(journal: &'a JournalSnapshot, run: &RunEntry) -> Vec<&'a RunEntry> {
    let ids = run.run_ids();
    journal.runs.iter().filter(|one| one.task == Task::Rollback && one.earlier_runs == ids).collect()
}

/// States what goes back, and decides the steps.
///
/// # Errors
/// Somebody else has upgraded since: the revision is named.
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
    let steps = build_steps(&rollback);
    Ok((rollback, steps))
}

/// The CRDs that bear a mark of the run's, or of this way back: taken away in the end, where no release stands half-way. Until
/// then helm may still compare with the manifest that they have left.
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

/// One CRD; none where it neither was nor is there.
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
            return leave("it was not there before; a CRD, and every object of it, is never deleted".into());
        }
        (Some(_), None) => {
            return leave(
                "somebody has deleted it, and its objects with it: helm mural crds restore brings both back".into(),
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

/// Why a CRD cannot go back, whatever is in it.
fn find_obstacle(facts: &RollbackFacts<'_>, name: &str, before: &RecordedCrd, now: &RecordedCrd) -> Option<String> {
    if now.uid != before.uid {
        return Some("it was deleted and made anew since".to_owned());
    }
    if now.spec_digest == before.spec_digest {
        let (is, was) = (now.stored_versions.join(", "), before.stored_versions.join(", "));
        return Some(format!(
            "its spec is as before; its objects were rewritten, and are stored as {is} instead of {was}"
        ));
    }
    // A rollback that was cut off left it as it is, and so may have the run.
    let ours = |run: &&RunEntry| run.crds_after_run.get(name).is_none_or(|left| left.spec_digest == now.spec_digest);
    let runs = facts.earlier_rollbacks.iter().copied().chain([facts.run]);
    if !runs.into_iter().any(|run| ours(&run)) {
        return Some("somebody has changed it since the run".to_owned());
    }
    let backup_crds = match facts.backup_crds {
        Err(why) => return Some(why.to_owned()),
        Ok(saved) => saved,
    };
    let Some(backup_crd) = backup_crds.get(name) else {
        return Some("the saved copy does not hold it".to_owned());
    };
    let has = |version: &&String| backup_crd.versions().any(|one| one.name == version.as_str());
    let missing: Vec<&str> = now.stored_versions.iter().filter(|version| !has(version)).map(String::as_str).collect();
    if missing.is_empty() {
        return None;
    }
    let missing = missing.join(", ");
    let unreadable =
        format!("objects may be stored as {missing}, which the saved CRD has not: they would be unreadable");
    let is_transitional = facts.live.get(name).is_some_and(|live| {
        now.stored_versions.iter().any(|to| {
            crd_migration::recover_original_crd(live, to, |spec| digest_json(spec) == before.spec_digest).is_some()
        })
    });
    let repair_hint = "; afterwards kubectl mural upgrade repair moves them back, and the CRD with them";
    Some(if is_transitional { unreadable + repair_hint } else { unreadable })
}

/// What going back costs.
///
/// # Errors
/// It would break an object, or the server refuses.
fn assess_losses(facts: &RollbackFacts<'_>, name: &str, live: &Crd) -> Result<Vec<String>, String> {
    match facts.forecasts.get(name) {
        None => return Err("the API server could not be asked about it".to_owned()),
        Some(Err(words)) => return Err(format!("the API server refuses it: {words}")),
        Some(Ok(_)) => {}
    }
    let Some(verdict) = facts.verdicts.get(name) else { return Err("its objects could not be looked at".to_owned()) };
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
        losses.push(format!(
            "objects that were stored as {is} stay so until each is written again; new ones are stored as {was}"
        ));
    }
    Ok(losses)
}

/// CRDs that stand in the manifest that is there and not in the one that helm goes back to: helm would delete them.
fn find_crds_to_annotate(facts: &RollbackFacts<'_>, releases: &[&ReleaseRollback]) -> Vec<String> {
    let mut all = BTreeSet::new();
    for release in releases.iter().filter(|release| release.decision == RollbackDecision::RollBack) {
        let records = facts.releases.get(&release.release).map_or(&[][..], Vec::as_slice);
        let names = |record: Option<&ReleaseRecord>| -> BTreeSet<String> {
            let objects = record.and_then(|record| record.manifest_objects().ok()).unwrap_or_default();
            objects.iter().filter_map(|object| Crd::name_of(object).map(str::to_owned)).collect()
        };
        let to = names(records.iter().find(|record| Some(record.revision) == release.to_revision));
        // helm compares with the newest revision, and after a failure with the deployed one: neither may cost a CRD.
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

fn build_steps(rollback: &RollbackPlan) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |id: StepId, title: String, action: Action, because: &str| {
        steps.push(Step { id, title, action, reason: because.to_owned(), command: Vec::new() });
    };
    if !rollback.crds_to_annotate.is_empty() {
        let title = format!(
            "mark {} CRD{} to be kept",
            rollback.crds_to_annotate.len(),
            plural_suffix(rollback.crds_to_annotate.len())
        );
        let because = "helm deletes what leaves a release's manifest, and with a CRD every object of its kind";
        step(StepId::Keep, title, Action::AddKeepAnnotation { names: rollback.crds_to_annotate.clone() }, because);
    }
    let [app, record] = rollback.releases.as_slice() else { return steps };
    push_release_step(ReleaseRole::App, app, &mut step);
    push_crd_steps(rollback, &mut step);
    if rollback.objects == ObjectRollback::Overwrite {
        let names: Vec<String> = rollback
            .crds
            .iter()
            .filter(|crd| crd.decision != RollbackDecision::Leave)
            .map(|crd| crd.name.clone())
            .collect();
        let title = "put the saved objects in place of those that are there".to_owned();
        step(StepId::Objects, title, Action::RestoreObjects { names }, "--overwrite asks for it");
    }
    push_release_step(ReleaseRole::Crds, record, &mut step);
    if !rollback.crds_to_unannotate.is_empty() {
        let (count, names) = (rollback.crds_to_unannotate.len(), rollback.crds_to_unannotate.clone());
        let title = format!("take our mark helm.sh/resource-policy: keep from {count} CRD{}", plural_suffix(count));
        let because = "a run of ours has set it, and no release leaves a CRD behind any more";
        step(StepId::RemoveKeep, title, Action::RemoveKeepAnnotation { names }, because);
    }
    step(
        StepId::Validate,
        "look at everything again".to_owned(),
        Action::Validate,
        "what was written is looked at in the end",
    );
    if steps.len() == 1 { Vec::new() } else { steps }
}

fn push_crd_steps(rollback: &RollbackPlan, step: &mut impl FnMut(StepId, String, Action, &str)) {
    let names: Vec<String> = rollback
        .crds
        .iter()
        .filter(|crd| crd.decision == RollbackDecision::RollBack)
        .map(|crd| crd.name.clone())
        .collect();
    if !names.is_empty() {
        let title = format!("apply {} CRD{} as saved before the run", names.len(), plural_suffix(names.len()));
        step(
            StepId::Crds,
            title,
            Action::RestoreCrds { names: names.clone() },
            "they differ from what was there before the run",
        );
        let title = format!("{} CRD{} established and served as saved", names.len(), plural_suffix(names.len()));
        step(StepId::Served, title, Action::VerifyServedSchema { names }, "an apply that is accepted proves nothing");
    }
}

fn push_release_step(
    role: ReleaseRole,
    release: &ReleaseRollback,
    step: &mut impl FnMut(StepId, String, Action, &str),
) {
    let (RollbackDecision::RollBack, Some(revision)) = (release.decision, release.to_revision) else { return };
    let name = &release.release;
    if let Some(pending) = release.pending_revision {
        let title = format!("mark revision {pending} of {name} failed, in which helm was cut off");
        let action = Action::UnlockRelease { release: name.clone(), revision: pending };
        step(StepId::Unlock(role), title, action, "no helm goes on from a revision that is pending");
    }
    let (id, wait, and_wait) = match role {
        ReleaseRole::App => (StepId::Release(role), true, " and wait"),
        ReleaseRole::Crds => (StepId::Record, false, ""),
    };
    let title = format!("{name} back to revision {revision}{and_wait}");
    let action = Action::RollbackRelease { release: name.clone(), revision, wait };
    step(id, title, action, "it is the revision that was there before the run");
}

/// Whether a rollback of ours has begun to bring this release back.
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
