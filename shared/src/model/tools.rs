//! Which helm and kubectl there are.

use semver::Version;

use super::view::Looked;

/// The operator's own programs, as far as they could be asked.
#[derive(Debug, Clone)]
pub struct ToolsSeen {
    /// helm's version.
    pub helm: Looked<Version>,
    /// kubectl's version.
    pub kubectl: Looked<Version>,
}
