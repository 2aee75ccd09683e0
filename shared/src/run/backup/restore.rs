//! Restores a backup: CRDs first, then their objects, owners before the objects that they own. Nothing is ever deleted.
//!
//! Owns the order and the comparison with the cluster. Reading the backup is `contents.rs`, one object is `object_restorer.rs`.
//! Input: a folder and the cluster. Output: a report with a count for each result.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use http::Method;

use super::MAX_CONCURRENT_REQUESTS;
use super::backup_error::BackupError;
use super::contents::{BackupContents, read_backup};
use super::object_restorer::{ObjectRestorer, RestoreOutcome};
use super::owner_resolver::OwnerResolver;
use crate::cluster::backup_folder::BackupFolder;
use crate::cluster::{ApiError, Cluster, crd_reader, view_reader};
use crate::model::backup_format::order_by_owners;
use crate::model::crd::Crd;
use crate::model::managed_fields::FIELD_MANAGER;
use crate::model::object::ObjectRef;
use crate::problem::Cause;
use crate::report::backup_report::{MissingOwner, RestoreFailure, RestoreReport};
use crate::report::event::{Emit, Event};
use crate::tools::spawn::StopSignal;

/// How long a new CRD may take to be established.
const ESTABLISHED_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How many objects lie between two progress events.
const OBJECTS_PER_PROGRESS_EVENT: usize = 500;

/// A backup that was read and compared with the cluster; nothing is written yet.
pub struct Restore {
    cluster: Cluster,
    backup: BackupContents,
    live_crds: BTreeMap<String, Crd>,
    /// Namespaces of its objects that do not exist in the cluster.
    pub missing_namespaces: BTreeSet<String>,
    overwrite: bool,
    /// Whether CRDs are left as they are.
    objects_only: bool,
}

impl Restore {
    /// Reads a whole backup and compares it with the cluster.
    ///
    /// # Errors
    /// The backup is not complete or not readable, or the cluster cannot be read or serves a kind in other versions than the backup's.
    pub async fn prepare(cluster: &Cluster, folder: &std::path::Path, overwrite: bool) -> Result<Self, BackupError> {
        let folder = folder.to_owned();
        let backup = tokio::task::spawn_blocking(move || read_backup(&folder)).await;
        let backup = backup.map_err(|error| BackupError::ReadAborted(Cause::new(error)))??;
        let live = view_reader::read_live_crds(cluster).await?;
        let namespaces = cluster.list("/api/v1/namespaces", "").await;
        let namespaces = namespaces.map_err(|error| error.in_context(&cluster.context))?;
        let there: BTreeSet<&str> = namespaces.iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
        let wanted = backup.objects.iter().map(|object| &object.object.namespace).filter(|name| !name.is_empty());
        let missing_namespaces = wanted.filter(|name| !there.contains(name.as_str())).cloned().collect();
        let restore = Self {
            cluster: cluster.clone(),
            backup,
            live_crds: live,
            missing_namespaces,
            overwrite,
            objects_only: false,
        };
        restore.check_versions_served()?;
        Ok(restore)
    }

    /// Leaves the CRDs as they are, and restores only the objects of these.
    #[must_use]
    pub fn only_objects_of(mut self, crds: &[String]) -> Self {
        self.backup.objects.retain(|object| crds.contains(&object.crd));
        self.backup.crds.retain(|name, _| crds.contains(name));
        self.objects_only = true;
        self
    }

    /// A CRD that exists and is not overwritten must serve the version of the backup's objects.
    fn check_versions_served(&self) -> Result<(), BackupError> {
        for (name, crd) in &self.backup.crds {
            let in_force = self.live_crds.get(name).filter(|_| !self.overwrite).unwrap_or(crd);
            let served: BTreeSet<&str> =
                in_force.versions().filter(|version| version.served).map(|version| version.name).collect();
            let of_crd = self.backup.objects.iter().filter(|object| object.crd == *name);
            if let Some(object) = of_crd.into_iter().find(|object| !served.contains(object.object.version())) {
                return Err(BackupError::VersionNotServed {
                    object: object.object.to_string(),
                    version: object.object.version().to_owned(),
                    name: name.clone(),
                });
            }
        }
        Ok(())
    }

    /// How much there is to restore: CRDs that do not exist, and all objects.
    #[must_use]
    pub fn extent(&self) -> (usize, usize) {
        (self.backup.crds.keys().filter(|name| !self.live_crds.contains_key(*name)).count(), self.backup.objects.len())
    }

    /// An empty report.
    #[must_use]
    pub fn new_report(&self) -> RestoreReport {
        RestoreReport::new(&self.cluster.context, &self.backup.index)
    }

    /// Restores everything. A failed object is reported, and the others continue.
    ///
    /// # Errors
    /// A CRD is refused or is not established in time, or the user interrupts. The same command continues.
    pub async fn run(
        &self,
        create_namespaces: bool,
        stop: &StopSignal,
        emit: Emit<'_>,
    ) -> Result<RestoreReport, BackupError> {
        let mut report = self.new_report();
        if create_namespaces {
            self.create_namespaces().await?;
        }
        self.restore_crds(&mut report).await?;
        let objects: Vec<_> =
            self.backup.objects.iter().map(|object| (object.object.clone(), object.owners.clone())).collect();
        let maker = ObjectRestorer {
            cluster: &self.cluster,
            owners: OwnerResolver::new(&self.cluster),
            overwrite: self.overwrite,
        };
        let (mut done, total) = (0_usize, objects.len() as u64);
        for round in order_by_owners(&objects) {
            let mut results = stream::iter(round)
                .map(|at| self.restore_entry(&maker, at, stop))
                .buffer_unordered(MAX_CONCURRENT_REQUESTS);
            while let Some((at, result)) = results.next().await {
                self.record_result(&mut report, at, result);
                done += 1;
                if done % OBJECTS_PER_PROGRESS_EVENT == 0 {
                    let (step, detail) = ("restore".to_owned(), "objects".to_owned());
                    emit(Event::Progress { step, detail, done: done as u64, total });
                }
            }
            if stop.is_requested() {
                return Err(BackupError::RestoreStopped);
            }
        }
        Ok(report)
    }

    async fn create_namespaces(&self) -> Result<(), BackupError> {
        for name in &self.missing_namespaces {
            let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            let created =
                self.cluster.request(Method::POST, "/api/v1/namespaces", Some(("application/json", &namespace)));
            match created.await {
                Err(source) if !source.is_conflict() => {
                    return Err(BackupError::Namespace { name: name.clone(), source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn restore_crds(&self, report: &mut RestoreReport) -> Result<(), BackupError> {
        for (name, crd) in &self.backup.crds {
            if self.objects_only {
                report.crds_skipped.push(name.clone());
                continue;
            }
            let list = match (self.live_crds.contains_key(name), self.overwrite) {
                (false, _) => &mut report.crds_created,
                (true, true) => &mut report.crds_overwritten,
                (true, false) => {
                    report.crds_skipped.push(name.clone());
                    continue;
                }
            };
            let mut wanted = crd.json().clone();
            if let Some(fields) = wanted.as_object_mut() {
                fields.remove("status");
            }
            let path = format!(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?force=true&fieldManager={FIELD_MANAGER}"
            );
            let applied = self.cluster.request(Method::PATCH, &path, Some(("application/apply-patch+yaml", &wanted)));
            applied.await.map_err(|source| BackupError::Crd { name: name.clone(), source })?;
            list.push(name.clone());
        }
        self.wait_until_established().await
    }

    async fn wait_until_established(&self) -> Result<(), BackupError> {
        let began = Instant::now();
        loop {
            let live =
                crd_reader::list_crds(&self.cluster).await.map_err(|error| error.in_context(&self.cluster.context))?;
            let stands = |name: &String| {
                let crd = live.iter().find(|crd| crd.name() == name);
                crd.is_some_and(|crd| crd.has_condition("Established") && crd.has_condition("NamesAccepted"))
            };
            let Some(open) = self.backup.crds.keys().find(|name| !stands(name)) else { return Ok(()) };
            if began.elapsed() >= ESTABLISHED_TIMEOUT {
                return Err(BackupError::NotEstablished { name: open.clone(), limit: ESTABLISHED_TIMEOUT });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn restore_entry(
        &self,
        maker: &ObjectRestorer<'_>,
        at: usize,
        stop: &StopSignal,
    ) -> (usize, Option<Result<RestoredObject, String>>) {
        if stop.is_requested() {
            return (at, None);
        }
        let Some(entry) = self.backup.objects.get(at) else { return (at, None) };
        let Some(crd) = self.backup.crds.get(&entry.crd) else { return (at, None) };
        let object = match BackupFolder::read_manifest(&entry.file) {
            Ok(object) if ObjectRef::from_manifest(&object).as_ref() == Some(&entry.object) => object,
            Ok(_) => return (at, Some(Err(format!("{}: it changed during the restore", entry.file.display())))),
            Err(error) => return (at, Some(Err(error.to_string()))),
        };
        let crd = self.live_crds.get(&entry.crd).filter(|_| !self.overwrite).unwrap_or(crd);
        let restored = maker.restore(crd, object).await;
        (at, Some(restored.map_err(|error: ApiError| error.to_string())))
    }

    fn record_result(&self, report: &mut RestoreReport, at: usize, result: Option<Result<RestoredObject, String>>) {
        let (Some(entry), Some(result)) = (self.backup.objects.get(at), result) else { return };
        let kind = report.crd_counts_mut(&entry.crd);
        match result {
            Ok((done, lost)) => {
                match done {
                    RestoreOutcome::Created => kind.created += 1,
                    RestoreOutcome::Unchanged => kind.unchanged += 1,
                    RestoreOutcome::Skipped => kind.skipped += 1,
                    RestoreOutcome::Overwritten => kind.overwritten += 1,
                }
                let object = entry.object.to_string();
                report
                    .missing_owners
                    .extend(lost.into_iter().map(|owner| MissingOwner { object: object.clone(), owner }));
            }
            Err(reason) => {
                kind.failed += 1;
                report.failures.push(RestoreFailure { object: entry.object.to_string(), reason });
            }
        }
    }
}

type RestoredObject = (RestoreOutcome, Vec<String>);
