//! Why a value of the operator is not usable.
//!
//! Owns the texts and the next steps of what this folder validates. Every one is a usage error: nothing was read or written.

use semver::Version;

use crate::ask::duration::DurationError;
use crate::problem::{Exit, Explain};

/// Why a flag's value is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// Not a duration of Go.
    #[error("{flag} {text:?} {defect}")]
    Duration {
        /// The flag.
        flag: String,
        /// Its value.
        text: String,
        /// What is wrong with it.
        defect: DurationError,
    },
    /// Not a name of a release or namespace.
    #[error("{flag} {text:?} is not a valid name")]
    Name {
        /// The flag.
        flag: String,
        /// Its value.
        text: String,
        /// The most characters.
        longest: usize,
    },
    /// The installed helm does not know the flag.
    #[error("helm {helm} does not support {flag}")]
    HelmFlag {
        /// The installed version.
        helm: Version,
        /// The flag.
        flag: &'static str,
    },
}

impl Explain for UsageError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Duration { text, defect, .. } => defect.hint(text),
            Self::Name { longest, .. } => {
                format!(
                    "use at most {longest} lower-case letters, digits and '-'; start and end with a letter or digit"
                )
            }
            Self::HelmFlag { flag, .. } => {
                format!("use helm 4 (set HELM_BIN or put it first on PATH), or run the command without {flag}")
            }
        };
        vec![hint]
    }
}
