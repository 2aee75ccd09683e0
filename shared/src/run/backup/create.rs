//! Backs up every object of some CRDs as clean manifests.
//!
//! Owns the order of reads and writes: while one page is written, the next one is read. The format of the files is in
//! `cluster/backup_folder.rs`. Input: CRDs and a folder. Output: the index of the backup, which is written last.

use std::path::Path;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::MAX_CONCURRENT_REQUESTS;
use super::backup_error::BackupError;
use crate::cluster::Cluster;
use crate::cluster::backup_folder::BackupFolder;
use crate::cluster::pages::{Page, Pages};
use crate::model::backup_format::{BackupIndex, CrdBackup};
use crate::model::crd::Crd;
use crate::problem::Cause;
use crate::report::event::{Emit, Event};
use crate::tools::spawn::StopSignal;

/// Backs up these CRDs and their objects into a folder that is new or empty.
///
/// A kind that cannot be read does not end the backup: the index records the reason, so the backup is not complete.
///
/// # Errors
/// The folder cannot be written, or the user interrupts: then there is no index.
pub async fn create_backup(
    cluster: &Cluster,
    crds: &[Crd],
    folder: &Path,
    stop: &StopSignal,
    emit: Emit<'_>,
) -> Result<BackupIndex, BackupError> {
    create_partial_backup(cluster, crds, &[], folder, stop, emit).await
}

/// As [`create_backup`]; of the CRDs in `alone`, only the CRD itself is written, without objects.
///
/// # Errors
/// As [`create_backup`].
pub async fn create_partial_backup(
    cluster: &Cluster,
    crds: &[Crd],
    alone: &[Crd],
    folder: &Path,
    stop: &StopSignal,
    emit: Emit<'_>,
) -> Result<BackupIndex, BackupError> {
    let snapshot = Arc::new(BackupFolder::create(folder).map_err(BackupError::Unwritable)?);
    let mut each = stream::iter(crds)
        .map(|crd| back_up_crd(cluster, crd, &snapshot, stop, emit))
        .buffered(MAX_CONCURRENT_REQUESTS);
    let mut entries = Vec::new();
    for crd in alone {
        snapshot.write_crd(crd.json()).map_err(BackupError::Unwritable)?;
        entries.push(CrdBackup { name: crd.name().to_owned(), version: String::new(), objects: 0, read_failure: None });
    }
    let kinds = async {
        while let Some(next) = each.next().await {
            entries.push(next?);
        }
        Ok::<(), BackupError>(())
    };
    let (uid, saved) = tokio::join!(cluster.get("/api/v1/namespaces/kube-system"), kinds);
    saved?;
    let uid = uid.ok().and_then(|system| system["metadata"]["uid"].as_str().map(str::to_owned)).unwrap_or_default();
    let index = BackupIndex::new(&cluster.context, &uid, jiff::Timestamp::now(), entries);
    snapshot.finish(&index).map_err(BackupError::Unwritable)?;
    Ok(index)
}

async fn back_up_crd(
    cluster: &Cluster,
    crd: &Crd,
    snapshot: &Arc<BackupFolder>,
    stop: &StopSignal,
    emit: Emit<'_>,
) -> Result<CrdBackup, BackupError> {
    let name = crd.name().to_owned();
    snapshot.write_crd(crd.json()).map_err(BackupError::Unwritable)?;
    let Some(version) = crd.reading_version() else {
        let unread = Some("none of its versions is served".to_owned());
        return Ok(CrdBackup { name, version: String::new(), objects: 0, read_failure: unread });
    };
    let mut entry = CrdBackup { name, version: version.to_owned(), objects: 0, read_failure: None };
    let mut pages = Pages::new(cluster, crd.collection_path(version));
    let mut page = pages.next().await;
    loop {
        if stop.is_requested() {
            return Err(BackupError::BackupStopped { folder: snapshot.root().to_owned() });
        }
        match page {
            Ok(Some(Page { items, remaining })) => {
                entry.objects += items.len() as u64;
                if let Some(remaining) = remaining {
                    let (detail, done) = (entry.name.clone(), entry.objects);
                    emit(Event::Progress { step: "save".to_owned(), detail, done, total: done + remaining });
                }
                let (next, written) = tokio::join!(pages.next(), write_objects(snapshot, &entry.name, items));
                written?;
                page = next;
            }
            Ok(None) => return Ok(entry),
            Err(error) => {
                entry.read_failure = Some(error.to_string());
                return Ok(entry);
            }
        }
    }
}

/// Writes a page off the async thread, which reads the next page meanwhile.
async fn write_objects(snapshot: &Arc<BackupFolder>, crd: &str, objects: Vec<Value>) -> Result<(), BackupError> {
    let (snapshot, crd) = (Arc::clone(snapshot), crd.to_owned());
    let written = spawn_blocking(move || objects.iter().try_for_each(|object| snapshot.write_object(&crd, object)));
    match written.await {
        Ok(result) => result.map_err(BackupError::Unwritable),
        Err(error) => Err(BackupError::WriteAborted(Cause::new(error))),
    }
}
