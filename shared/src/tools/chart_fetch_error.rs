//! Why a chart is not fetched.
//!
//! Owns the texts and the next steps. `chart_fetch.rs` finds the reasons. A wrong reference has the newest versions or the accepted
//! forms as its next step; a registry that does not answer is undetermined (exit code 3).

use std::path::PathBuf;

use crate::model::chart::ChartError;
use crate::model::chart_version::ChartVersion;
use crate::model::transport_fault::TransportFault;
use crate::problem::{Exit, Explain};
use crate::tools::error::ToolFailure;
use crate::tools::private_files::PrivateFileError;
use crate::tools::registry::RegistryError;

/// The accepted chart references.
const ACCEPTED_CHART_FORMS: &str = "give oci://host/path, a chart's folder, or a .tgz file that helm package made";
/// How many versions a hint lists.
const MAX_LISTED_VERSIONS: usize = 5;

/// Why there is no chart.
#[derive(Debug, thiserror::Error)]
pub enum ChartFetchError {
    /// There is no folder for it.
    #[error(transparent)]
    PrivateFile(#[from] PrivateFileError),
    /// helm did not pull or package it.
    #[error(transparent)]
    Helm(#[from] ToolFailure),
    /// The chart has another version than the wanted one.
    #[error("{reference} is version {version}, not {wanted}")]
    OtherVersion {
        /// The reference of the operator.
        reference: String,
        /// The chart's version.
        version: String,
        /// The wanted version.
        wanted: String,
    },
    /// A chart of a registry needs a version.
    #[error("oci://{repository} needs a version")]
    MissingVersion {
        /// `host/path`
        repository: String,
        /// The newest version, if the registry lists its versions.
        newest: Option<ChartVersion>,
    },
    /// The registry has no chart with this digest.
    #[error("oci://{repository} has no chart {digest}")]
    UnknownDigest {
        /// `host/path`
        repository: String,
        /// The digest of the reference.
        digest: String,
    },
    /// The registry has no such version.
    #[error("oci://{repository} has no version {version}")]
    UnknownVersion {
        /// `host/path`
        repository: String,
        /// The wanted version.
        version: String,
        /// The versions that it has, the newest first.
        newest: Vec<ChartVersion>,
    },
    /// The registry has no such version, and does not list its versions.
    #[error("oci://{repository} has no version {version}")]
    Unlisted {
        /// `host/path`
        repository: String,
        /// The wanted version.
        version: String,
        /// Why it lists none.
        #[source]
        error: RegistryError,
    },
    /// The registry does not say which digest a version has.
    #[error("cannot resolve the digest of oci://{repository}")]
    Unresolved {
        /// `host/path`
        repository: String,
        /// Its reason.
        #[source]
        error: RegistryError,
    },
    /// A folder without `Chart.yaml`.
    #[error("{} is not a chart: it has no Chart.yaml", .path.display())]
    NoChartYaml {
        /// The folder.
        path: PathBuf,
    },
    /// A file that cannot be copied.
    #[error("{} is not a chart: the file cannot be read", .path.display())]
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        error: std::io::Error,
    },
    /// The archive is not a chart.
    #[error("{reference} is not a chart")]
    NotAChart {
        /// The reference of the operator.
        reference: String,
        /// What is wrong with it.
        #[source]
        error: ChartError,
    },
    /// helm's exit code is 0, and there is no file.
    #[error("helm pulled {reference} but left no file")]
    NoFile {
        /// The reference of the operator.
        reference: String,
    },
}

impl Explain for ChartFetchError {
    fn exit(&self) -> Exit {
        match self {
            Self::PrivateFile(error) => error.exit(),
            Self::Helm(error) => error.exit(),
            Self::Unresolved { .. } => Exit::ChecksFailed,
            Self::NoFile { .. } => Exit::Failed,
            Self::OtherVersion { .. }
            | Self::UnknownDigest { .. }
            | Self::UnknownVersion { .. }
            | Self::Unlisted { .. }
            | Self::MissingVersion { .. }
            | Self::NoChartYaml { .. }
            | Self::UnreadableFile { .. }
            | Self::NotAChart { .. } => Exit::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::PrivateFile(error) => return error.hints(),
            Self::Helm(error) => return error.hints(),
            Self::OtherVersion { version, .. } => format!("ask for {version}, or name another chart"),
            Self::MissingVersion { newest: Some(newest), .. } => format!("the newest version is {newest}"),
            Self::MissingVersion { newest: None, .. } => {
                "set it with --to (the application) or --crds (the CRD chart)".to_owned()
            }
            Self::UnknownDigest { .. } => {
                "check the digest, or name a version instead: --to (the application) or --crds (the CRD chart)"
                    .to_owned()
            }
            Self::UnknownVersion { newest, .. } => suggest_versions(newest),
            Self::Unlisted { .. } => "check the repository name: --chart and --crds-chart change it".to_owned(),
            Self::Unresolved { repository, error } => {
                return vec![
                    suggest_registry_fix(repository, error),
                    "without a registry: --chart and --crds-chart also take a .tgz file or a folder".to_owned(),
                ];
            }
            Self::NoChartYaml { .. } | Self::UnreadableFile { .. } | Self::NotAChart { .. } => {
                ACCEPTED_CHART_FORMS.to_owned()
            }
            Self::NoFile { .. } => "run helm pull by hand to see its output".to_owned(),
        };
        vec![hint]
    }
}

fn suggest_registry_fix(repository: &str, error: &RegistryError) -> String {
    let host = repository.split('/').next().unwrap_or_default();
    let hint = match error {
        RegistryError::Unreachable(_, failure) => failure.fault.map(|fault| fault.registry_hint(host)),
        RegistryError::LoginRequired(..) => Some(TransportFault::Login.registry_hint(host)),
        RegistryError::NoSuchVersion { .. } | RegistryError::InvalidReference(_) | RegistryError::CaFile(..) => None,
    };
    hint.unwrap_or_else(|| format!("helm pull oci://{repository} shows whether this machine reaches {host}"))
}

fn suggest_versions(newest: &[ChartVersion]) -> String {
    let some: Vec<String> = newest.iter().take(MAX_LISTED_VERSIONS).map(ToString::to_string).collect();
    match some.is_empty() {
        true => "check the repository name: it has no versions".to_owned(),
        false => format!("the newest versions: {}", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_version_is_a_usage_error_and_a_silent_registry_is_undetermined() {
        let repository = || "registry.example.com/mural/mural".to_owned();
        let versions = |count: u64| (0..count).map(|patch| format!("1.1.{patch}").parse().unwrap()).collect();
        let unknown = |count| ChartFetchError::UnknownVersion {
            repository: repository(),
            version: "9.9.9".into(),
            newest: versions(count),
        };
        assert_eq!(unknown(7).hints(), ["the newest versions: 1.1.0, 1.1.1, 1.1.2, 1.1.3, 1.1.4"]);
        assert_eq!(unknown(0).hints(), ["check the repository name: it has no versions"]);
        let silent = ChartFetchError::Unresolved {
            repository: repository(),
            error: RegistryError::InvalidReference("x".into()),
        };
        let missing = ChartFetchError::MissingVersion { repository: repository(), newest: None };
        let exits = [unknown(1).exit(), silent.exit(), missing.exit()];
        assert_eq!(exits, [Exit::Usage, Exit::ChecksFailed, Exit::Usage]);
        assert!(
            silent.hints()[0].starts_with("helm pull oci://registry.example.com/mural/mural "),
            "{:?}",
            silent.hints()
        );
    }
}
