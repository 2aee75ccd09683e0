//! Restores one object: creates it, links it to its owners, and writes its status.
//!
//! An object that exists already is left alone, or replaced with `--overwrite`. Nothing is deleted. Input: an object of the
//! backup and its CRD. Output: what happened to it, and the owners that do not exist.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;

use super::owner_resolver::OwnerResolver;
use crate::cluster::{ApiError, Cluster};
use crate::model::backup_format::strip_cluster_fields;
use crate::model::crd::Crd;

/// The field manager of restored objects.
const RESTORE_FIELD_MANAGER: &str = "mural-restore";
/// How long a kind may take to be served after its CRD is established: each API server learns of the CRD separately.
const SERVED_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How often a write is tried if another client writes the same object.
const MAX_ATTEMPTS: usize = 8;

/// The result for one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestoreOutcome {
    Created,
    /// It exists with the content of the backup.
    Unchanged,
    /// It exists with other content and was not changed.
    Skipped,
    Overwritten,
}

/// Restores objects into one cluster.
pub(super) struct ObjectRestorer<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) owners: OwnerResolver<'a>,
    pub(super) overwrite: bool,
}

impl ObjectRestorer<'_> {
    /// Restores one object. Returns the owners that do not exist.
    pub(super) async fn restore(
        &self,
        crd: &Crd,
        mut object: Value,
    ) -> Result<(RestoreOutcome, Vec<String>), ApiError> {
        let lost = self.owners.relink(&mut object).await?;
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let version = text("/apiVersion").rsplit('/').next().unwrap_or_default().to_owned();
        let collection = crd.namespaced_collection_path(&version, text("/metadata/namespace"));
        let path = format!("{collection}/{}", text("/metadata/name"));
        let status = if crd.has_status_subresource(&version) { object.get("status").cloned() } else { None };
        let done = match self.create(&collection, &object).await {
            Ok(created) => self.write_status(&path, created, status.as_ref()).await.map(|()| RestoreOutcome::Created),
            Err(error) if error.is_conflict() => self.handle_existing(&path, &object, status.as_ref()).await,
            Err(error) => Err(error),
        };
        done.map(|done| (done, lost))
    }

    /// Creates the object. Retries while a kind that was just established is not served.
    async fn create(&self, collection: &str, object: &Value) -> Result<Value, ApiError> {
        let path = format!("{collection}?fieldManager={RESTORE_FIELD_MANAGER}&fieldValidation=Strict");
        let began = Instant::now();
        loop {
            match self.cluster.request(Method::POST, &path, Some(("application/json", object))).await {
                Err(error) if error.is_not_found() && began.elapsed() < SERVED_TIMEOUT => {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                other => return other,
            }
        }
    }

    async fn handle_existing(
        &self,
        path: &str,
        object: &Value,
        status: Option<&Value>,
    ) -> Result<RestoreOutcome, ApiError> {
        for _ in 0..MAX_ATTEMPTS {
            let live = self.cluster.get(path).await?;
            if strip_cluster_fields(&live) == *object {
                return Ok(RestoreOutcome::Unchanged);
            }
            if !self.overwrite {
                // Created by an earlier restore that was interrupted before it wrote the status.
                if status.is_some() && live.get("status").is_none() && is_written_only_by_us(&live) {
                    return self.write_status(path, live, status).await.map(|()| RestoreOutcome::Created);
                }
                return Ok(RestoreOutcome::Skipped);
            }
            let mut wanted = object.clone();
            for key in ["uid", "resourceVersion"] {
                wanted["metadata"][key] = live["metadata"][key].clone();
            }
            let put = format!("{path}?fieldManager={RESTORE_FIELD_MANAGER}&fieldValidation=Strict");
            match self.cluster.request(Method::PUT, &put, Some(("application/json", &wanted))).await {
                Ok(written) => {
                    return self.write_status(path, written, status).await.map(|()| RestoreOutcome::Overwritten);
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Err(conflict_error())
    }

    /// Writes the status as in the backup. On a conflict with a controller, the object is read again.
    async fn write_status(&self, path: &str, mut live: Value, status: Option<&Value>) -> Result<(), ApiError> {
        let Some(status) = status else { return Ok(()) };
        let put = format!("{path}/status?fieldManager={RESTORE_FIELD_MANAGER}&fieldValidation=Strict");
        for _ in 0..MAX_ATTEMPTS {
            if live.get("status") == Some(status) {
                return Ok(());
            }
            live["status"] = status.clone();
            match self.cluster.request(Method::PUT, &put, Some(("application/json", &live))).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_conflict() => live = self.cluster.get(path).await?,
                Err(error) => return Err(error),
            }
        }
        Err(conflict_error())
    }
}

fn is_written_only_by_us(live: &Value) -> bool {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.is_some_and(|entries| {
        !entries.is_empty() && entries.iter().all(|entry| entry["manager"] == RESTORE_FIELD_MANAGER)
    })
}

fn conflict_error() -> ApiError {
    ApiError::Rejected {
        code: 409,
        reason: "Conflict".to_owned(),
        message: format!("another client changed it during each of {MAX_ATTEMPTS} attempts"),
        causes: Vec::new(),
    }
}
