//! The rules that every plan keeps, whoever made it. A plan that breaks one is a defect of ours and is never run.

use super::{Action, Step};

/// A rule that a list of steps breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disorder {
    /// The vendor's one hard rule: the CRDs come before the application.
    #[error("the step {0} writes CRDs after the application's upgrade")]
    CrdsAfterApplication(String),
    /// helm deletes what leaves a manifest: it is marked before helm writes anything.
    #[error("the step {0} marks CRDs that helm may have deleted by then")]
    KeptTooLate(String),
    /// An apply that exits 0 proves nothing: the schema must be seen served before anything relies on it.
    #[error("the step {0} relies on CRDs that no step has proved")]
    Unproved(String),
    /// Objects are moved out of a version before their CRD loses it.
    #[error("the step {0} moves objects after CRDs or a release were written")]
    MigratedTooLate(String),
    /// Controllers may need the newer schema: they go back before it does.
    #[error("the step {0} takes the application back after its CRDs")]
    BackTooLate(String),
    /// What was written is looked at in the end.
    #[error("the plan writes and does not validate")]
    NotValidated,
}

/// Checks the order of steps.
///
/// # Errors
/// The first rule that is broken.
pub fn check(steps: &[Step]) -> Result<(), Disorder> {
    let mut so_far = SoFar::default();
    for step in steps {
        match &step.action {
            Action::KeepCrds { .. } if so_far.released => return Err(Disorder::KeptTooLate(step.id.clone())),
            Action::ApplyCrds { .. } if so_far.upgraded => return Err(Disorder::CrdsAfterApplication(step.id.clone())),
            Action::ApplyCrds { .. } => so_far.unproved = true,
            Action::ProveServed { .. } => so_far.unproved = false,
            Action::RecordRelease { .. } | Action::UpgradeRelease { .. } if so_far.unproved => {
                return Err(Disorder::Unproved(step.id.clone()));
            }
            Action::UpgradeRelease { .. } => (so_far.upgraded, so_far.released) = (true, true),
            Action::RecordRelease { .. } => so_far.released = true,
            // A CRD without the version makes what is still stored in it unreadable.
            Action::MigrateObjects { .. } if so_far.unproved || so_far.released => {
                return Err(Disorder::MigratedTooLate(step.id.clone()));
            }
            Action::RollbackRelease { .. } | Action::RestoreCrds { .. } | Action::RestoreObjects { .. } => {
                so_far.back(step)?;
            }
            _ => so_far.through_flux(step)?,
        }
    }
    let writes = steps.iter().any(|step| step.action.writes());
    let validates = steps.last().is_some_and(|last| last.action == Action::Validate);
    if writes && !validates { Err(Disorder::NotValidated) } else { Ok(()) }
}

/// What the steps before have come to.
#[derive(Default)]
struct SoFar {
    /// CRDs are written and not proved.
    unproved: bool,
    /// The application is upgraded.
    upgraded: bool,
    /// A release is written.
    released: bool,
    /// CRDs are taken back.
    restored: bool,
}

impl SoFar {
    /// On a way back: the application first, and nothing over CRDs that no step has proved.
    fn back(&mut self, step: &Step) -> Result<(), Disorder> {
        match &step.action {
            Action::RollbackRelease { wait: true, .. } if self.restored => Err(Disorder::BackTooLate(step.id.clone())),
            Action::RollbackRelease { .. } | Action::RestoreObjects { .. } if self.unproved => {
                Err(Disorder::Unproved(step.id.clone()))
            }
            Action::RestoreCrds { .. } => {
                (self.unproved, self.restored) = (true, true);
                Ok(())
            }
            Action::RollbackRelease { .. } => {
                self.released = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The same rules where Flux does the writing: moving a source is what writes.
    fn through_flux(&mut self, step: &Step) -> Result<(), Disorder> {
        match &step.action {
            Action::MoveSource { crds: true, .. } | Action::ApplyManifests { crds: true, .. } if self.upgraded => {
                Err(Disorder::CrdsAfterApplication(step.id.clone()))
            }
            Action::MoveSource { crds: true, .. } | Action::ApplyManifests { crds: true, .. } => {
                (self.unproved, self.released) = (true, true);
                Ok(())
            }
            Action::AwaitRelease { crds: true, .. } => {
                self.unproved = false;
                Ok(())
            }
            Action::MoveSource { crds: false, .. }
            | Action::ApplyManifests { crds: false, .. }
            | Action::LetReleaseGo { .. }
                if self.unproved =>
            {
                Err(Disorder::Unproved(step.id.clone()))
            }
            Action::MoveSource { crds: false, .. }
            | Action::ApplyManifests { crds: false, .. }
            | Action::LetReleaseGo { .. } => {
                (self.upgraded, self.released) = (true, true);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: &str, action: Action) -> Step {
        Step { id: id.into(), title: String::new(), action, because: String::new(), command: Vec::new() }
    }

    #[test]
    fn crds_come_first_and_are_proved() {
        let apply = || step("crds", Action::ApplyCrds { names: Vec::new() });
        let prove = || step("served", Action::ProveServed { names: Vec::new() });
        let upgrade = || step("mural", Action::UpgradeRelease { release: "mural".into() });
        let validate = || step("validate", Action::Validate);
        assert_eq!(check(&[apply(), prove(), upgrade(), validate()]), Ok(()));
        assert_eq!(
            check(&[upgrade(), apply(), prove(), validate()]),
            Err(Disorder::CrdsAfterApplication("crds".into()))
        );
        assert_eq!(check(&[apply(), upgrade(), validate()]), Err(Disorder::Unproved("mural".into())));
        assert_eq!(check(&[apply(), prove(), upgrade()]), Err(Disorder::NotValidated));
        let keep = || step("keep", Action::KeepCrds { names: Vec::new() });
        assert_eq!(check(&[keep(), upgrade(), validate()]), Ok(()));
        assert_eq!(check(&[upgrade(), keep(), validate()]), Err(Disorder::KeptTooLate("keep".into())));
        assert_eq!(check(&[]), Ok(()));
    }

    #[test]
    fn the_application_goes_back_before_its_crds() {
        let back = || step("mural", Action::RollbackRelease { release: "mural".into(), revision: 1, wait: true });
        let restore = || step("crds", Action::RestoreCrds { names: Vec::new() });
        let objects = || step("objects", Action::RestoreObjects { names: Vec::new() });
        let prove = || step("served", Action::ProveServed { names: Vec::new() });
        let validate = || step("validate", Action::Validate);
        assert_eq!(check(&[back(), restore(), prove(), objects(), validate()]), Ok(()));
        assert_eq!(check(&[restore(), prove(), back(), validate()]), Err(Disorder::BackTooLate("mural".into())));
        assert_eq!(check(&[restore(), objects(), validate()]), Err(Disorder::Unproved("objects".into())));
    }
}
