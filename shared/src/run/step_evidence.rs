//! Reads what a step left on the cluster, for the journal.
//!
//! Owns which action leaves which evidence: an exhaustive `match`. The journal stores it (`journal_writer.rs`); a resumed run compares
//! it with the cluster. Input: a finished step. Output: [`StepEvidence`].

use std::collections::BTreeMap;

use super::context::Run;
use super::journal_writer::StepEvidence;
use crate::cluster::view_reader;
use crate::plan::recorded_state::RecordedCrd;
use crate::plan::{Action, Step};

/// The state of the cluster after a step. A read that fails leaves it empty: a resumed run reads the cluster again.
pub(super) async fn read_step_evidence(run: &Run<'_>, step: &Step) -> StepEvidence {
    let prepared = run.prepared;
    match &step.action {
        Action::VerifyServedSchema { .. } => {
            StepEvidence { live_crds: run.verified_crds.to_live_crds(), revision: None }
        }
        Action::MigrateObjects { .. } => {
            let left =
                run.migrated_crds().iter().map(|(name, crd)| (name.clone(), RecordedCrd::from_crd(crd))).collect();
            StepEvidence { live_crds: left, revision: None }
        }
        Action::RecordRelease { release }
        | Action::UpgradeRelease { release }
        | Action::RollbackRelease { release, .. }
        | Action::UnlockRelease { release, .. } => {
            let session = &prepared.session;
            let namespace = &session.installation.namespace;
            let newest = view_reader::read_newest_revision(&session.cluster, namespace, release).await;
            let revision = newest.ok().flatten().map(|newest| (release.clone(), newest));
            StepEvidence { live_crds: BTreeMap::new(), revision }
        }
        Action::AddKeepAnnotation { .. }
        | Action::RemoveKeepAnnotation { .. }
        | Action::ApplyCrds { .. }
        | Action::AdoptObjects { .. }
        | Action::RestoreCrds { .. }
        | Action::RestoreObjects { .. }
        | Action::DiscardRuns { .. }
        | Action::SuspendHelmRelease { .. }
        | Action::UpdateSource { .. }
        | Action::AwaitHelmRelease { .. }
        | Action::AwaitArgoApplication { .. }
        | Action::ApplyManifests { .. }
        | Action::ResumeHelmRelease { .. }
        | Action::Validate => StepEvidence::default(),
    }
}
