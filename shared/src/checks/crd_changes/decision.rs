//! The decision about a CRD, in one word for plans and reports.

use serde::{Deserialize, Serialize};

/// The decision about one CRD, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrdDecision {
    /// The API server would reject it.
    Rejected,
    /// The API server did not answer, so nothing is known.
    Undetermined,
    /// Changes that break objects or clients.
    Breaking,
    /// Changes to review before the upgrade.
    Risky,
    /// The CRD is not on the cluster yet.
    New,
    /// Schema changes that affect no object and no client.
    Safe,
    /// Only descriptions, printer columns and the like change.
    Text,
    /// The two CRDs are equal.
    Unchanged,
    /// On the cluster but no longer in the chart; it is never deleted.
    RemovedFromChart,
}

impl CrdDecision {
    /// Whether the plan applies the CRD.
    #[must_use]
    pub const fn needs_write(self) -> bool {
        match self {
            Self::New | Self::Text | Self::Safe | Self::Risky | Self::Breaking => true,
            Self::Unchanged | Self::RemovedFromChart | Self::Rejected | Self::Undetermined => false,
        }
    }

    /// The word in text reports.
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
            Self::Undetermined => "no answer",
            Self::RemovedFromChart => "gone",
        }
    }
}
