//! A value that was read, or the reason why it could not be read.
//!
//! Owns the two types that every observation uses. An unread value is undetermined: it is neither "nothing there" nor a pass. Input: the
//! result of a request. Output: an [`Observed`] for checks, guards and reports.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A read that failed. It never means that there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFailure {
    /// The target of the read: `secrets in mural-system`.
    pub target: String,
    /// The reason, in the server's words.
    pub reason: String,
}

impl fmt::Display for ReadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}: {}", self.target, self.reason)
    }
}

impl std::error::Error for ReadFailure {}

/// A value, or the reason why it could not be read.
pub type Observed<T> = Result<T, ReadFailure>;
