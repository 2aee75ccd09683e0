//! A CRD that a run left standing between two specs, with objects stored in a version that no chart keeps: taken back exactly.

use std::collections::BTreeMap;

use super::{Issue, RepairFacts, new_repair_step};
use crate::model::crd::Crd;
use crate::plan::crd_migration::{self, CrdMigration, MigrationError};
use crate::plan::decide::plural_suffix;
use crate::plan::journal::RunEntry;
use crate::plan::rollback_plan::restored_crd::build_restored_crd;
use crate::plan::value_hash::digest_json;
use crate::plan::{Action, Step, StepId};

/// Those that are taken back: each CRD as it is applied, and how its objects get there, where a version goes.
#[derive(Default)]
pub(super) struct TransitionalCrds(Vec<(Crd, Option<CrdMigration>)>);

impl TransitionalCrds {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(crd, _)| crd.name().to_owned()).collect()
    }

    /// First of all: objects leave the version that goes, before anything else is written.
    pub(super) fn build_migrate_step(&self) -> Option<Step> {
        let crds: Vec<CrdMigration> = self.0.iter().filter_map(|(_, migration)| migration.clone()).collect();
        let title = format!("move the objects of {} CRD{} back", crds.len(), plural_suffix(crds.len()));
        (!crds.is_empty()).then(|| new_repair_step(StepId::Migrate, title, Action::MigrateObjects { crds }))
    }

    /// After the application: the CRDs as they were, and the proof.
    pub(super) fn build_restore_steps(&self) -> Vec<Step> {
        let names = self.names();
        if names.is_empty() {
            return Vec::new();
        }
        let count = format!("{} CRD{}", names.len(), plural_suffix(names.len()));
        let apply = Action::RestoreCrds { names: names.clone() };
        vec![
            new_repair_step(StepId::Crds, format!("apply {count} as before the run"), apply),
            new_repair_step(
                StepId::Served,
                format!("{count} established and served so"),
                Action::VerifyServedSchema { names },
            ),
        ]
    }

    /// As they are applied.
    pub(super) fn into_crds(self) -> BTreeMap<String, Crd> {
        self.0.into_iter().map(|(crd, _)| (crd.name().to_owned(), crd)).collect()
    }
}

/// Names every bridge that still stands; those of runs that are over are taken back.
pub(super) fn find_transitional_crds(facts: &RepairFacts<'_>, issues: &mut Vec<Issue>) -> TransitionalCrds {
    let mut transitional_crds = TransitionalCrds::default();
    for (run, migration) in find_open_migrations(facts) {
        let Some(live) = facts.live.get(&migration.name) else { continue };
        let Some(before) = recover_crd_before_run(run, migration, live) else { continue };
        let reverse_migration = crd_migration::plan_migration(live, &before);
        let (fix, fixable) = describe_fix(run, &reverse_migration);
        issues.push(Issue {
            id: "bridge-left-standing",
            subject: format!("CRD {}", migration.name),
            message: format!(
                "run {} was moving its objects to {}: it stands between the old CRD and the chart's, and stores new objects as {}",
                run.run, migration.target_version, live.storage_version()
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

/// What is done about one; or, where nothing is, what to do.
fn describe_fix(run: &RunEntry, reverse_migration: &Result<Option<CrdMigration>, MigrationError>) -> (String, bool) {
    if run.is_unfinished() {
        return (
            "kubectl mural upgrade resume goes on over it; after a rollback, repair takes it back".to_owned(),
            false,
        );
    }
    match reverse_migration {
        Ok(Some(back)) => {
            let to = &back.target_version;
            (format!("move its objects back to {to}, prove it, and apply the CRD as it was before the run"), true)
        }
        Ok(None) => ("apply the CRD as it was before the run".to_owned(), true),
        Err(why) => (format!("helm mural crds apply CHART puts a chart's CRD in its place; not here: {why}"), false),
    }
}

/// The newest migration of each CRD that no run has proved to be over.
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

/// The CRD as it was before the run; none where what is there is not the bridge that the run made of it.
fn recover_crd_before_run(run: &RunEntry, migration: &CrdMigration, live: &Crd) -> Option<Crd> {
    let before = run.recorded_state.crds.get(&migration.name)?.as_ref()?;
    let was = |spec: &serde_json::Value| digest_json(spec) == before.spec_digest;
    if was(&live.json()["spec"]) || live.uid() != before.uid {
        return None;
    }
    crd_migration::recover_original_crd(live, &migration.target_version, was)
}
