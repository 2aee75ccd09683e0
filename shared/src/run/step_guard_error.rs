//! Why a step guard refuses a step.
//!
//! Owns the texts and the next steps of the refusals. `step_guard.rs` and `flux.rs` decide. A refusal has exit code 5, a failed read is
//! undetermined (exit code 3).

use crate::cluster::ClusterReadError;
use crate::model::cluster_view::ReadFailure;
use crate::model::release::KEEP_ANNOTATION;
use crate::problem::{Exit, Explain};

/// Why a step does not start.
#[derive(Debug, thiserror::Error)]
pub enum StepGuardError {
    /// Another client has written an object of the step.
    #[error("{object} has changed since the plan was made: another client has written it")]
    Changed {
        /// The object.
        object: String,
    },
    /// A CRD that leaves a manifest would be deleted by helm.
    #[error("CRD {name} lacks the annotation {KEEP_ANNOTATION}: helm would delete it with every {kind}")]
    NotKept {
        /// The CRD.
        name: String,
        /// Its kind.
        kind: String,
    },
    /// A part of the state before the run is unknown.
    #[error(transparent)]
    Unreadable(#[from] ReadFailure),
    /// The live state cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterReadError),
}

impl Explain for StepGuardError {
    fn exit(&self) -> Exit {
        match self {
            Self::Changed { .. } | Self::NotKept { .. } => Exit::Refused,
            Self::Unreadable(_) => Exit::ChecksFailed,
            Self::Cluster(error) => error.exit(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Changed { .. } => vec![
                "find out who changed it, then run the same command again: it makes a new plan from the current state"
                    .to_owned(),
            ],
            Self::NotKept { name, .. } => {
                vec![format!("kubectl annotate crd {name} {KEEP_ANNOTATION}; then run the same command again")]
            }
            Self::Unreadable(_) => Vec::new(),
            Self::Cluster(error) => error.hints(),
        }
    }
}
