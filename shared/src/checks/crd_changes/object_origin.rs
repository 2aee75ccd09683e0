//! Where a checked object is from: the cluster, or a file.
//!
//! Owns its form in reports and JSON (`live`, `FILE:LINE`); no code reads that text. Input: a place. Output: the `source` of an object's
//! verdict.

use std::fmt;

use serde::{Serialize, Serializer};

/// The source of a checked object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectOrigin {
    /// The cluster.
    Live,
    /// A file.
    File {
        /// The file, as in the output.
        file: String,
        /// The line on which the object starts.
        line: usize,
    },
}

impl fmt::Display for ObjectOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
        }
    }
}

impl Serialize for ObjectOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
