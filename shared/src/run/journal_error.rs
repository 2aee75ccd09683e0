//! Why the journal of a run is not written.
//!
//! Owns the texts and the next steps. `journal_writer.rs` finds the reasons. Before the first write this is a refusal (exit code 5); later
//! it is a failure, because earlier steps may have written.

use crate::plan::journal::SECRET_NAME;
use crate::problem::{Cause, Exit, Explain};

/// Why a run does not start, or a step of it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The journal cannot be opened, or the backup cannot be recorded.
    #[error(
        "the journal (Secret {namespace}/{SECRET_NAME}) cannot be read or written; nothing was written to the cluster"
    )]
    NotOpened {
        /// The namespace of the installation.
        namespace: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The start of a step cannot be recorded.
    #[error("the journal (Secret {namespace}/{SECRET_NAME}) cannot be written")]
    StepNotRecorded {
        /// The namespace of the installation.
        namespace: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The run to resume is not open any more.
    #[error("another run has continued run {run}")]
    Continued {
        /// The run to resume.
        run: String,
    },
}

impl Explain for JournalError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotOpened { .. } | Self::Continued { .. } => Exit::Refused,
            Self::StepNotRecorded { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::NotOpened { namespace, .. } => {
                format!("grant get, create and update on secrets in namespace {namespace}; helm needs them too")
            }
            Self::StepNotRecorded { .. } => {
                "kubectl mural upgrade resume, after you have fixed the cause; this step was not started".to_owned()
            }
            Self::Continued { .. } => "kubectl mural upgrade status shows that run and its progress".to_owned(),
        }]
    }
}
