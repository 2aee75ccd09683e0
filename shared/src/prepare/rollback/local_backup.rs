//! The backup from before a run, unmodified: the folder of this workstation, else the copy in the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::cluster::Cluster;
use crate::cluster::backup_folder::{BackupFolder, create_folder};
use crate::cluster::backup_secrets::read_backup_copy;
use crate::model::backup_format::encode_file_name;
use crate::model::crd::Crd;
use crate::plan::journal::{BackupCopy, BackupRef, RunEntry};
use crate::plan::rollback_plan::restored_crd::build_restored_crd;
use crate::plan::value_hash::digest_json;
use crate::prepare::rollback::rollback_error::RollbackError;
use crate::prepare::session::Connection;
use crate::prepare::state_dir::cluster_state_dir;
use crate::prepare::state_dir::{CHECKSUMS_FILE, compute_checksums};
use crate::tools::private_files::create_private_dir_in;

/// The backup, as far as this workstation has it.
pub(crate) struct LocalBackup {
    pub(crate) dir: Option<PathBuf>,
    /// The CRDs; the reason if there are none.
    pub(crate) crds: Result<BTreeMap<String, Crd>, String>,
}

impl LocalBackup {
    /// # Errors
    /// The backup was modified.
    pub(crate) async fn find(run: &RunEntry, connection: &Connection, namespace: &str) -> Result<Self, RollbackError> {
        let none = |why: String| Ok(Self { dir: None, crds: Err(why) });
        let Some(saved) = &run.backup else {
            return none(
                "there is no backup from before the run: --no-save was set, or the backup was deleted".to_owned(),
            );
        };
        let first = run.run_ids().into_iter().next().unwrap_or_default();
        // Also the folder where this workstation would have put it: home directories may be shared between machines.
        let ours = connection
            .env
            .state_dir
            .as_deref()
            .map(|state| cluster_state_dir(state, &connection.cluster.context).join(encode_file_name(&first)));
        let candidate_dirs = [Some(PathBuf::from(&saved.folder)), ours.clone()];
        let here = candidate_dirs.into_iter().flatten().find(|folder| folder.join(CHECKSUMS_FILE).is_file());
        let elsewhere = format!("the backup is on {}, in {}", saved.host, saved.folder);
        let folder = match (here, ours, &saved.copy) {
            (Some(folder), ..) => folder,
            (None, Some(into), Some(copy)) => match fetch_copy(&connection.cluster, namespace, copy, &into).await {
                Ok(()) => into,
                Err(reason) => return none(format!("{elsewhere}; {reason}")),
            },
            (None, ..) => return none(elsewhere),
        };
        verify_checksums(&folder, saved)?;
        let crds = read_crds(&folder)?;
        Ok(Self { dir: Some(folder), crds: Ok(crds) })
    }

    pub(crate) fn summary(&self) -> String {
        match (&self.crds, &self.dir) {
            (Ok(crds), Some(folder)) => format!("{} CRDs in {}", crds.len(), folder.display()),
            (Ok(_), None) => String::new(),
            (Err(why), _) => why.clone(),
        }
    }
}

/// Reads the copy in the cluster into the folder where this workstation would have put the backup: completely, or not at all.
async fn fetch_copy(cluster: &Cluster, namespace: &str, copy: &BackupCopy, into: &Path) -> Result<(), String> {
    let unwritable = |error: std::io::Error| format!("{} cannot be written: {error}", into.display());
    let parent = into.parent().unwrap_or(into);
    create_folder(parent).map_err(|error| error.to_string())?;
    let partial = create_private_dir_in(parent, "partial-").map_err(unwritable)?;
    read_backup_copy(cluster, namespace, copy, partial.path())
        .await
        .map_err(|error| format!("its copy in the cluster cannot be read: {error}"))?;
    std::fs::rename(partial.path(), into).map_err(unwritable)
}

/// Compares every file with the checksum list, whose digest is in the journal.
fn verify_checksums(folder: &Path, saved: &BackupRef) -> Result<(), RollbackError> {
    let edited = |change: String| RollbackError::ModifiedBackup { folder: folder.to_owned(), change };
    let listed = std::fs::read(folder.join(CHECKSUMS_FILE)).map_err(|error| edited(error.to_string()))?;
    let listed: Map<String, Value> =
        serde_json::from_slice(&listed).map_err(|_| edited(format!("{CHECKSUMS_FILE} is not a list of files")))?;
    let listed = Value::Object(listed);
    if digest_json(&listed) != saved.digest {
        return Err(edited(format!("{CHECKSUMS_FILE} has another digest than in the journal")));
    }
    let (now, _) = compute_checksums(folder).map_err(|error| edited(error.to_string()))?;
    let (Some(listed), Some(now)) = (listed.as_object(), now.as_object()) else { return Ok(()) };
    let names: BTreeSet<&String> = listed.keys().chain(now.keys()).collect();
    match names.into_iter().find(|name| listed.get(*name) != now.get(*name)) {
        Some(name) => Err(edited(format!("{name} was changed, added or removed"))),
        None => Ok(()),
    }
}

fn read_crds(folder: &Path) -> Result<BTreeMap<String, Crd>, RollbackError> {
    let (snapshot, index) = BackupFolder::open(folder).map_err(RollbackError::unreadable_backup)?;
    let mut all = BTreeMap::new();
    for entry in &index.crds {
        let document =
            BackupFolder::read_manifest(&snapshot.crd_path(&entry.name)).map_err(RollbackError::unreadable_backup)?;
        let crd = Crd::new(document)
            .map_err(|_| RollbackError::unreadable_backup(format_args!("{} is not a CRD", entry.name)))?;
        all.insert(entry.name.clone(), crd);
    }
    Ok(all)
}

/// The CRDs of the backup that differ from the live ones, as they would be applied.
pub(crate) fn select_differing_crds(
    run: &RunEntry,
    live: &BTreeMap<String, Crd>,
    backup: &LocalBackup,
) -> BTreeMap<String, Crd> {
    let saved = backup.crds.as_ref().ok().into_iter().flatten();
    let differs = |name: &String, now: &Crd| {
        let before = run.recorded_state.crds.get(name).and_then(Option::as_ref);
        before.is_some_and(|before| before.spec_digest != digest_json(&now.json()["spec"]))
    };
    saved
        .filter_map(|(name, saved)| Some((name, saved, live.get(name)?)))
        .filter(|(name, _, now)| differs(name, now))
        .map(|(name, saved, now)| (name.clone(), build_restored_crd(saved, now)))
        .collect()
}
