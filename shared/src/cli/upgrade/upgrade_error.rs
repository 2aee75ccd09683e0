//! Why `kubectl mural upgrade` does not do what its flags say.
//!
//! Owns the texts and the next steps. The other files of this folder find the reasons.

use std::path::PathBuf;

use crate::model::chart::ChartRefError;
use crate::model::observed::ReadFailure;
use crate::problem::{Exit, Explain};

/// Why the command ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    /// The text is not a chart reference.
    #[error("{flag} {error}")]
    ChartRef { flag: &'static str, error: ChartRefError },
    /// The value of `--cosign-key` is empty or a flag.
    #[error("--cosign-key {0:?} is not a key")]
    CosignKey(String),
    /// The value of `--registry-url` is no URL of a registry.
    #[error("--registry-url {0:?} is not a registry address")]
    RegistryUrl(String),
    /// `--source` without Flux.
    #[error("--source and --crds-source require Flux, but Flux owns neither release")]
    UnusedSources,
    /// `--write` without an owner that rolls out commits.
    #[error("there is nothing to commit: neither Git nor Argo CD owns the releases")]
    NothingToCommit,
    /// The folder of `--write` cannot be created.
    #[error("cannot create the folder {}", .folder.display())]
    CommitFolder {
        folder: PathBuf,
        #[source]
        error: std::io::Error,
    },
    /// The file of `apply` cannot be read.
    #[error("cannot read the saved plan {}", .file.display())]
    SavedPlan {
        file: PathBuf,
        #[source]
        error: std::io::Error,
    },
    /// A part of the recorded state is unknown, so no plan is saved.
    #[error(transparent)]
    StateUnreadable(#[from] ReadFailure),
    /// The plan and the command do not fit together.
    #[error("internal error: an upgrade without its work")]
    NoWork,
    /// The user of this connection is unknown, so no Role can be bound to it.
    #[error(transparent)]
    UserUnreadable(ReadFailure),
}

impl Explain for UpgradeError {
    fn exit(&self) -> Exit {
        match self {
            Self::ChartRef { .. }
            | Self::CosignKey(_)
            | Self::RegistryUrl(_)
            | Self::UnusedSources
            | Self::NothingToCommit
            | Self::SavedPlan { .. } => Exit::Usage,
            Self::StateUnreadable(_) => Exit::ChecksFailed,
            Self::CommitFolder { .. } | Self::UserUnreadable(_) | Self::NoWork => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::CommitFolder { .. } | Self::StateUnreadable(_) | Self::UserUnreadable(_) | Self::NoWork => {
                return Vec::new();
            }
            Self::ChartRef { .. } => "use oci://host/path, oci://host/path@sha256:…, a chart folder or a .tgz file",
            Self::CosignKey(_) => {
                "use a file with the public key or a cosign key reference: cosign.pub, k8s://NAMESPACE/SECRET"
            }
            Self::RegistryUrl(_) => "use a URL such as http://127.0.0.1:5000 or https://registry.example.com",
            Self::UnusedSources => "run `kubectl mural validate` to see the owner of the releases",
            Self::NothingToCommit => "run the command without --write to upgrade through the owner of the releases",
            Self::SavedPlan { .. } => "run `kubectl mural upgrade plan … --save FILE` to create one",
        };
        vec![hint.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_a_usage_error_and_a_failed_read_is_not() {
        let failure = || ReadFailure { target: "releases".into(), reason: "forbidden".into() };
        let exits = [
            UpgradeError::RegistryUrl("x".into()).exit(),
            UpgradeError::NothingToCommit.exit(),
            UpgradeError::StateUnreadable(failure()).exit(),
            UpgradeError::UserUnreadable(failure()).exit(),
        ];
        assert_eq!(exits, [Exit::Usage, Exit::Usage, Exit::ChecksFailed, Exit::Failed]);
        let error = ChartRefError::Name(String::new());
        let chart = UpgradeError::ChartRef { flag: "--chart", error };
        assert_eq!(chart.to_string(), "--chart \"\" names no chart");
        assert!(chart.hints()[0].starts_with("use oci://"));
    }
}
