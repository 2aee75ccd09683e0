//! Why a step through Flux or Argo CD failed.
//!
//! Owns the texts and the next steps. `flux.rs` and `wait_for_flux.rs` find the reasons. Each next step is the command that shows the object
//! or its controller.

use crate::cluster::{ApiError, ClusterReadError};
use crate::model::flux::FluxRef;
use crate::plan::flux::progress::FluxController;
use crate::problem::{Exit, Explain};
use crate::run::release_error::ReleaseError;
use crate::run::step_guard_error::StepGuardError;
use crate::tools::error::ToolError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::run) enum FluxError {
    /// The plan and the work of the run do not fit together.
    #[error("internal error: {0}")]
    Internal(&'static str),
    /// kubectl did not apply the manifests.
    #[error("not all manifests could be applied")]
    Apply(#[source] ToolError),
    /// The API server rejected a patch.
    #[error("{object} could not be patched")]
    Patch {
        object: FluxRef,
        #[source]
        error: Box<ApiError>,
    },
    /// The object was deleted.
    #[error("{object} was deleted during the wait")]
    Deleted { object: FluxRef },
    /// The object cannot be read for too long.
    #[error("{object} cannot be read")]
    Unreadable {
        object: FluxRef,
        #[source]
        error: Box<ApiError>,
    },
    /// Ctrl-C.
    #[error("stopped by Ctrl-C while waiting for {object}")]
    Stopped { object: FluxRef },
    /// The object failed, or its failure has lasted longer than the grace period.
    #[error("{object}: {reason}")]
    Failed {
        object: FluxRef,
        reason: String,
        /// The controller that does not observe the change, if that is the reason.
        silent_controller: Option<FluxController>,
    },
    /// The time is over.
    #[error("{object}: not ready within {seconds}s: {reason}")]
    TimedOut {
        object: FluxRef,
        seconds: u64,
        reason: String,
        /// The controller that does not observe the change, if that is the reason.
        silent_controller: Option<FluxController>,
    },
    /// A workload has a terminal reason.
    #[error("{object} cannot become ready: {reason}")]
    Terminal { object: FluxRef, reason: String, namespace: String },
    /// The workloads are not ready after Flux's success.
    #[error(transparent)]
    Workloads(Box<ReleaseError>),
    /// A step guard refuses.
    #[error(transparent)]
    Guard(#[from] StepGuardError),
    /// The cluster cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterReadError),
}

impl From<ReleaseError> for FluxError {
    fn from(error: ReleaseError) -> Self {
        Self::Workloads(Box::new(error))
    }
}

impl Explain for FluxError {
    fn exit(&self) -> Exit {
        match self {
            Self::Apply(error) => error.exit(),
            Self::Unreadable { .. } => Exit::ChecksFailed,
            Self::Stopped { .. } => Exit::Interrupted,
            Self::TimedOut { .. } => Exit::TimedOut,
            Self::Workloads(error) => error.exit(),
            Self::Guard(error) => error.exit(),
            Self::Cluster(error) => error.exit(),
            Self::Internal(_)
            | Self::Patch { .. }
            | Self::Deleted { .. }
            | Self::Failed { .. }
            | Self::Terminal { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Internal(_) | Self::Unreadable { .. } | Self::Stopped { .. } => Vec::new(),
            Self::Apply(error) => {
                let again = "run the same command again: objects that are applied already do not change".to_owned();
                error.hints().into_iter().chain([again]).collect()
            }
            Self::Patch { object, error } => vec![patch_hint(object, error)],
            Self::Deleted { .. } => vec!["find out who deletes it, then run the same command again".to_owned()],
            Self::Failed { object, silent_controller, .. } | Self::TimedOut { object, silent_controller, .. } => vec![
                look_command(object, *silent_controller),
                "fix it, then run the same command again: it continues from the current state".to_owned(),
            ],
            Self::Terminal { namespace, .. } => vec![
                format!("kubectl describe pods --namespace {namespace}"),
                "wait for helm-controller's own timeout, or fix the pods before it: then spec.upgrade.remediation applies"
                    .to_owned(),
            ],
            Self::Workloads(error) => error.hints(),
            Self::Guard(error) => error.hints(),
            Self::Cluster(error) => error.hints(),
        }
    }
}

fn patch_hint(object: &FluxRef, error: &ApiError) -> String {
    match error {
        ApiError::Rejected { code: 403, .. } => {
            format!("kubectl auth can-i patch {} shows whether you may", object.to_kubectl_args())
        }
        ApiError::Rejected { code: 409, .. } => {
            "run the same command again: the object was deleted and created again since it was read".to_owned()
        }
        _ => "run the same command again: it continues from the current state".to_owned(),
    }
}

fn look_command(object: &FluxRef, silent_controller: Option<FluxController>) -> String {
    match silent_controller {
        Some(controller) => {
            format!("kubectl get deployments --all-namespaces --field-selector metadata.name={}", controller.name())
        }
        None => format!("kubectl describe {}", object.to_kubectl_args()),
    }
}
