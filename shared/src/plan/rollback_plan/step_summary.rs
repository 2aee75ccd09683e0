//! The steps of the run that is rolled back, each with its outcome.

use serde::Serialize;

use super::{RollbackDecision, RollbackPlan};
use crate::plan::journal::{RunEntry, StepEntry, StepPhase};
use crate::plan::{Action, StepId};

/// One step of the run that is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRollback {
    /// Which step.
    pub step: StepId,
    /// Whether it is rolled back.
    pub decision: RollbackDecision,
    /// Its outcome, in a few words.
    pub summary: String,
}

/// Every step that was started and wrote something.
pub(super) fn summarize_steps(run: &RunEntry, rollback: &RollbackPlan) -> Vec<StepRollback> {
    let started = run.steps.iter().filter(|step| step.phase != StepPhase::Pending && step.action.is_write());
    started.map(|step| summarize_step(step, rollback)).collect()
}

fn summarize_step(step: &StepEntry, rollback: &RollbackPlan) -> StepRollback {
    let (decision, summary) = match &step.action {
        Action::AddKeepAnnotation { names } => summarize_annotations(names, rollback),
        Action::MigrateObjects { crds } => {
            let all: Vec<String> = crds.iter().map(|one| format!("{} as {}", one.name, one.target_version)).collect();
            (RollbackDecision::Leave, format!("migrated objects stay migrated: {}", all.join(", ")))
        }
        Action::ApplyCrds { names } => summarize_crds(names, rollback),
        Action::UnlockRelease { revision, .. } => {
            (RollbackDecision::Leave, format!("revision {revision} stays marked failed: helm was interrupted in it"))
        }
        Action::AdoptObjects { release, .. } => {
            (RollbackDecision::Leave, format!("the objects stay owned by {release}; none of their fields changed"))
        }
        Action::RecordRelease { release } | Action::UpgradeRelease { release } => summarize_release(release, rollback),
        Action::SuspendHelmRelease { .. }
        | Action::UpdateSource { .. }
        | Action::AwaitHelmRelease { .. }
        | Action::AwaitArgoApplication { .. }
        | Action::ApplyManifests { .. }
        | Action::ResumeHelmRelease { .. }
        | Action::VerifyServedSchema { .. }
        | Action::RollbackRelease { .. }
        | Action::RestoreCrds { .. }
        | Action::RestoreObjects { .. }
        | Action::RemoveKeepAnnotation { .. }
        | Action::DiscardRuns { .. }
        | Action::Validate => (RollbackDecision::Leave, "is rolled back through its owner".to_owned()),
    };
    StepRollback { step: step.id, decision, summary }
}

fn summarize_annotations(names: &[String], rollback: &RollbackPlan) -> (RollbackDecision, String) {
    let taken = names.iter().filter(|name| rollback.crds_to_unannotate.contains(name)).count();
    match taken {
        0 => (
            RollbackDecision::Leave,
            "the annotations stay: helm may still delete these CRDs, or someone else owns them now".to_owned(),
        ),
        _ => (RollbackDecision::RollBack, format!("{taken} of {} annotations are removed in the end", names.len())),
    }
}

fn summarize_crds(names: &[String], rollback: &RollbackPlan) -> (RollbackDecision, String) {
    let count = |decision: RollbackDecision| {
        rollback.crds.iter().filter(|crd| crd.decision == decision && names.contains(&crd.name)).count()
    };
    let all = [
        (count(RollbackDecision::RollBack), "restored from the backup"),
        (count(RollbackDecision::Unchanged), "already as before"),
        (count(RollbackDecision::Leave), "not rolled back, for the reason below"),
    ];
    let parts: Vec<String> =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let decision = match (all[0].0, all[2].0) {
        (0, 0) => RollbackDecision::Unchanged,
        (0, _) => RollbackDecision::Leave,
        _ => RollbackDecision::RollBack,
    };
    (decision, parts.join(", "))
}

fn summarize_release(release: &str, rollback: &RollbackPlan) -> (RollbackDecision, String) {
    let Some(release_rollback) = rollback.releases.iter().find(|one| one.release == release) else {
        return (RollbackDecision::Unchanged, "no such release".to_owned());
    };
    let summary = match (&release_rollback.decision, &release_rollback.to_revision, &release_rollback.to_version) {
        (RollbackDecision::RollBack, Some(to), Some(version)) => {
            format!("{release} to the content of revision {to} ({version})")
        }
        (RollbackDecision::Unchanged, ..) if release_rollback.reason.is_empty() => {
            format!("{release} is as before")
        }
        _ => format!("{release}: {}", release_rollback.reason),
    };
    (release_rollback.decision, summary)
}
