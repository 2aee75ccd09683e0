//! Which helm and kubectl there are.

use semver::Version;

use super::view::Looked;

/// The oldest helm that we drive: the first that pulls by digest and checks it.
pub const OLDEST_HELM: Version = Version::new(3, 17, 0);
/// The oldest kubectl that we drive: it fits the oldest cluster of the product within kubectl's own skew.
pub const OLDEST_KUBECTL: Version = Version::new(1, 31, 0);

/// The operator's own programs, as far as they could be asked.
#[derive(Debug, Clone)]
pub struct ToolsSeen {
    /// helm's version.
    pub helm: Looked<Version>,
    /// kubectl's version.
    pub kubectl: Looked<Version>,
}
