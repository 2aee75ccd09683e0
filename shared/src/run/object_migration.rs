//! Migrates objects of CRDs from a version that the chart drops.
//!
//! Owns the transitional CRD: the live CRD plus the chart's storage version. Rewriting the objects is in
//! `storage_version_migration.rs`; which CRDs need it is decided in `plan/crd_migration.rs`. Output: a line for each CRD.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::context::Run;
use super::migration_error::MigrationError;
use super::storage_version_migration::{MigrationRoute, StorageMigrator};
use crate::model::crd::{Crd, crd_path};
use crate::model::migration::MIGRATION_FIELD_MANAGER;
use crate::plan::{CrdMigration, crd_migration};
use crate::problem::Cause;
use crate::report::migrate_report::CrdMigrationResult;

/// How long the cluster's own controller may take to start. After that, this run rewrites the objects.
const CONTROLLER_START_TIMEOUT: Duration = Duration::from_secs(15);
/// How often the transitional CRD is tried against other writers of the CRD.
const MAX_ATTEMPTS: usize = 5;
/// How many objects a failure lists.
const MAX_SHOWN_FAILURES: usize = 3;

/// Migrates the objects of each CRD, and records each CRD as it is afterwards.
pub(super) async fn migrate_objects(run: &Run<'_>, migrations: &[CrdMigration]) -> Result<String, MigrationError> {
    let cluster = &run.prepared.session.cluster;
    let stop = &run.options.stop;
    let (route, acts_within, timeout) = (MigrationRoute::Auto, CONTROLLER_START_TIMEOUT, run.options.timeout);
    let migrate = StorageMigrator { cluster, route, start_timeout: acts_within, timeout, stop, emit: run.emit };
    let mut summaries = Vec::new();
    for migration in migrations {
        let name = &migration.name;
        let Some(wanted) = run.prepared.work.crds().get(name) else { continue };
        if migration.needs_transitional_crd {
            apply_transitional_crd(run, migration, wanted).await?;
        }
        let keep: Vec<String> = wanted.versions().map(|version| version.name.to_owned()).collect();
        let migrated = migrate.migrate_crd(name, Some(&keep)).await?;
        if !migrated.is_successful() {
            return Err(not_migrated_error(&migrated));
        }
        summaries.push(format!("{name}: {}", migrated.summarize()));
        let left = read_crd(run, name).await?;
        run.record_migrated_crd(left);
    }
    Ok(summaries.join("\n"))
}

async fn read_crd(run: &Run<'_>, name: &str) -> Result<Crd, MigrationError> {
    let cluster = &run.prepared.session.cluster;
    let crd = cluster.get(&crd_path(name)).await.map_err(|error| error.in_context(&cluster.context))?;
    Crd::new(crd).map_err(|_| MigrationError::NotACrd { name: name.to_owned() })
}

/// Patches exactly the CRD that the plan was made for.
async fn apply_transitional_crd(run: &Run<'_>, migration: &CrdMigration, wanted: &Crd) -> Result<(), MigrationError> {
    let name = &migration.name;
    let planned = run.prepared.session.view.crds.as_ref().ok().and_then(|crds| crds.get(name));
    let mut last = None;
    for _ in 0..MAX_ATTEMPTS {
        let live = read_crd(run, name).await?;
        let of = |crd: &Crd, pointer: &str| crd.json().pointer(pointer).cloned();
        let has_changed = |planned: &Crd| {
            ["/metadata/uid", "/metadata/generation"].iter().any(|pointer| of(planned, pointer) != of(&live, pointer))
        };
        if planned.is_none_or(has_changed) {
            return Err(MigrationError::Changed { name: name.clone() });
        }
        let versions = crd_migration::build_transitional_versions(&live, wanted, &migration.target_version);
        let version = of(&live, "/metadata/resourceVersion");
        let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"versions": versions}});
        let path = format!("{}?fieldManager={MIGRATION_FIELD_MANAGER}&fieldValidation=Strict", crd_path(name));
        let body = Some(("application/merge-patch+json", &patch));
        match run.prepared.session.cluster.request(Method::PATCH, &path, body).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_conflict() => last = Some(error),
            Err(error) => return Err(MigrationError::TransitionalCrd { name: name.clone(), source: Some(error) }),
        }
    }
    Err(MigrationError::TransitionalCrd { name: name.clone(), source: last })
}

fn not_migrated_error(migrated: &CrdMigrationResult) -> MigrationError {
    let failures = migrated.failures.iter().take(MAX_SHOWN_FAILURES);
    let failures: Vec<String> = failures.map(|(object, reason)| format!("{object}: {reason}")).collect();
    MigrationError::NotMigrated {
        name: migrated.name.clone(),
        summary: migrated.summarize(),
        failures: (!failures.is_empty()).then(|| Cause::new(failures.join("\n"))),
    }
}
