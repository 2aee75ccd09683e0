//! Why releases are not handed over to Flux, or why there are no manifests for it.
//!
//! Owns the texts and the next steps. `handover.rs` finds the reasons; nothing was written then.

use crate::model::observed::ReadFailure;
use crate::model::yaml::YamlError;
use crate::prepare::values_files::ValuesFileError;
use crate::problem::{Exit, Explain};
use crate::tools::error::ToolFailure;
use crate::tools::private_files::PrivateFileError;
use crate::tools::registry::RegistryError;

/// The manifests name both charts with their versions.
const BOTH_VERSIONS_HINT: &str =
    "pass both versions: --to (the application) and --crds (the CRD chart); either may be the installed one";

/// Why there are no manifests, or why they are not applied.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// A values file cannot be used.
    #[error(transparent)]
    ValuesFile(#[from] ValuesFileError),
    /// There is no private folder.
    #[error(transparent)]
    PrivateFile(#[from] PrivateFileError),
    /// helm did not read the values.
    #[error(transparent)]
    Helm(#[from] ToolFailure),
    /// A file or folder, which only this workstation has.
    #[error("{chart} is not in a registry, so Flux cannot pull it")]
    NotInRegistry {
        /// The chart's reference.
        chart: String,
    },
    /// No version was passed.
    #[error("the manifests need a version of {chart}")]
    NoVersion {
        /// The chart's reference.
        chart: String,
    },
    /// Only one chart moves.
    #[error("the manifests need both charts")]
    OneChart,
    /// The registry does not say which digest the version has.
    #[error("the digest of {chart} {version} cannot be read")]
    Unpinned {
        /// The chart's reference.
        chart: String,
        /// The version.
        version: String,
        /// Its reason.
        #[source]
        error: RegistryError,
    },
    /// The digest of the pulled chart is that of its archive.
    #[error("the digest of {chart} cannot be read from its registry")]
    NoManifestDigest {
        /// The chart's reference.
        chart: String,
    },
    /// The manifests do not become YAML.
    #[error("the manifests cannot be written as YAML")]
    Yaml(#[source] YamlError),
    /// The plan and the command do not fit together.
    #[error("only an upgrade can hand the releases over to Flux")]
    NotAnUpgrade,
    /// Another tool owns a release already.
    #[error("release {release} is owned by {owner}: there is nothing to hand over")]
    Owned {
        /// The release.
        release: String,
        /// Its owner.
        owner: String,
    },
    /// The CRDs of Flux are unknown.
    #[error(transparent)]
    Unreadable(#[from] ReadFailure),
    /// Flux is missing, or too old.
    #[error("Flux is not installed or too old: {crd} does not serve {version}")]
    FluxMissing {
        /// The CRD.
        crd: &'static str,
        /// The version that the manifests have.
        version: &'static str,
    },
}

impl Explain for HandoverError {
    fn exit(&self) -> Exit {
        match self {
            Self::ValuesFile(error) => error.exit(),
            Self::PrivateFile(error) => error.exit(),
            Self::Helm(error) => error.exit(),
            Self::NotInRegistry { .. } | Self::NoVersion { .. } | Self::OneChart => Exit::Usage,
            Self::Unpinned { .. } | Self::NoManifestDigest { .. } | Self::Unreadable(_) => Exit::ChecksFailed,
            Self::Yaml(_) | Self::NotAnUpgrade => Exit::Failed,
            Self::Owned { .. } | Self::FluxMissing { .. } => Exit::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hints: &[&str] = match self {
            Self::ValuesFile(error) => return error.hints(),
            Self::PrivateFile(error) => return error.hints(),
            Self::Helm(error) => return error.hints(),
            Self::NotInRegistry { .. } => &["run helm push, and pass --chart oci://… and --crds-chart oci://…"],
            Self::NoVersion { .. } | Self::OneChart => &[BOTH_VERSIONS_HINT],
            Self::Unpinned { .. } => {
                &["run helm registry login, or leave --pin-digest out: then no registry is needed"]
            }
            Self::NoManifestDigest { .. } => &["run helm registry login, or leave --pin-digest out"],
            Self::Yaml(_) | Self::NotAnUpgrade | Self::Unreadable(_) => &[],
            Self::Owned { .. } => &[
                "leave --apply out to write the manifests without applying them",
                "run kubectl mural upgrade to upgrade through the owner",
            ],
            Self::FluxMissing { .. } => &["install Flux 2.6 or newer: run flux install, or apply its manifests"],
        };
        hints.iter().map(|hint| (*hint).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_hints_follow_from_the_reason() {
        let failure = ReadFailure { target: "CRDs".into(), reason: "forbidden".into() };
        let cases = [
            (HandoverError::OneChart, Exit::Usage, BOTH_VERSIONS_HINT),
            (HandoverError::NoVersion { chart: "oci://x/y".into() }, Exit::Usage, BOTH_VERSIONS_HINT),
            (HandoverError::NotInRegistry { chart: "m.tgz".into() }, Exit::Usage, "run helm push"),
            (HandoverError::NoManifestDigest { chart: "oci://x/y".into() }, Exit::ChecksFailed, "run helm registry"),
            (HandoverError::Unreadable(failure), Exit::ChecksFailed, ""),
            (HandoverError::Owned { release: "m".into(), owner: "Flux".into() }, Exit::Refused, "leave --apply out"),
            (HandoverError::FluxMissing { crd: "x", version: "v2" }, Exit::Refused, "install Flux 2.6"),
        ];
        for (error, exit, hint) in cases {
            let first = error.hints().first().cloned().unwrap_or_default();
            assert!(error.exit() == exit && first.starts_with(hint), "{error}: {:?}, {first}", error.exit());
        }
    }
}
