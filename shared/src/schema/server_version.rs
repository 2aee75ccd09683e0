//! The version of the API server whose rules apply.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A minor version of Kubernetes: what an API server checks depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct ServerVersion {
    major: u32,
    minor: u32,
}

impl ServerVersion {
    /// The newest whose rules are known here.
    pub const NEWEST: Self = Self::new(1, 37);

    /// `1.30` is `new(1, 30)`.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Whether an update forgives what it does not change: on by default since 1.30 (KEP-4008).
    #[must_use]
    pub const fn has_ratcheting(self) -> bool {
        self.major > 1 || self.minor >= 30
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl From<ServerVersion> for String {
    fn from(version: ServerVersion) -> Self {
        version.to_string()
    }
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version of Kubernetes, such as 1.36")]
pub struct ParseServerVersionError(String);

/// Reads `1.36`, `v1.36.4`, `1.36.4-gke.100`, and `1.36+`, as some providers write it.
impl FromStr for ServerVersion {
    type Err = ParseServerVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseServerVersionError(text.to_owned());
        let mut parts = text.strip_prefix('v').unwrap_or(text).split(['.', '-', '+']);
        let mut next = || parts.next().and_then(|part| part.parse().ok()).ok_or_else(wrong);
        Ok(Self::new(next()?, next()?))
    }
}
