//! Which of the two releases of an installation something is about.

use serde::{Deserialize, Serialize};

/// One of the two charts, and the release that it makes. An upgrade writes them in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseRole {
    /// The CRD chart.
    Crds,
    /// The application's chart.
    App,
}
