//! The steps of a rollback: the application first, then the CRDs, then the CRD chart's record.

use super::{ObjectRollback, ReleaseRollback, RollbackDecision, RollbackPlan};
use crate::model::release_role::ReleaseRole;
use crate::plan::decide::plural_suffix;
use crate::plan::{Action, Step, StepId};

/// The steps of this rollback, in order; none if there is nothing to roll back.
pub(super) fn build_steps(rollback: &RollbackPlan) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |id: StepId, title: String, action: Action, because: &str| {
        steps.push(Step { id, title, action, reason: because.to_owned(), command: Vec::new() });
    };
    if !rollback.crds_to_annotate.is_empty() {
        let (count, names) = (rollback.crds_to_annotate.len(), rollback.crds_to_annotate.clone());
        let title = format!("annotate {count} CRD{} with helm.sh/resource-policy: keep", plural_suffix(count));
        let because = "helm deletes a CRD that leaves a release's manifest, and every object of its kind";
        step(StepId::AnnotateKeep, title, Action::AddKeepAnnotation { names }, because);
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
        let title = "replace the live objects with those of the backup".to_owned();
        step(StepId::Objects, title, Action::RestoreObjects { names }, "--overwrite requests it");
    }
    push_release_step(ReleaseRole::Crds, record, &mut step);
    if !rollback.crds_to_unannotate.is_empty() {
        let (count, names) = (rollback.crds_to_unannotate.len(), rollback.crds_to_unannotate.clone());
        let title = format!("remove helm.sh/resource-policy: keep from {count} CRD{}", plural_suffix(count));
        let because = "a run set it, and helm no longer deletes these CRDs";
        step(StepId::RemoveKeepAnnotation, title, Action::RemoveKeepAnnotation { names }, because);
    }
    let because = "the final check verifies what was written";
    step(StepId::Validate, "run the final check".to_owned(), Action::Validate, because);
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
        let title = format!("apply {} CRD{} from the backup", names.len(), plural_suffix(names.len()));
        step(
            StepId::Crds,
            title,
            Action::RestoreCrds { names: names.clone() },
            "they differ from the CRDs before the run",
        );
        let title = format!(
            "verify {} CRD{}: established and served as in the backup",
            names.len(),
            plural_suffix(names.len())
        );
        step(
            StepId::Served,
            title,
            Action::VerifyServedSchema { names },
            "an accepted apply is not enough: the API server must serve the schema",
        );
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
        let title = format!("mark revision {pending} of {name} failed: helm was interrupted in it");
        let action = Action::UnlockRelease { release: name.clone(), revision: pending };
        step(StepId::Unlock(role), title, action, "helm refuses a release with a pending revision");
    }
    let (id, wait, and_wait) = match role {
        ReleaseRole::App => (StepId::Release(role), true, " and wait"),
        ReleaseRole::Crds => (StepId::Record, false, ""),
    };
    let title = format!("roll {name} back to revision {revision}{and_wait}");
    let action = Action::RollbackRelease { release: name.clone(), revision, wait };
    step(id, title, action, "it is the revision from before the run");
}
