//! The status of a helm revision, as helm writes it into the release record.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a revision stands (helm `pkg/release/v1/status.go`). A word of a later helm is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ReleaseStatus {
    /// The current revision; helm has completed it.
    Deployed,
    /// A later revision was deployed over it.
    Superseded,
    /// The operation ended with an error.
    Failed,
    /// The first installation is under way, or was interrupted.
    PendingInstall,
    /// An upgrade is under way, or was interrupted.
    PendingUpgrade,
    /// A rollback is under way, or was interrupted.
    PendingRollback,
    /// `helm uninstall` is under way, or was interrupted.
    Uninstalling,
    /// Uninstalled with `--keep-history`.
    Uninstalled,
    /// helm itself does not know.
    Unknown,
    /// A status that this version does not know; empty if the record has none.
    Other(String),
}

impl ReleaseStatus {
    /// helm's word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Deployed => "deployed",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
            Self::Uninstalling => "uninstalling",
            Self::Uninstalled => "uninstalled",
            Self::Unknown => "unknown",
            Self::Other(word) => word,
        }
    }

    /// Whether helm refuses every upgrade until the revision ends. A pending status of a later helm counts as one.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        match self {
            Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback => true,
            Self::Deployed
            | Self::Superseded
            | Self::Failed
            | Self::Uninstalling
            | Self::Uninstalled
            | Self::Unknown => false,
            Self::Other(word) => word.starts_with("pending-"),
        }
    }

    /// Whether helm works on the revision, or was interrupted while it did: pending or uninstalling.
    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        self.is_pending() || *self == Self::Uninstalling
    }

    /// Whether the revision was completed once: `deployed`, or `superseded` by a later one. helm rolls back to such a revision.
    #[must_use]
    pub const fn has_been_deployed(&self) -> bool {
        matches!(self, Self::Deployed | Self::Superseded)
    }
}

impl From<&str> for ReleaseStatus {
    fn from(word: &str) -> Self {
        match word {
            "deployed" => Self::Deployed,
            "superseded" => Self::Superseded,
            "failed" => Self::Failed,
            "pending-install" => Self::PendingInstall,
            "pending-upgrade" => Self::PendingUpgrade,
            "pending-rollback" => Self::PendingRollback,
            "uninstalling" => Self::Uninstalling,
            "uninstalled" => Self::Uninstalled,
            "unknown" => Self::Unknown,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl From<String> for ReleaseStatus {
    fn from(word: String) -> Self {
        word.as_str().into()
    }
}

impl From<ReleaseStatus> for String {
    fn from(status: ReleaseStatus) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for ReleaseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_helm_is_read_and_written_as_it_is() {
        let words = [
            "deployed",
            "superseded",
            "failed",
            "pending-install",
            "pending-upgrade",
            "pending-rollback",
            "uninstalling",
            "uninstalled",
            "unknown",
        ];
        for word in words {
            let status = ReleaseStatus::from(word);
            assert!(!matches!(status, ReleaseStatus::Other(_)), "{word}");
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("{word:?}"));
            assert_eq!(status.is_pending(), word.starts_with("pending-"));
        }
        let later: ReleaseStatus = serde_json::from_str("\"pending-review\"").unwrap();
        assert!(later.is_pending() && later.to_string() == "pending-review");
        assert!(ReleaseStatus::Uninstalling.is_in_progress() && !ReleaseStatus::Uninstalling.is_pending());
    }
}
