//! Why a command of `helm mural crds` does not do its task.
//!
//! Owns the texts and the next steps. The other files of this folder find the reasons.

use crate::model::chart::ChartRefError;
use crate::model::observed::ReadFailure;
use crate::problem::{Cause, Exit, Explain};

/// Why a command ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrdsError {
    /// The text is not a chart reference.
    #[error(transparent)]
    ChartRef(#[from] ChartRefError),
    /// The CRDs of the cluster are unknown.
    #[error(transparent)]
    Unreadable(#[from] ReadFailure),
    /// A CRD of the command line does not exist.
    #[error("the cluster has no CRD {0}")]
    UnknownCrd(String),
    /// A chart of a registry needs a version.
    #[error("the registry chart {0} needs a version")]
    NoVersion(String),
    /// The chart that is applied has no CRD.
    #[error("the chart {0} holds no CRD")]
    NoCrd(String),
    /// The thread that reads the files ended.
    #[error("cannot read {name}")]
    Reader {
        name: String,
        #[source]
        error: tokio::task::JoinError,
    },
    /// The value of `--stored-versions` is not of its form.
    #[error("--stored-versions {text:?} is not of the form NAME=v1,v1beta1")]
    StoredVersions {
        text: String,
        /// The CRD that OLD lacks, if that is the reason.
        #[source]
        cause: Option<Cause>,
    },
    /// The value of `--server-version` is not a version.
    #[error("--server-version: {0}")]
    ServerVersion(Cause),
    /// The report has no such form.
    #[error("a CRD check has no such form")]
    NoSuchForm,
    /// The migration deletes fields of stored objects.
    #[error("the migration deletes fields of stored objects; nothing was written")]
    FieldLoss(#[source] Cause),
    /// Neither `XDG_STATE_HOME` nor `HOME` is set.
    #[error("there is no folder for the backup; nothing was written")]
    NoBackupFolder,
    /// The backup before a migration is not complete.
    #[error("the objects of {name} could not all be read; nothing was migrated")]
    IncompleteBackup {
        name: String,
        #[source]
        reason: Cause,
    },
    /// Objects of a backup have namespaces that the cluster lacks.
    #[error("the cluster has no namespace {}", .0.join(", "))]
    NoNamespace(Vec<String>),
}

impl Explain for CrdsError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreadable(_) | Self::Reader { .. } => Exit::Failed,
            Self::ChartRef(_)
            | Self::UnknownCrd(_)
            | Self::NoVersion(_)
            | Self::NoCrd(_)
            | Self::StoredVersions { .. }
            | Self::ServerVersion(_)
            | Self::NoSuchForm => Exit::Usage,
            Self::FieldLoss(_) | Self::NoBackupFolder | Self::IncompleteBackup { .. } | Self::NoNamespace(_) => {
                Exit::Refused
            }
        }
    }

    fn hints(&self) -> Vec<String> {
        let hints: &[&str] = match self {
            Self::ChartRef(_)
            | Self::Reader { .. }
            | Self::StoredVersions { .. }
            | Self::ServerVersion(_)
            | Self::NoSuchForm
            | Self::IncompleteBackup { .. } => &[],
            Self::Unreadable(_) => &["check --context (kubectl mural crds) or --kube-context (helm mural crds)"],
            Self::UnknownCrd(_) => &["run `helm mural crds --all` to list the CRDs"],
            Self::NoVersion(_) => &["run `helm mural crds apply oci://… --version VERSION`"],
            Self::NoCrd(_) => &["name the chart that holds the CRDs"],
            Self::FieldLoss(_) => &[
                "move the values to fields that the storage version has, or add the fields to its schema",
                "set --allow-field-loss to migrate nevertheless; the objects are backed up first",
            ],
            Self::NoBackupFolder => &["set XDG_STATE_HOME or HOME"],
            Self::NoNamespace(_) => &[
                "use --create-namespace to create missing namespaces",
                "or create them yourself, then run the same command again",
            ],
        };
        hints.iter().map(|hint| (*hint).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_a_usage_error_and_a_loss_a_refusal() {
        let text = "hubs".to_owned();
        let flag = CrdsError::StoredVersions { text, cause: None };
        assert_eq!((flag.exit(), flag.hints().len()), (Exit::Usage, 0));
        let loss = CrdsError::FieldLoss(Cause::new("hubs.example.com: 2 of 3 objects"));
        assert_eq!((loss.exit(), loss.hints().len()), (Exit::Refused, 2));
        let namespaces = CrdsError::NoNamespace(vec!["a".into(), "b".into()]);
        assert_eq!(namespaces.to_string(), "the cluster has no namespace a, b");
        assert!(namespaces.hints()[0].starts_with("use --create-namespace"));
    }
}
