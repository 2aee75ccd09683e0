//! The order rules of every plan. A plan that breaks one is a defect of this program and is never run.

use std::collections::BTreeSet;

use super::{Action, Step, StepId};
use crate::model::release_role::ReleaseRole;
use crate::problem::Explain;

/// An order rule that a list of steps breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The rule of the vendor's upgrade guide: the CRDs come before the application.
    #[error("the step {0} writes CRDs after the application's upgrade")]
    CrdsAfterApplication(StepId),
    /// helm deletes what leaves a manifest, so CRDs are annotated before helm writes anything.
    #[error("the step {0} annotates CRDs that helm may have deleted by then")]
    AnnotatedTooLate(StepId),
    /// An apply that exits 0 is not enough: the API server must serve the schema before anything relies on it.
    #[error("the step {0} relies on CRDs that no step has verified")]
    UnverifiedCrds(StepId),
    /// Objects are migrated out of a version before their CRD loses it.
    #[error("the step {0} migrates objects after CRDs or a release were written")]
    MigratedTooLate(StepId),
    /// Controllers may need the newer schema, so the application is rolled back before its CRDs.
    #[error("the step {0} rolls the application back after its CRDs")]
    RolledBackTooLate(StepId),
    /// The journal, the Leases and the reports identify a step by its id.
    #[error("two steps have the id {0}")]
    DuplicateId(StepId),
    /// A plan that writes ends with the final check.
    #[error("the plan writes and has no final check")]
    MissingValidation,
}

/// A plan of this program breaks an order rule, so it does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plan breaks an order rule; please report this defect")]
pub struct PlanDefect(#[source] pub OrderError);

impl Explain for PlanDefect {
    /// None: the operator cannot fix it.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Checks the order of the steps.
///
/// # Errors
/// The first broken rule. A caller that decided the plan itself reports it as a [`PlanDefect`].
pub fn check_order(steps: &[Step]) -> Result<(), OrderError> {
    let (mut state, mut ids) = (OrderState::default(), BTreeSet::new());
    for step in steps {
        if !ids.insert(step.id) {
            return Err(OrderError::DuplicateId(step.id));
        }
        state.check_step(step)?;
    }
    let writes = steps.iter().any(|step| step.action.is_write());
    let validates = steps.last().is_some_and(|last| last.action == Action::Validate);
    if writes && !validates { Err(OrderError::MissingValidation) } else { Ok(()) }
}

/// The state after the steps so far.
#[derive(Default)]
struct OrderState {
    /// CRDs are written and not verified.
    has_unverified_crds: bool,
    /// The application is upgraded.
    is_app_upgraded: bool,
    /// A release is written.
    is_release_written: bool,
    /// CRDs are rolled back.
    are_crds_restored: bool,
}

impl OrderState {
    fn check_step(&mut self, step: &Step) -> Result<(), OrderError> {
        match &step.action {
            Action::AddKeepAnnotation { .. } if self.is_release_written => Err(OrderError::AnnotatedTooLate(step.id)),
            Action::ApplyCrds { .. } => self.apply_crds(step.id),
            // A CRD without the version makes objects that are still stored in it unreadable.
            Action::MigrateObjects { .. } if self.has_unverified_crds || self.is_release_written => {
                Err(OrderError::MigratedTooLate(step.id))
            }
            Action::RecordRelease { .. } => self.write_release(step.id, ReleaseRole::Crds),
            Action::UpgradeRelease { .. } | Action::ResumeHelmRelease { .. } => {
                self.write_release(step.id, ReleaseRole::App)
            }
            Action::UpdateSource { role, .. } | Action::ApplyManifests { role, .. } => {
                self.let_flux_write(step.id, *role)
            }
            Action::RollbackRelease { wait, .. } => self.roll_back(step.id, *wait),
            Action::RestoreCrds { .. } => {
                (self.has_unverified_crds, self.are_crds_restored) = (true, true);
                Ok(())
            }
            Action::RestoreObjects { .. } => self.require_verified_crds(step.id),
            Action::VerifyServedSchema { .. } | Action::AwaitHelmRelease { role: ReleaseRole::Crds, .. } => {
                self.has_unverified_crds = false;
                Ok(())
            }
            Action::AddKeepAnnotation { .. }
            | Action::MigrateObjects { .. }
            | Action::UnlockRelease { .. }
            | Action::AdoptObjects { .. }
            | Action::SuspendHelmRelease { .. }
            | Action::AwaitHelmRelease { role: ReleaseRole::App, .. }
            | Action::AwaitArgoApplication { .. }
            | Action::RemoveKeepAnnotation { .. }
            | Action::DiscardRuns { .. }
            | Action::Validate => Ok(()),
        }
    }

    const fn require_verified_crds(&self, id: StepId) -> Result<(), OrderError> {
        if self.has_unverified_crds { Err(OrderError::UnverifiedCrds(id)) } else { Ok(()) }
    }

    const fn apply_crds(&mut self, id: StepId) -> Result<(), OrderError> {
        if self.is_app_upgraded {
            return Err(OrderError::CrdsAfterApplication(id));
        }
        self.has_unverified_crds = true;
        Ok(())
    }

    fn write_release(&mut self, id: StepId, role: ReleaseRole) -> Result<(), OrderError> {
        self.require_verified_crds(id)?;
        self.is_release_written = true;
        self.is_app_upgraded |= role == ReleaseRole::App;
        Ok(())
    }

    /// Flux writes a release as soon as its source changes; the CRD chart's release brings its CRDs.
    fn let_flux_write(&mut self, id: StepId, role: ReleaseRole) -> Result<(), OrderError> {
        match role {
            ReleaseRole::Crds => {
                self.apply_crds(id)?;
                self.is_release_written = true;
                Ok(())
            }
            ReleaseRole::App => self.write_release(id, role),
        }
    }

    /// The application comes first, and nothing relies on CRDs that no step has verified.
    fn roll_back(&mut self, id: StepId, waits: bool) -> Result<(), OrderError> {
        if waits && self.are_crds_restored {
            return Err(OrderError::RolledBackTooLate(id));
        }
        self.require_verified_crds(id)?;
        self.is_release_written = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MURAL: StepId = StepId::Release(ReleaseRole::App);

    fn step(id: StepId, action: Action) -> Step {
        Step { id, title: String::new(), action, reason: String::new(), command: Vec::new() }
    }

    #[test]
    fn crds_come_first_and_are_proved() {
        let apply = || step(StepId::Crds, Action::ApplyCrds { names: Vec::new() });
        let verify = || step(StepId::Served, Action::VerifyServedSchema { names: Vec::new() });
        let upgrade = || step(MURAL, Action::UpgradeRelease { release: "mural".into() });
        let validate = || step(StepId::Validate, Action::Validate);
        assert_eq!(check_order(&[apply(), verify(), upgrade(), validate()]), Ok(()));
        assert_eq!(
            check_order(&[upgrade(), apply(), verify(), validate()]),
            Err(OrderError::CrdsAfterApplication(StepId::Crds))
        );
        assert_eq!(check_order(&[apply(), upgrade(), validate()]), Err(OrderError::UnverifiedCrds(MURAL)));
        assert_eq!(check_order(&[apply(), verify(), upgrade()]), Err(OrderError::MissingValidation));
        let keep = || step(StepId::AnnotateKeep, Action::AddKeepAnnotation { names: Vec::new() });
        assert_eq!(check_order(&[keep(), upgrade(), validate()]), Ok(()));
        assert_eq!(
            check_order(&[upgrade(), keep(), validate()]),
            Err(OrderError::AnnotatedTooLate(StepId::AnnotateKeep))
        );
        assert_eq!(check_order(&[]), Ok(()));
        assert_eq!(check_order(&[keep(), keep(), validate()]), Err(OrderError::DuplicateId(StepId::AnnotateKeep)));
    }

    #[test]
    fn the_application_goes_back_before_its_crds() {
        let rollback = || step(MURAL, Action::RollbackRelease { release: "mural".into(), revision: 1, wait: true });
        let restore = || step(StepId::Crds, Action::RestoreCrds { names: Vec::new() });
        let objects = || step(StepId::Objects, Action::RestoreObjects { names: Vec::new() });
        let verify = || step(StepId::Served, Action::VerifyServedSchema { names: Vec::new() });
        let validate = || step(StepId::Validate, Action::Validate);
        assert_eq!(check_order(&[rollback(), restore(), verify(), objects(), validate()]), Ok(()));
        assert_eq!(
            check_order(&[restore(), verify(), rollback(), validate()]),
            Err(OrderError::RolledBackTooLate(MURAL))
        );
        assert_eq!(check_order(&[restore(), objects(), validate()]), Err(OrderError::UnverifiedCrds(StepId::Objects)));
    }
}
