//! `status --forget RUN`: deletes the backup of a run, on this workstation and in the journal.
//!
//! Owns the refusals: a backup that an unfinished run may need, or that is on another workstation, stays. Input: a run's id. Output: a
//! sentence with what was deleted.

use std::path::Path;

use crate::ask::Installation;
use crate::cluster::backup_secrets::{BackupCopyError, delete_backup_copy};
use crate::cluster::{ApiError, Cluster, ClusterReadError, KubeconfigError, journal_secret};
use crate::model::backup_format::encode_file_name;
use crate::plan::journal::{BackupRef, RunEntry, SECRET_NAME, build_secret, parse_journal};
use crate::prepare::state_dir::{CHECKSUMS_FILE, cluster_state_dir};
use crate::problem::{Exit, Explain};

/// Why a backup stays.
#[derive(Debug, thiserror::Error)]
pub enum DeleteBackupError {
    /// The run is not in the journal.
    #[error("there is no run {run} in the journal")]
    UnknownRun {
        /// The requested run.
        run: String,
        /// The runs of the journal.
        known_runs: Vec<String>,
    },
    /// The run has no backup.
    #[error("run {run} has no backup: it was deleted already, or never created")]
    NoBackup {
        /// The run.
        run: String,
    },
    /// An unfinished run has this backup.
    #[error("run {run} is not done: its backup may still be needed")]
    InUse {
        /// The unfinished run.
        run: String,
    },
    /// The backup is on another workstation.
    #[error("the backup of run {run} is on {host}, in {folder}")]
    Elsewhere {
        /// The run.
        run: String,
        /// The workstation.
        host: String,
        /// The folder there.
        folder: String,
    },
    /// The folder cannot be removed.
    #[error("{folder} could not be removed completely")]
    NotRemoved {
        /// The folder.
        folder: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The folder is removed, the journal is not updated.
    #[error("the backup is deleted; the journal (Secret {namespace}/{SECRET_NAME}) still lists it")]
    StillListed {
        /// The namespace of the installation.
        namespace: String,
        /// The server's reason.
        source: ApiError,
    },
    /// The copy in the cluster cannot be deleted.
    #[error("the backup's copy in the cluster is not deleted")]
    Copy(#[from] BackupCopyError),
    /// The cluster cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterReadError),
    /// There is no connection to the cluster.
    #[error(transparent)]
    Connect(#[from] KubeconfigError),
}

impl Explain for DeleteBackupError {
    fn exit(&self) -> Exit {
        match self {
            Self::UnknownRun { .. } => Exit::Usage,
            Self::NoBackup { .. } | Self::InUse { .. } | Self::Elsewhere { .. } => Exit::Refused,
            Self::NotRemoved { .. } | Self::StillListed { .. } | Self::Copy(_) => Exit::Failed,
            Self::Cluster(error) => error.exit(),
            Self::Connect(error) => error.exit(),
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::UnknownRun { known_runs, .. } if known_runs.is_empty() => "choose one of the runs: none".to_owned(),
            Self::UnknownRun { known_runs, .. } => format!("choose one of the runs: {}", known_runs.join(", ")),
            Self::InUse { .. } => {
                "kubectl mural upgrade resume, or kubectl mural upgrade rollback, ends the run".to_owned()
            }
            Self::Elsewhere { .. } => {
                "run the same command there, with the same context; or remove the folder there by hand".to_owned()
            }
            Self::NoBackup { .. } | Self::NotRemoved { .. } | Self::StillListed { .. } | Self::Copy(_) => {
                return Vec::new();
            }
            Self::Cluster(error) => return error.hints(),
            Self::Connect(error) => return error.hints(),
        };
        vec![hint]
    }
}

/// Deletes the backup from before this run, and describes what was deleted.
///
/// # Errors
/// There is no such run or backup, it is on another workstation, or the run is unfinished: then it may still be needed.
pub async fn delete_backup(
    installation: &Installation,
    run: &str,
    state: Option<&Path>,
) -> Result<String, DeleteBackupError> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    let namespace = &installation.namespace;
    let unread = |error: ApiError| error.in_context(&cluster.context);
    let before = journal_secret::read_secret(&cluster, namespace).await.map_err(unread)?;
    let recorded_journal = parse_journal(before.as_ref());
    let Some(entry) = recorded_journal.run(run) else {
        let known_runs = recorded_journal.runs.iter().map(|run| run.run.clone()).collect();
        return Err(DeleteBackupError::UnknownRun { run: run.to_owned(), known_runs });
    };
    let Some(saved) = &entry.backup else {
        return Err(DeleteBackupError::NoBackup { run: run.to_owned() });
    };
    let shares = |other: &&RunEntry| other.backup.as_ref().is_some_and(|one| one.folder == saved.folder);
    if let Some(open) = recorded_journal.runs.iter().filter(shares).find(|run| run.is_unfinished()) {
        return Err(DeleteBackupError::InUse { run: open.run.clone() });
    }
    if let Some(copy) = &saved.copy {
        delete_backup_copy(&cluster, namespace, copy).await?;
    }
    let removed = remove_backup_dir(&cluster, saved, state, entry);
    // Without a copy nothing was deleted; with one, the folder on the other workstation is all that stays.
    let stays = match removed {
        Err(DeleteBackupError::Elsewhere { host, folder, .. }) if saved.copy.is_some() => Some((host, folder)),
        other => other.map(|()| None)?,
    };
    let all: Vec<RunEntry> =
        recorded_journal.runs.iter().filter(shares).cloned().map(|run| RunEntry { backup: None, ..run }).collect();
    let all: Vec<&RunEntry> = all.iter().collect();
    if let Some(wanted) = build_secret(namespace, before.as_ref(), &all) {
        journal_secret::write_secret(&cluster, namespace, &wanted)
            .await
            .map_err(|source| DeleteBackupError::StillListed { namespace: namespace.clone(), source })?;
    }
    Ok(match stays {
        None => format!("deleted the backup of {} in {}", saved.summarize(), saved.folder),
        Some((host, folder)) => format!("deleted the backup's copy in the cluster; remove {folder} on {host} by hand"),
    })
}

/// Removes the folder, if it is a backup of ours.
fn remove_backup_dir(
    cluster: &Cluster,
    saved: &BackupRef,
    state: Option<&Path>,
    entry: &RunEntry,
) -> Result<(), DeleteBackupError> {
    let ids = entry.run_ids();
    let ours = |id: &String| state.map(|state| cluster_state_dir(state, &cluster.context).join(encode_file_name(id)));
    let folder = ids.iter().filter_map(ours).find(|folder| *folder == Path::new(&saved.folder));
    let Some(folder) = folder.filter(|folder| folder.join(CHECKSUMS_FILE).is_file()) else {
        return Err(DeleteBackupError::Elsewhere {
            run: entry.run.clone(),
            host: saved.host.clone(),
            folder: saved.folder.clone(),
        });
    };
    std::fs::remove_dir_all(&folder)
        .map_err(|source| DeleteBackupError::NotRemoved { folder: folder.display().to_string(), source })
}
