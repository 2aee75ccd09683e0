//! The signatures of charts, as helm and cosign report them.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The requirements on a chart's signature.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SignatureRequirements {
    /// `--verify`: helm's provenance file is checked.
    pub provenance: bool,
    /// `--keyring`: the public keys that helm trusts; helm's own without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyring: Option<PathBuf>,
    /// `--cosign-key`: the key that cosign checks a chart of a registry with: a file, or a name of a key that cosign knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosign_key: Option<String>,
}

impl SignatureRequirements {
    /// Whether nothing is required.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The program that verified it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignatureVerifier {
    /// `helm verify`
    Helm,
    /// `cosign verify`
    Cosign,
}

impl SignatureVerifier {
    /// The program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Helm => "helm",
            Self::Cosign => "cosign",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureOutcome {
    /// Signed by a key that is trusted, and these very bytes.
    Verified,
    /// Not signed, or not by such a key, or other bytes; in the program's words.
    Rejected(String),
    /// It could not be looked at, and why.
    Undetermined(String),
}

/// One answer about one chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureCheck {
    /// The release that the chart makes.
    pub release: String,
    /// The program that verified it.
    pub verifier: SignatureVerifier,
    /// What came of it.
    pub outcome: SignatureOutcome,
}
