//! What becomes of a CRD.

use serde::{Deserialize, Serialize};

/// What becomes of one CRD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrdDecision {
    /// The API server would reject it.
    Rejected,
    /// Changes that break objects or clients.
    Breaking,
    /// Changes that want a look.
    Risky,
    /// It is not on the cluster yet.
    New,
    /// Changes of the schema that can hurt nobody.
    Safe,
    /// Descriptions, printer columns and the like.
    Text,
    /// Equal.
    Unchanged,
    /// On the cluster and no longer in the chart; never deleted by us.
    RemovedFromChart,
}

impl CrdDecision {
    /// Whether it is written.
    #[must_use]
    pub const fn needs_write(self) -> bool {
        match self {
            Self::New | Self::Text | Self::Safe | Self::Risky | Self::Breaking => true,
            Self::Unchanged | Self::RemovedFromChart | Self::Rejected => false,
        }
    }

    /// The word that a person reads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unchanged => "unchanged",
            Self::Text => "text only",
            Self::Safe => "safe",
            Self::Risky => "risky",
            Self::Breaking => "breaking",
            Self::Rejected => "refused",
            Self::RemovedFromChart => "gone",
        }
    }
}
