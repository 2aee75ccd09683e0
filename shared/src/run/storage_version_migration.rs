//! Migrates the objects of a CRD to its storage version, by the cluster's own controller or by this plugin.
//!
//! Owns the proof that it is complete, which is the same for both. `status.storedVersions` proves nothing: since 1.37 the cluster's
//! migration may trim it before any object is rewritten, and neither it nor `Succeeded` ends a migration here. A last pass with
//! empty patches does, in which no object had to be rewritten. Input: a CRD. Output: a [`CrdMigrationResult`].

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use super::migration_error::MigrationError;
use crate::cluster::rewrite::{self, RewriteOptions};
use crate::cluster::storage_migration::{self as own, MigrationState};
use crate::cluster::storage_version_wait;
use crate::cluster::{ApiError, Cluster};
use crate::model::crd::{Crd, crd_path};
use crate::model::migration::{MIGRATION_FIELD_MANAGER, MigrationPass, is_migrating};
use crate::report::event::{Emit, Event};
use crate::report::migrate_report::{CrdMigrationResult, MigratedBy};
use crate::tools::spawn::StopSignal;

/// The limit of passes: one that rewrites, one that proves, and some for objects that other clients write meanwhile.
const MAX_WALKS: usize = 6;
/// How often a trim is tried against other writers of the CRD.
const MAX_ATTEMPTS: usize = 8;
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Who rewrites the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationRoute {
    /// The cluster if it can, otherwise this plugin.
    Auto,
    /// Only the cluster's own `StorageVersionMigration`.
    Cluster,
    /// This plugin, through the API.
    Client,
}

/// Migrates CRDs of one cluster.
pub struct StorageMigrator<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Who rewrites the objects.
    pub route: MigrationRoute,
    /// How long the cluster's controller may take to start.
    pub start_timeout: Duration,
    /// The limit of one migration by the cluster.
    pub timeout: Duration,
    /// Set by Ctrl-C.
    pub stop: &'a StopSignal,
    /// Receives the events.
    pub emit: Emit<'a>,
}

impl StorageMigrator<'_> {
    /// Migrates every object of a CRD to its storage version, proves it, and trims the CRD's `storedVersions`.
    ///
    /// `keep` are the versions that will remain; `None` means those that the CRD has. An interrupted migration starts again;
    /// migrated objects are not rewritten twice.
    ///
    /// # Errors
    /// The CRD or its objects cannot be read, the time is over, or the user interrupts. Objects that cannot be written are part of the
    /// result, which is not verified then.
    pub async fn migrate_crd(&self, name: &str, keep: Option<&[String]>) -> Result<CrdMigrationResult, MigrationError> {
        let began = Instant::now();
        let crd = self.read_crd(name).await?;
        let mut migrated = CrdMigrationResult::new(&crd);
        migrated.migrated_by = self.migrate_by_cluster(&crd).await?;
        self.wait_until_settled(&self.read_crd(name).await?).await?;
        for _ in 0..MAX_WALKS {
            let crd = self.read_crd(name).await?;
            let walk = self.walk(&crd, keep, false).await?;
            migrated.add_pass(&walk);
            if !walk.failures.is_empty() {
                break;
            }
            if walk.is_complete() && self.trim_stored_versions(&crd).await? {
                migrated.verified = true;
                break;
            }
        }
        migrated.seconds = began.elapsed().as_secs_f64();
        Ok(migrated)
    }

    /// Simulates a migration: a server-side dry run for each object.
    ///
    /// # Errors
    /// As [`Self::migrate_crd`].
    pub async fn dry_run(&self, name: &str) -> Result<CrdMigrationResult, MigrationError> {
        let crd = self.read_crd(name).await?;
        let mut migrated = CrdMigrationResult::new(&crd);
        migrated.dry_run = true;
        migrated.add_pass(&self.walk(&crd, None, true).await?);
        Ok(migrated)
    }

    async fn read_crd(&self, name: &str) -> Result<Crd, MigrationError> {
        let path = crd_path(name);
        let crd = self.cluster.get(&path).await.map_err(|error| self.crd_error(name, error))?;
        Crd::new(crd).map_err(|_| MigrationError::NotACrd { name: name.to_owned() })
    }

    fn crd_error(&self, name: &str, error: ApiError) -> MigrationError {
        match error {
            source @ ApiError::Rejected { .. } => MigrationError::Crd { name: name.to_owned(), source },
            other => other.in_context(&self.cluster.context).into(),
        }
    }

    /// Waits until the API server stores in the CRD's new version. Until then a pass would find nothing to rewrite.
    async fn wait_until_settled(&self, crd: &Crd) -> Result<(), MigrationError> {
        let goes_on = || !self.stop.is_requested();
        match storage_version_wait::wait_for_storage_version(self.cluster, crd, &goes_on).await {
            Ok(true) => Ok(()),
            Ok(false) if self.stop.is_requested() => {
                Err(MigrationError::Stopped { progress: "no object was migrated yet" })
            }
            Ok(false) => Err(MigrationError::NotStored {
                name: crd.name().to_owned(),
                version: crd.storage_version().to_owned(),
            }),
            Err(error) => Err(self.crd_error(crd.name(), error)),
        }
    }

    async fn walk(&self, crd: &Crd, keep: Option<&[String]>, dry_run: bool) -> Result<MigrationPass, MigrationError> {
        let all: Vec<String> = crd.versions().map(|version| version.name.to_owned()).collect();
        let rewrite_options = RewriteOptions {
            crd,
            known_versions: keep.unwrap_or(&all),
            target_version: crd.storage_version(),
            dry_run,
        };
        let tell = |done: u64, total: u64| {
            if total > 0 {
                let (step, detail) = ("migrate".to_owned(), format!("{} objects", crd.name()));
                (self.emit)(Event::Progress { step, detail, done, total });
            }
            !self.stop.is_requested()
        };
        match rewrite::rewrite_objects(self.cluster, &rewrite_options, &tell).await {
            Ok(Some(walk)) => Ok(walk),
            Ok(None) => Err(MigrationError::Stopped { progress: "migrated objects stay migrated" }),
            Err(source) => Err(MigrationError::Unlisted { name: crd.name().to_owned(), source }),
        }
    }

    /// Lets the cluster rewrite the objects if it can.
    async fn migrate_by_cluster(&self, crd: &Crd) -> Result<MigratedBy, MigrationError> {
        if self.route == MigrationRoute::Client {
            self.wait_while_migrating(crd.name()).await?;
            return Ok(MigratedBy::Plugin { reason: "asked for".to_owned() });
        }
        let collection = match own::find_collection(self.cluster).await {
            Ok(Some(collection)) => collection,
            Ok(None) => return self.fall_back_to_client(crd, "it does not serve StorageVersionMigration".to_owned()),
            Err(error) => return Err(self.crd_error(crd.name(), error)),
        };
        let migration = match own::request_migration(self.cluster, &collection, crd).await {
            Ok(migration) => migration,
            Err(error) if error.is_forbidden() => return self.fall_back_to_client(crd, error.to_string()),
            Err(error) => return Err(self.crd_error(crd.name(), error)),
        };
        let began = Instant::now();
        let goes_on = || !self.stop.is_requested() && began.elapsed() < self.timeout;
        let stand = own::wait_for_end(self.cluster, &migration, self.start_timeout, &goes_on).await;
        let stand = stand.map_err(|error| self.crd_error(crd.name(), error))?;
        if stand == MigrationState::Running {
            return Err(self.still_running_error(crd.name()));
        }
        own::delete_if_ours(self.cluster, &migration).await.map_err(|error| self.crd_error(crd.name(), error))?;
        self.wait_while_migrating(crd.name()).await?;
        match stand {
            MigrationState::Succeeded => Ok(MigratedBy::Cluster { missed_objects: 0 }),
            MigrationState::Failed(reason) => self.fall_back_to_client(crd, format!("its migration failed: {reason}")),
            MigrationState::Deleted => {
                self.fall_back_to_client(crd, "its migration was deleted by another client".to_owned())
            }
            MigrationState::Pending | MigrationState::Running if self.stop.is_requested() => {
                Err(MigrationError::Stopped { progress: "no object was migrated yet" })
            }
            MigrationState::Pending | MigrationState::Running => self.fall_back_to_client(
                crd,
                format!("its controller did not start within {}s", self.start_timeout.as_secs()),
            ),
        }
    }

    fn still_running_error(&self, name: &str) -> MigrationError {
        if self.stop.is_requested() {
            return MigrationError::Stopped { progress: "the cluster continues the migration" };
        }
        self.timeout_error(name, "the cluster is still migrating it")
    }

    fn fall_back_to_client(&self, crd: &Crd, because: String) -> Result<MigratedBy, MigrationError> {
        match self.route {
            MigrationRoute::Cluster => {
                Err(MigrationError::NotByCluster { name: crd.name().to_owned(), reason: because })
            }
            MigrationRoute::Auto | MigrationRoute::Client => Ok(MigratedBy::Plugin { reason: because }),
        }
    }

    /// Waits while the cluster reports that it migrates: it may still change `storedVersions`.
    async fn wait_while_migrating(&self, name: &str) -> Result<(), MigrationError> {
        let began = Instant::now();
        while is_migrating(&self.read_crd(name).await?) {
            if self.stop.is_requested() {
                return Err(MigrationError::Stopped { progress: "the cluster continues the migration" });
            }
            if began.elapsed() >= self.timeout {
                return Err(self.timeout_error(name, "its condition StorageMigrating is still True"));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    fn timeout_error(&self, name: &str, state: &'static str) -> MigrationError {
        MigrationError::TimedOut { name: name.to_owned(), state, limit: self.timeout }
    }

    /// Sets `storedVersions` to the storage version if the CRD is unchanged since the pass. False if it has changed: the pass does not
    /// count then.
    async fn trim_stored_versions(&self, walked: &Crd) -> Result<bool, MigrationError> {
        let name = walked.name();
        for _ in 0..MAX_ATTEMPTS {
            let now = self.read_crd(name).await?;
            let same = |pointer: &str| now.json().pointer(pointer) == walked.json().pointer(pointer);
            if !same("/metadata/uid") || !same("/metadata/generation") || is_migrating(&now) {
                self.wait_while_migrating(name).await?;
                return Ok(false);
            }
            let to = now.storage_version();
            if now.stored_versions() == [to] {
                return Ok(true);
            }
            let version = &now.json()["metadata"]["resourceVersion"];
            let patch = json!({"metadata": {"resourceVersion": version}, "status": {"storedVersions": [to]}});
            let path = format!("{}/status?fieldManager={MIGRATION_FIELD_MANAGER}", crd_path(name));
            let body = Some(("application/merge-patch+json", &patch));
            match self.cluster.request(Method::PATCH, &path, body).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is_conflict() => tokio::time::sleep(POLL_INTERVAL).await,
                Err(error) => return Err(self.crd_error(name, error)),
            }
        }
        Ok(false)
    }
}
