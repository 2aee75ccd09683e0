//! Why a backup is not written, read or restored.
//!
//! Owns the texts and the next steps. A refusal (exit code 5) means that nothing was written to the cluster. No error contains the content
//! of a file, because custom resources can contain secrets.

use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::backup_folder::BackupFileError;
use crate::cluster::{ApiError, ClusterReadError};
use crate::model::cluster_view::ReadFailure;
use crate::problem::{Cause, Exit, Explain};

/// Why a backup or a restore ended.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The folder is not a complete backup.
    #[error("{} does not contain a complete backup", .folder.display())]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: BackupFileError,
    },
    /// Files of objects are missing or added.
    #[error("the backup lists {listed_count} objects of {name}, but {file_count} are in the folder")]
    ObjectsMissing {
        /// The CRD.
        name: String,
        /// How many objects the index lists.
        listed_count: u64,
        /// How many files there are.
        file_count: usize,
    },
    /// A file is not as it was written.
    #[error("the backup was modified: {0}")]
    Modified(BackupFileError),
    /// The backup cannot be written.
    #[error("cannot write the backup: {0}")]
    Unwritable(BackupFileError),
    /// The thread that wrote the backup failed.
    #[error("the backup ended unexpectedly")]
    WriteAborted(#[source] Cause),
    /// The thread that read the backup failed.
    #[error("the backup cannot be read")]
    ReadAborted(#[source] Cause),
    /// Ctrl-C during a backup.
    #[error("stopped by Ctrl-C: the backup is not complete")]
    BackupStopped {
        /// The incomplete folder.
        folder: PathBuf,
    },
    /// Ctrl-C during a restore.
    #[error("stopped by Ctrl-C: not everything is restored")]
    RestoreStopped,
    /// The live CRDs cannot be read.
    #[error(transparent)]
    CrdsUnreadable(#[from] ReadFailure),
    /// The cluster cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterReadError),
    /// A live CRD does not serve the version of the backup's objects.
    #[error("the backup has {object} as {version}, which the CRD {name} of the cluster does not serve")]
    VersionNotServed {
        /// An object of the backup.
        object: String,
        /// Its version.
        version: String,
        /// The CRD.
        name: String,
    },
    /// A namespace cannot be created.
    #[error("namespace {name} cannot be created")]
    Namespace {
        /// The namespace.
        name: String,
        /// The server's reason.
        source: ApiError,
    },
    /// A CRD cannot be applied.
    #[error("CRD {name} cannot be restored")]
    Crd {
        /// The CRD.
        name: String,
        /// The server's reason.
        source: ApiError,
    },
    /// A restored CRD is not established in time.
    #[error("CRD {name} is not established after {}s", .limit.as_secs())]
    NotEstablished {
        /// The CRD.
        name: String,
        /// The limit.
        limit: Duration,
    },
}

impl Explain for BackupError {
    fn exit(&self) -> Exit {
        match self {
            Self::Incomplete { .. }
            | Self::ObjectsMissing { .. }
            | Self::Modified(_)
            | Self::VersionNotServed { .. } => Exit::Refused,
            Self::BackupStopped { .. } | Self::RestoreStopped => Exit::Interrupted,
            Self::NotEstablished { .. } => Exit::TimedOut,
            Self::Cluster(error) => error.exit(),
            Self::Unwritable(_)
            | Self::WriteAborted(_)
            | Self::ReadAborted(_)
            | Self::CrdsUnreadable(_)
            | Self::Namespace { .. }
            | Self::Crd { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Incomplete { .. } => {
                "create the backup again: backup.json is written last, so a backup without it was interrupted"
            }
            Self::ObjectsMissing { .. } => "use a complete copy of the backup",
            Self::Modified(_) => "restore the original file, or remove it; nothing was written to the cluster",
            Self::Unwritable(_) => "choose a folder that is new or empty, on a disk with enough space",
            Self::BackupStopped { folder } => {
                return vec![format!("rm -r {}, then create the backup again", folder.display())];
            }
            Self::RestoreStopped => "run the same command again: objects that exist already are left as they are",
            Self::VersionNotServed { .. } => "--overwrite replaces the CRD and the objects with those of the backup",
            Self::NotEstablished { name, .. } => return vec![format!("kubectl describe crd {name}")],
            Self::Cluster(error) => return error.hints(),
            Self::WriteAborted(_)
            | Self::ReadAborted(_)
            | Self::CrdsUnreadable(_)
            | Self::Namespace { .. }
            | Self::Crd { .. } => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
