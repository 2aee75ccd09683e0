//! A chart as it is named on the command line: an `oci://` reference, a folder, or a packed file.
//!
//! Owns the forms that are accepted. Nothing is read: whether the chart exists is for `tools/chart_fetch.rs`. Input: a text. Output: a
//! [`ChartRef`], or the reason why the text is not accepted.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a chart is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ChartRef {
    /// `oci://host/path`, optionally pinned as `…@sha256:<hex>`.
    Oci {
        /// Without the scheme: `host/path`.
        repository: String,
        /// `sha256:<hex>`, where it is pinned.
        digest: Option<String>,
    },
    /// A folder that holds a `Chart.yaml`.
    Folder {
        /// Where it is.
        path: PathBuf,
    },
    /// A packed chart.
    Archive {
        /// Where it is.
        path: PathBuf,
    },
}

/// A chart reference that we refuse, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChartRefError {
    /// A repository url other than OCI.
    #[error("{0}: only oci:// references, folders and .tgz files are charts here")]
    Scheme(String),
    /// helm 3.17 ignores a wrong digest beside a tag and installs the tag.
    #[error("{0}: name a tag with --to or --crds, or pin a digest, but not both in the reference")]
    TagInReference(String),
    /// Not `@sha256:` and 64 hexadecimal digits.
    #[error("{0}: a digest is sha256: and 64 hexadecimal digits")]
    Digest(String),
    /// It would be read as a flag, or names nothing.
    #[error("{0:?} names no chart")]
    Name(String),
}

impl ChartRef {
    /// The registry's host, with its port where one is named; none for a file.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Oci { repository, .. } => repository.split('/').next(),
            Self::Folder { .. } | Self::Archive { .. } => None,
        }
    }

    /// Reads a reference. What is no `oci://` is a path: a `.tgz` by its ending, else a folder.
    ///
    /// # Errors
    /// Another scheme, a tag inside the reference, a malformed digest, or a name that begins with `-`.
    pub fn parse(text: &str) -> Result<Self, ChartRefError> {
        if text.is_empty() || text.starts_with('-') {
            return Err(ChartRefError::Name(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("oci://") {
            return Self::parse_oci(text, rest);
        }
        if text.contains("://") {
            return Err(ChartRefError::Scheme(text.to_owned()));
        }
        let path = PathBuf::from(text);
        let packed = text.ends_with(".tgz") || text.ends_with(".tar.gz");
        Ok(if packed { Self::Archive { path } } else { Self::Folder { path } })
    }

    fn parse_oci(text: &str, rest: &str) -> Result<Self, ChartRefError> {
        let (repository, digest) = match rest.split_once('@') {
            Some((repository, digest)) => (repository, Some(digest)),
            None => (rest, None),
        };
        let last = repository.rsplit('/').next().unwrap_or_default();
        if !repository.contains('/') || last.is_empty() {
            return Err(ChartRefError::Name(text.to_owned()));
        }
        if last.contains(':') {
            return Err(ChartRefError::TagInReference(text.to_owned()));
        }
        if !digest.is_none_or(is_digest) {
            return Err(ChartRefError::Digest(text.to_owned()));
        }
        Ok(Self::Oci { repository: repository.to_owned(), digest: digest.map(str::to_owned) })
    }

    /// Whether it comes from a registry.
    #[must_use]
    pub const fn is_from_registry(&self) -> bool {
        matches!(self, Self::Oci { .. })
    }

    /// Whether a version must be named: it comes from a registry, and no digest says which one.
    #[must_use]
    pub const fn needs_version(&self) -> bool {
        matches!(self, Self::Oci { digest: None, .. })
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl fmt::Display for ChartRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci { repository, digest: None } => write!(f, "oci://{repository}"),
            Self::Oci { repository, digest: Some(digest) } => write!(f, "oci://{repository}@{digest}"),
            Self::Folder { path } | Self::Archive { path } => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_distinguished() {
        let pin = format!("oci://a.example/x/y@sha256:{}", "a".repeat(64));
        assert!(matches!(ChartRef::parse("oci://a.example:5000/x/y"), Ok(ChartRef::Oci { digest: None, .. })));
        assert!(matches!(ChartRef::parse(&pin), Ok(ChartRef::Oci { digest: Some(_), .. })));
        assert!(matches!(ChartRef::parse("./mural-0.7.4.tgz"), Ok(ChartRef::Archive { .. })));
        assert!(matches!(ChartRef::parse("./mural"), Ok(ChartRef::Folder { .. })));
        assert!(matches!(ChartRef::parse("oci://a.example/x/y:1.0.0"), Err(ChartRefError::TagInReference(_))));
        assert!(matches!(ChartRef::parse("oci://a.example/x@sha256:12"), Err(ChartRefError::Digest(_))));
        assert!(matches!(ChartRef::parse("https://a.example/x"), Err(ChartRefError::Scheme(_))));
        assert!(matches!(ChartRef::parse("--post-renderer"), Err(ChartRefError::Name(_))));
    }
}
