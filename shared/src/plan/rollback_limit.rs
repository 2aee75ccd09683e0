//! The point of no return of a plan: the step from which a rollback restores only a part.
//!
//! Input: the steps of a plan. Output: text for the plan. `rollback_plan` decides later what a rollback really restores.

use super::{CrdMigration, Step, StepId};

/// The first step after which a rollback is only partial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackLimit {
    /// The step.
    pub step: StepId,
    /// What a rollback does not restore.
    pub reason: String,
}

/// Finds the point of no return: the first migration that rewrites stored objects. `None` if a rollback restores everything.
#[must_use]
pub fn find_rollback_limit(steps: &[Step]) -> Option<RollbackLimit> {
    steps.iter().find_map(|step| {
        let rewritten = step.action.migrations().iter().filter(|migration| migration.in_stored_versions);
        let reasons: Vec<String> = rewritten.map(describe_rewritten_objects).collect();
        (!reasons.is_empty()).then(|| RollbackLimit { step: step.id, reason: reasons.join(", ") })
    })
}

/// `hubs are stored as v1beta1`
fn describe_rewritten_objects(migration: &CrdMigration) -> String {
    let plural = migration.name.split('.').next().unwrap_or(&migration.name);
    format!("{plural} are stored as {}", migration.target_version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;

    fn migrate(in_stored_versions: bool) -> Step {
        let migration = CrdMigration {
            name: "hubs.x.io".into(),
            dropped_versions: vec!["v1alpha1".into()],
            target_version: "v1beta1".into(),
            needs_transitional_crd: false,
            in_stored_versions,
        };
        let action = Action::MigrateObjects { crds: vec![migration] };
        Step { id: StepId::Migrate, title: String::new(), action, reason: String::new(), command: Vec::new() }
    }

    #[test]
    fn only_a_migration_that_rewrites_objects_limits_the_rollback() {
        let limit = find_rollback_limit(&[migrate(true)]);
        let reason = "hubs are stored as v1beta1".to_owned();
        assert_eq!(limit, Some(RollbackLimit { step: StepId::Migrate, reason }));
        assert_eq!(find_rollback_limit(&[migrate(false)]), None);
    }
}
