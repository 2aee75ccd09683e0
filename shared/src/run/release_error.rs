//! Why a release is not written, or not verified.
//!
//! Owns the texts and the next steps of every step that writes a release with helm, or helm's record. The modules of these steps find the
//! reasons. helm's own text is always the cause, never the message.

use std::time::Duration;

use crate::cluster::ApiError;
use crate::model::cluster_view::ReadFailure;
use crate::model::object::ObjectRef;
use crate::model::pod_creation::FAILED_CREATE;
use crate::model::release::RecordError;
use crate::model::text_format::format_duration;
use crate::problem::{Exit, Explain};
use crate::tools::error::ToolError;

/// The release of a step, and the namespace of its records.
#[derive(Debug, Clone)]
pub(super) struct ReleaseName {
    pub(super) release: String,
    pub(super) namespace: String,
}

/// What keeps a release from being ready, as far as it decides the next steps.
#[derive(Debug)]
pub(super) enum Blocker {
    /// Pods that are not ready; the first of them, if it is known.
    Pods(Option<String>),
    /// Pods that cannot be created.
    FailedCreate,
    /// A Job that failed for good: helm creates a deleted one again, but leaves a failed one as it is.
    Failed(Box<ObjectRef>),
}

impl Blocker {
    /// The commands that show the cause. The report of the run has the command that continues it.
    fn hints(&self, namespace: &str) -> Vec<String> {
        match self {
            Self::Pods(Some(pod)) => vec![format!("kubectl describe pod {pod} --namespace {namespace}")],
            Self::Pods(None) => vec![format!("kubectl get pods --namespace {namespace}")],
            Self::FailedCreate => {
                vec![format!("kubectl get events --namespace {namespace} --field-selector reason={FAILED_CREATE}")]
            }
            Self::Failed(object) => {
                let (kind, name) = (object.kind.to_lowercase(), &object.name);
                vec![
                    format!("kubectl logs {kind}/{name} --namespace {namespace} --all-containers"),
                    format!(
                        "kubectl delete {kind} {name} --namespace {namespace}   before you continue: helm creates it again"
                    ),
                ]
            }
        }
    }
}

/// Why a step of a release failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReleaseError {
    /// The plan and the work of the run do not fit together.
    #[error("internal error: {0}")]
    Internal(&'static str),
    /// helm did not upgrade the CRD chart's release.
    #[error("helm could not upgrade {release} to {version}")]
    Record {
        release: String,
        version: String,
        #[source]
        error: ToolError,
    },
    /// helm did not upgrade.
    #[error("helm could not upgrade {}", .name.release)]
    Upgrade {
        name: ReleaseName,
        /// The objects that are not ready.
        unready: Vec<String>,
        #[source]
        error: ToolError,
    },
    /// helm did not roll back.
    #[error("helm could not roll back {release} to revision {revision}")]
    RollBack {
        release: String,
        revision: u64,
        #[source]
        error: ToolError,
    },
    /// A terminal reason has lasted longer than the grace period.
    #[error("{} cannot become ready: {reason}", .name.release)]
    Terminal {
        name: ReleaseName,
        reason: String,
        blocker: Blocker,
        /// helm's error, if helm was still running.
        #[source]
        error: Option<Box<ToolError>>,
    },
    /// The time is over.
    #[error("{} did not become ready within {}: {unready}", .name.release, format_duration(.limit.as_secs_f64()))]
    NotReady {
        name: ReleaseName,
        limit: Duration,
        /// The objects that are not ready, with their reasons.
        unready: String,
        blocker: Blocker,
        /// helm's error, if helm was still running.
        #[source]
        error: Option<Box<ToolError>>,
    },
    /// Ctrl-C while the workloads become ready.
    #[error("stopped by Ctrl-C while the application becomes ready")]
    Stopped,
    /// helm succeeded, and the workloads are unknown.
    #[error("helm succeeded, but the workloads cannot be read: {0}")]
    WorkloadsUnreadable(ReadFailure),
    /// The records cannot be read.
    #[error(transparent)]
    RecordsUnreadable(#[from] ReadFailure),
    /// helm's exit code is 0, and its record shows something else.
    #[error("helm reported success, but the record of {} does not show {version}{}", .name.release, prefix_found(.newest.as_deref()))]
    NotRecorded {
        name: ReleaseName,
        version: String,
        /// The newest revision after an upgrade.
        newest: Option<String>,
    },
    /// The record of a pending release cannot be read or written.
    #[error("revision {revision} of release {release} could not be unlocked")]
    Unlock {
        release: String,
        revision: u64,
        #[source]
        error: ApiError,
    },
    /// A Secret with the name of a record is something else.
    #[error("Secret {namespace}/{secret} is not a release record of helm")]
    NotARecord {
        namespace: String,
        secret: String,
        #[source]
        error: RecordError,
    },
    /// Another helm writes the release.
    #[error("release {release} is {status}, just after revision {revision} was unlocked")]
    LockedAgain { release: String, revision: u64, status: String },
}

fn prefix_found(found: Option<&str>) -> String {
    found.map_or_else(String::new, |found| format!(": {found}"))
}

impl ReleaseError {
    /// The same failure with helm's error as its cause.
    pub(super) fn with_helm_error(self, helm: ToolError) -> Self {
        let error = Some(Box::new(helm));
        match self {
            Self::Terminal { name, reason, blocker, .. } => Self::Terminal { name, reason, blocker, error },
            Self::NotReady { name, limit, unready, blocker, .. } => {
                Self::NotReady { name, limit, unready, blocker, error }
            }
            other => other,
        }
    }
}

impl Explain for ReleaseError {
    fn exit(&self) -> Exit {
        match self {
            Self::Record { error, .. } | Self::Upgrade { error, .. } | Self::RollBack { error, .. } => error.exit(),
            Self::Stopped => Exit::Interrupted,
            Self::NotReady { .. } => Exit::TimedOut,
            Self::WorkloadsUnreadable(_) => Exit::ChecksFailed,
            Self::Internal(_)
            | Self::Terminal { .. }
            | Self::RecordsUnreadable(_)
            | Self::NotRecorded { .. }
            | Self::Unlock { .. }
            | Self::NotARecord { .. }
            | Self::LockedAgain { .. } => Exit::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let history = |name: &ReleaseName| format!("helm history {} --namespace {}", name.release, name.namespace);
        match self {
            Self::Record { error, .. } | Self::RollBack { error, .. } => error.hints(),
            Self::Upgrade { name, unready, error } => {
                let unready = (!unready.is_empty()).then(|| format!("not ready: {}", unready.join("; ")));
                error.hints().into_iter().chain(unready).chain([history(name)]).collect()
            }
            Self::Terminal { name, blocker, .. } | Self::NotReady { name, blocker, .. } => {
                blocker.hints(&name.namespace)
            }
            Self::NotRecorded { name, newest: Some(_), .. } => vec![
                history(name),
                "check whether helm is a wrapper script, if no one else upgraded the release".to_owned(),
            ],
            Self::NotRecorded { name, newest: None, .. } => vec![history(name)],
            Self::LockedAgain { release, .. } => {
                vec![format!("helm history {release} shows which other helm is running")]
            }
            Self::Internal(_)
            | Self::Stopped
            | Self::WorkloadsUnreadable(_)
            | Self::RecordsUnreadable(_)
            | Self::Unlock { .. }
            | Self::NotARecord { .. } => Vec::new(),
        }
    }
}
