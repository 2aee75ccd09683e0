//! Why a step with one call to kubectl or the API server failed.
//!
//! Owns the texts and the next steps of the actions in `act.rs`. Every other action has its own error beside its module. Nothing that was
//! written before the failure is reverted: each next step continues.

use crate::cluster::ApiError;
use crate::problem::{Cause, Exit, Explain};
use crate::tools::error::ToolError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActionError {
    /// kubectl did not annotate.
    #[error("not all CRDs could be annotated with keep")]
    Annotate(#[source] ToolError),
    /// kubectl did not remove the annotation.
    #[error("the keep annotation could not be removed from all CRDs")]
    RemoveAnnotation(#[source] ToolError),
    /// kubectl did not apply.
    #[error("not all CRDs could be applied")]
    Apply(#[source] ToolError),
    /// kubectl's exit code is 0, and its output lists fewer CRDs.
    #[error("kubectl succeeded, but reports {applied} of {wanted} CRDs as applied")]
    NotAllApplied { applied: usize, wanted: usize },
    /// The backup is not on this workstation.
    #[error("this workstation has no backup of the run")]
    NoBackup,
    /// Objects were not restored.
    #[error("{count} objects could not be restored")]
    NotRestored {
        count: usize,
        /// The first one, with its reason.
        #[source]
        first_failure: Cause,
    },
    /// The journal was not written.
    #[error("the journal could not be written")]
    Journal(#[source] ApiError),
    /// The plan and the work of the run do not fit together.
    #[error("internal error: the plan records a release without a CRD chart")]
    NoChart,
}

impl Explain for ActionError {
    fn exit(&self) -> Exit {
        match self {
            Self::Annotate(error) | Self::RemoveAnnotation(error) | Self::Apply(error) => error.exit(),
            Self::NotAllApplied { .. }
            | Self::NoBackup
            | Self::NotRestored { .. }
            | Self::Journal(_)
            | Self::NoChart => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let (tool, hints): (Option<&ToolError>, &[&str]) = match self {
            Self::Annotate(error) | Self::RemoveAnnotation(error) | Self::Apply(error) => (Some(error), &[]),
            Self::NotAllApplied { .. } => (
                None,
                &["kubectl get crd: compare the list with the plan, and check whether kubectl is a wrapper script"],
            ),
            Self::NotRestored { .. } => (
                None,
                &[
                    "run kubectl mural upgrade rollback --overwrite: objects that are restored already are not written again",
                ],
            ),
            Self::NoBackup | Self::Journal(_) | Self::NoChart => (None, &[]),
        };
        let tool = tool.map(ToolError::hints).unwrap_or_default().into_iter();
        tool.chain(hints.iter().map(|hint| (*hint).to_owned())).collect()
    }
}
