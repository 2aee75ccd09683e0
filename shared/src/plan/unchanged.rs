//! What a plan leaves unchanged, with reasons: shown to people, so that they see that it was considered.

use std::fmt;

use serde::{Serialize, Serializer};

use super::decide::plural_suffix;

/// An item that a plan leaves unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnchangedItem {
    /// The item.
    pub subject: UnchangedSubject,
    /// The reason.
    pub reason: String,
}

/// The unchanged item; in JSON it is its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnchangedSubject {
    /// A release that is already at its chart's version.
    Release {
        /// Its name.
        release: String,
        /// The version.
        version: String,
    },
    /// One CRD.
    Crd(String),
    /// CRDs that share a reason.
    Crds(usize),
}

impl UnchangedSubject {
    /// Whether it is a release itself.
    #[must_use]
    pub const fn is_release(&self) -> bool {
        match self {
            Self::Release { .. } => true,
            Self::Crd(_) | Self::Crds(_) => false,
        }
    }
}

impl fmt::Display for UnchangedSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release { release, version } => write!(f, "release {release} {version}"),
            Self::Crd(name) => write!(f, "CRD {name}"),
            Self::Crds(count) => write!(f, "{count} CRD{}", plural_suffix(*count)),
        }
    }
}

impl Serialize for UnchangedSubject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
