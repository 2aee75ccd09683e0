//! The version of a chart as helm reads it: a `v` in front and missing parts are allowed, and the text stays as it is written.
//!
//! helm coerces a version only to compare it (Masterminds semver, `NewVersion`:
//! <https://github.com/Masterminds/semver/blob/v3.4.0/version.go>). Release records, registry tags and file names hold the text of
//! `Chart.yaml`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease, Version};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A chart version: its text, and the semantic version that it is compared by.
///
/// Two versions are equal if they mean the same: `v1.2` equals `1.2.0`.
///
/// ```
/// use mural::model::chart_version::ChartVersion;
///
/// let version: ChartVersion = "v1.2".parse()?;
/// assert_eq!(version.to_string(), "v1.2");
/// assert_eq!(version, "1.2.0".parse()?);
/// # Ok::<(), mural::model::chart_version::ChartVersionError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ChartVersion {
    text: String,
    semantic: Version,
}

/// A text that helm does not read as a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version: write it like 1.1.0, v1.1.0 or 1.1.0-rc.3")]
pub struct ChartVersionError(String);

impl ChartVersion {
    /// The semantic version, missing parts as zero.
    #[must_use]
    pub const fn semantic(&self) -> &Version {
        &self.semantic
    }

    /// The text as `Chart.yaml` or the operator has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Compares by precedence: build metadata (`+…`) does not count.
    #[must_use]
    pub fn cmp_precedence(&self, other: &Self) -> Ordering {
        self.semantic.cmp_precedence(&other.semantic)
    }
}

/// Reads a version as helm does, or nothing.
fn coerce(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let numbers: Vec<u64> = core.split('.').map(parse_number).collect::<Option<_>>()?;
    let (major, minor, patch) = match *numbers.as_slice() {
        [major] => (major, 0, 0),
        [major, minor] => (major, minor, 0),
        [major, minor, patch] => (major, minor, patch),
        _ => return None,
    };
    if pre.is_some_and(str::is_empty) || build.is_some_and(str::is_empty) {
        return None;
    }
    let (pre, build) = (Prerelease::new(pre.unwrap_or_default()), BuildMetadata::new(build.unwrap_or_default()));
    Some(Version { major, minor, patch, pre: pre.ok()?, build: build.ok()? })
}

fn parse_number(digits: &str) -> Option<u64> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

impl FromStr for ChartVersion {
    type Err = ChartVersionError;

    fn from_str(text: &str) -> Result<Self, ChartVersionError> {
        let semantic = coerce(text).ok_or_else(|| ChartVersionError(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), semantic })
    }
}

impl From<Version> for ChartVersion {
    fn from(semantic: Version) -> Self {
        Self { text: semantic.to_string(), semantic }
    }
}

impl fmt::Display for ChartVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for ChartVersion {
    fn eq(&self, other: &Self) -> bool {
        self.semantic == other.semantic
    }
}

impl Eq for ChartVersion {}

impl PartialOrd for ChartVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ChartVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.semantic.cmp(&other.semantic)
    }
}

impl Serialize for ChartVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ChartVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Charts of kserve, Tigera and others: <https://github.com/kserve/kserve/blob/v0.15.0/charts/kserve-crd/Chart.yaml>.
    #[test]
    fn versions_are_read_as_helm_reads_them_and_keep_their_text() {
        let same = [("v0.18.1", "0.18.1"), ("1.2", "1.2.0"), ("v2", "2.0.0"), ("1.2-rc.1+b", "1.2.0-rc.1+b")];
        for (text, full) in same {
            let version: ChartVersion = text.parse().unwrap();
            assert_eq!((version.as_str(), version.semantic().to_string().as_str()), (text, full));
            assert_eq!(serde_json::to_value(&version).unwrap(), text);
        }
        for wrong in
            ["", "v", "vv1.0.0", "1.2.3.4", "1..2", "1.x", "latest", "1.0.0-", "1.0.0+", "+1.0.0", "1.0.0-01", "-1"]
        {
            assert!(wrong.parse::<ChartVersion>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_meaning() {
        let version = |text: &str| text.parse::<ChartVersion>().unwrap();
        assert_eq!(version("v1.0.0"), version("1.0.0"));
        assert!(version("v1.0.0") < version("v2.0.0") && version("1.2") < version("v1.10"));
        assert!(version("v1.0.0-rc.1") < version("1.0"));
        assert!(version("v1.0.0+a").cmp_precedence(&version("1.0.0+b")).is_eq());
    }
}
