//! Transitional CRDs that an interrupted run left, with objects stored in a version that no chart has: restored exactly.

use std::collections::BTreeMap;

use super::{Issue, RepairFacts, new_repair_step};
use crate::model::crd::Crd;
use crate::plan::crd_migration::{self, CrdMigration, MigrationError};
use crate::plan::decide::plural_suffix;
use crate::plan::journal::RunEntry;
use crate::plan::rollback_plan::restored_crd::build_restored_crd;
use crate::plan::value_hash::digest_json;
use crate::plan::{Action, Step, StepId};

/// The CRDs to restore: each as it is applied, and the migration if a version is removed.
#[derive(Default)]
pub(super) struct TransitionalCrds(Vec<(Crd, Option<CrdMigration>)>);

impl TransitionalCrds {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(crd, _)| crd.name().to_owned()).collect()
    }

    /// Comes first: objects leave the version before anything else is written.
    pub(super) fn build_migrate_step(&self) -> Option<Step> {
        let crds: Vec<CrdMigration> = self.0.iter().filter_map(|(_, migration)| migration.clone()).collect();
        let title = format!("migrate the objects of {} CRD{} back", crds.len(), plural_suffix(crds.len()));
        (!crds.is_empty()).then(|| new_repair_step(StepId::Migrate, title, Action::MigrateObjects { crds }))
    }

    /// After the application: the CRDs from before the run, and their verification.
    pub(super) fn build_restore_steps(&self) -> Vec<Step> {
        let names = self.names();
        if names.is_empty() {
            return Vec::new();
        }
        let count = format!("{} CRD{}", names.len(), plural_suffix(names.len()));
        let apply = Action::RestoreCrds { names: names.clone() };
        vec![
            new_repair_step(StepId::Crds, format!("apply {count} from before the run"), apply),
            new_repair_step(
                StepId::Served,
                format!("verify {count}: established and served"),
                Action::VerifyServedSchema { names },
            ),
        ]
    }

    /// The CRDs to apply.
    pub(super) fn into_crds(self) -> BTreeMap<String, Crd> {
        self.0.into_iter().map(|(crd, _)| (crd.name().to_owned(), crd)).collect()
    }
}

/// Finds every transitional CRD. Those of runs that have ended are restored.
pub(super) fn find_transitional_crds(facts: &RepairFacts<'_>, issues: &mut Vec<Issue>) -> TransitionalCrds {
    let mut transitional_crds = TransitionalCrds::default();
    for (run, migration) in find_open_migrations(facts) {
        let Some(live) = facts.live.get(&migration.name) else { continue };
        let Some(before) = recover_crd_before_run(run, migration, live) else { continue };
        let reverse_migration = crd_migration::plan_migration(live, &before);
        let (fix, fixable) = describe_fix(run, &reverse_migration);
        issues.push(Issue {
            id: "transitional-crd-left",
            subject: format!("CRD {}", migration.name),
            message: format!(
                "run {} migrated its objects to {} and left a transitional CRD, which stores new objects as {}",
                run.run,
                migration.target_version,
                live.storage_version()
            ),
            fix,
            fixable,
        });
        if let (true, Ok(back)) = (fixable, reverse_migration) {
            transitional_crds.0.push((build_restored_crd(&before, live), back));
        }
    }
    transitional_crds
}

/// The fix; for a CRD that repair cannot fix, what the operator can do.
fn describe_fix(run: &RunEntry, reverse_migration: &Result<Option<CrdMigration>, MigrationError>) -> (String, bool) {
    if run.is_unfinished() {
        return ("run kubectl mural upgrade resume to continue; after a rollback, run repair".to_owned(), false);
    }
    match reverse_migration {
        Ok(Some(back)) => {
            let to = &back.target_version;
            (format!("migrate its objects back to {to}, verify it, and apply the CRD from before the run"), true)
        }
        Ok(None) => ("apply the CRD from before the run".to_owned(), true),
        Err(why) => {
            (format!("run helm mural crds apply CHART to replace it with a chart's CRD; repair cannot: {why}"), false)
        }
    }
}

/// The newest migration of each CRD that no run has verified as finished.
fn find_open_migrations<'a>(facts: &RepairFacts<'a>) -> Vec<(&'a RunEntry, &'a CrdMigration)> {
    let mut all: Vec<(&RunEntry, &CrdMigration)> = Vec::new();
    for (at, run) in facts.journal.runs.iter().enumerate().rev() {
        for migration in run.started_migrations() {
            let is_known = all.iter().any(|(_, other)| other.name == migration.name);
            let is_finished = facts.journal.runs[at..].iter().any(|later| later.has_verified(&migration.name));
            if !is_known && !is_finished {
                all.push((run, migration));
            }
        }
    }
    all
}

/// The CRD from before the run; none if the live CRD is not the transitional CRD of that run.
fn recover_crd_before_run(run: &RunEntry, migration: &CrdMigration, live: &Crd) -> Option<Crd> {
    let before = run.recorded_state.crds.get(&migration.name)?.as_ref()?;
    let was = |spec: &serde_json::Value| digest_json(spec) == before.spec_digest;
    if was(&live.json()["spec"]) || live.uid() != before.uid {
        return None;
    }
    crd_migration::recover_original_crd(live, &migration.target_version, was)
}
