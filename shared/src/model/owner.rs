//! Who keeps a release at its version: found on the cluster, never guessed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The owner of one chart's release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "owner", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Owner {
    /// Nothing is installed.
    NotInstalled,
    /// A plain helm release, with nothing behind it that would put it back.
    Helm,
    /// A Flux HelmRelease makes the release.
    Flux {
        /// The HelmRelease, as `namespace/name`.
        helm_release: String,
        /// The labels say that a Kustomization keeps it in Git.
        managed_in_git: bool,
    },
    /// A Flux HelmRelease makes the release from the appliance's own registry.
    Appliance {
        /// The HelmRelease, as `namespace/name`.
        helm_release: String,
        /// The registry's host.
        registry: String,
    },
    /// An Argo CD Application owns the objects.
    Argo {
        /// The Application's name.
        application: String,
    },
    /// We could not look (forbidden, or the API failed), and say why.
    Undetermined {
        /// What kept us from looking.
        reason: String,
    },
}

impl Owner {
    /// Whether Flux makes the release, on an appliance or not.
    #[must_use]
    pub const fn is_flux(&self) -> bool {
        match self {
            Self::Flux { .. } | Self::Appliance { .. } => true,
            Self::NotInstalled | Self::Helm | Self::Argo { .. } | Self::Undetermined { .. } => false,
        }
    }

    /// Whether a controller rolls out what is committed to Git: the version is changed by a commit.
    #[must_use]
    pub const fn follows_commits(&self) -> bool {
        match self {
            Self::Flux { managed_in_git, .. } => *managed_in_git,
            Self::Argo { .. } => true,
            Self::NotInstalled | Self::Helm | Self::Appliance { .. } | Self::Undetermined { .. } => false,
        }
    }

    /// Whether nothing stands between us and the release: a controller would put back what helm writes.
    #[must_use]
    pub const fn is_helm_or_absent(&self) -> bool {
        match self {
            Self::NotInstalled | Self::Helm => true,
            Self::Flux { .. } | Self::Appliance { .. } | Self::Argo { .. } | Self::Undetermined { .. } => false,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str("not installed"),
            Self::Helm => f.write_str("Helm"),
            Self::Flux { helm_release, managed_in_git: false } => write!(f, "Flux (HelmRelease {helm_release})"),
            Self::Flux { helm_release, managed_in_git: true } => {
                write!(f, "Flux, kept in Git (HelmRelease {helm_release})")
            }
            Self::Appliance { helm_release, registry } => {
                write!(f, "the appliance (HelmRelease {helm_release}, registry {registry})")
            }
            Self::Argo { application } => write!(f, "Argo CD (Application {application})"),
            Self::Undetermined { reason } => write!(f, "undetermined ({reason})"),
        }
    }
}
