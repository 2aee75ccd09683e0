//! A reason of the API server.

use std::fmt;

use serde::Serialize;

/// One reason for which the API server refuses a CRD.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rejection {
    /// The field: `spec.scope`
    pub field: String,
    /// The server's own words: `Invalid value: "Namespaced": field is immutable`. Where the server prints a whole
    /// structure as the value, it is left out here.
    pub message: String,
}

impl Rejection {
    /// A reason.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
