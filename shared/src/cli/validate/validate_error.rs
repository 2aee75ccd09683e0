//! Why `kubectl mural validate` has no report.
//!
//! Owns the texts and the next steps. The other files of this folder find the reasons.

use std::path::PathBuf;

use crate::model::chart::ChartRefError;
use crate::problem::{Cause, Exit, Explain};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The text is not a chart reference.
    #[error(transparent)]
    ChartRef(#[from] ChartRefError),
    /// `--all-contexts` without a context.
    #[error("the kubeconfig has no contexts")]
    NoContexts,
    /// `--all-contexts`, and no cluster has the installation.
    #[error("no context contains the installation")]
    NoInstallation {
        /// The namespace in which it was searched.
        namespace: String,
        /// The application's release.
        release: String,
    },
    /// The value of `--expect` is not of its form.
    #[error("--expect {text:?} {defect}")]
    Expect {
        /// The value.
        text: String,
        /// What is wrong with it.
        defect: ExpectDefect,
        /// Why the version is none.
        #[source]
        cause: Option<Cause>,
    },
    /// The bundle is a gzipped archive.
    #[error("the file name {} does not end with .tar.gz", .file.display())]
    BundleName {
        /// The file.
        file: PathBuf,
    },
    /// The files of the bundle cannot be packed.
    #[error("cannot pack the bundle")]
    Bundle(#[source] std::io::Error),
}

/// What is wrong with the value of `--expect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExpectDefect {
    /// No `=`, or no version behind it.
    #[error("has no version")]
    NoVersion,
    /// Another chart.
    #[error("is neither for mural nor for crds")]
    UnknownChart,
    /// The chart has an expected version already.
    #[error("is a second version for the same chart")]
    SecondVersion,
}

impl Explain for ValidateError {
    fn exit(&self) -> Exit {
        match self {
            Self::ChartRef(_) | Self::NoContexts | Self::Expect { .. } | Self::BundleName { .. } => Exit::Usage,
            Self::NoInstallation { .. } => Exit::ChecksFailed,
            Self::Bundle(_) => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::ChartRef(_) | Self::BundleName { .. } | Self::Bundle(_) => return Vec::new(),
            Self::NoContexts => "run `kubectl config get-contexts` to list the contexts".to_owned(),
            Self::NoInstallation { namespace, release } => format!(
                "searched for release {release} in namespace {namespace}; use --namespace and --release to select others"
            ),
            Self::Expect { .. } => "use --expect mural=1.1.0-rc.3 --expect crds=0.7.4".to_owned(),
        };
        vec![hint]
    }
}
