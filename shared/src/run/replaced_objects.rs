//! Backs up the objects that an upgrade deletes or takes over: helm deletes what leaves the manifest of a release, and overwrites the
//! fields of an object that joins it.
//!
//! Input are the stored and the rendered manifests; output is one file for each live object, readable only by its owner, because
//! Secrets are among them. CRDs are never deleted, so they are not part of it.

use std::path::Path;

use super::run_backup_error::RunBackupError;
use crate::cluster::application_objects;
use crate::cluster::backup_folder::{BackupFileError, BackupFolder};
use crate::model::crd::CRD_KIND;
use crate::model::object::ObjectRef;
use crate::model::served_kinds::ServedKinds;
use crate::plan::ObjectChangeKind;
use crate::plan::object_changes::diff_manifests;
use crate::prepare::prepared::Prepared;

/// The folder of the deleted objects in a backup.
const REMOVED_FOLDER: &str = "removed";
/// The folder of the objects that join a release, as they were before.
const TAKEN_OVER_FOLDER: &str = "taken-over";

/// Writes each object that leaves a release in this run, and each live one that joins it. Returns their number.
///
/// # Errors
/// A refusal: an object cannot be read or written. Nothing is deleted then.
pub(super) async fn back_up_replaced_objects(prepared: &Prepared, folder: &Path) -> Result<u64, RunBackupError> {
    let removed = list_changed_objects(prepared, ObjectChangeKind::Delete);
    let joining = list_changed_objects(prepared, ObjectChangeKind::Create);
    if removed.is_empty() && joining.is_empty() {
        return Ok(0);
    }
    let kinds = application_objects::read_served_kinds(&prepared.session.cluster).await;
    let kinds = kinds.map_err(RunBackupError::because)?;
    let mut count = 0;
    for (objects, name) in [(removed, REMOVED_FOLDER), (joining, TAKEN_OVER_FOLDER)] {
        if !objects.is_empty() {
            count += back_up_objects(prepared, &kinds, &objects, &folder.join(name)).await?;
        }
    }
    Ok(count)
}

async fn back_up_objects(
    prepared: &Prepared,
    kinds: &ServedKinds,
    objects: &[ObjectRef],
    folder: &Path,
) -> Result<u64, RunBackupError> {
    let (cluster, namespace) = (&prepared.session.cluster, &prepared.session.installation.namespace);
    let unwritable = |error: BackupFileError| RunBackupError::because(error);
    let backup = BackupFolder::create(folder).map_err(unwritable)?;
    let mut count = 0;
    for object in objects {
        // A kind that is not served has no objects.
        let Some(collection) = kinds.collection_path(object, namespace) else { continue };
        match cluster.get(&format!("{collection}/{}", object.name)).await {
            Ok(live) => backup.write_object(&kind_folder(object), &live).map_err(unwritable)?,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(RunBackupError::because(format!("{object} cannot be read: {error}"))),
        }
        count += 1;
    }
    Ok(count)
}

/// `persistentvolumeclaim`, `deployment.apps`
fn kind_folder(object: &ObjectRef) -> String {
    let kind = object.kind.to_lowercase();
    if object.group().is_empty() { kind } else { format!("{kind}.{}", object.group()) }
}

/// The objects with this change between the stored manifests and the new ones.
fn list_changed_objects(prepared: &Prepared, kind: ObjectChangeKind) -> Vec<ObjectRef> {
    let Some(upgrade) = prepared.work.as_upgrade() else { return Vec::new() };
    let installation = &prepared.session.installation;
    let charts = [(&upgrade.charts.crds, &installation.crds_release), (&upgrade.charts.app, &installation.app_release)];
    let mut all = Vec::new();
    for (chart, release) in charts {
        let record = prepared.session.view.current_revision(release).ok().flatten();
        let Some(chart) = chart else { continue };
        let stored = record.and_then(|record| record.manifest_objects().ok()).unwrap_or_default();
        let changes = diff_manifests(&installation.namespace, &stored, &chart.manifest_objects());
        let changed = changes.into_iter().filter(|change| change.change == kind);
        all.extend(changed.map(|change| change.object).filter(|object| object.kind != CRD_KIND));
    }
    all
}
