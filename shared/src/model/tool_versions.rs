//! Which helm and kubectl there are.

use semver::Version;

use super::observed::Observed;

/// The oldest helm that we drive: the first that pulls by digest and checks it.
pub const MIN_HELM_VERSION: Version = Version::new(3, 17, 0);
/// The oldest kubectl that we drive: it fits the oldest cluster of the product within kubectl's own skew.
pub const MIN_KUBECTL_VERSION: Version = Version::new(1, 31, 0);

/// The operator's own programs, as far as they could be asked.
#[derive(Debug, Clone)]
pub struct ToolVersions {
    /// helm's version.
    pub helm: Observed<Version>,
    /// kubectl's version.
    pub kubectl: Observed<Version>,
}
