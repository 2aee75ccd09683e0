//! What one run does: it selects the guards, and the journal records it.

use serde::{Deserialize, Serialize};

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Upgrades both releases to the wanted charts.
    Upgrade,
    /// Rolls back to the state before an earlier run.
    Rollback,
    /// Fixes what an interrupted run or another tool left behind.
    Repair,
    /// Applies the CRDs of one chart and writes no release. No journal is kept of it.
    ApplyCrds,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 4] = [Self::Upgrade, Self::Rollback, Self::Repair, Self::ApplyCrds];
}
