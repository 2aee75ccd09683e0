//! Why the served schemas are not verified.
//!
//! Owns the texts and the next steps. `verify_served_schema.rs` and `probe.rs` find the reasons. "Could not look" is undetermined (exit
//! code 3), a schema that is not served in time has exit code 6.

use std::time::Duration;

use crate::cluster::kubeconfig::KubeconfigError;
use crate::cluster::{ApiError, ClusterReadError};
use crate::model::crd::SpecWriter;
use crate::problem::{Exit, Explain};

/// Why the CRDs of a step, or of an earlier step, are not verified.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServedSchemaError {
    /// Ctrl-C.
    #[error("stopped by Ctrl-C while verifying the CRDs")]
    Stopped,
    /// Versions are not served with the chart's schema in time.
    #[error("{count} of the CRDs' versions are not served with the chart's schema: {first_reason}")]
    NotServed {
        count: usize,
        first_reason: String,
        /// The CRD of the first one and its last writer, if both are known.
        last_write: Option<(String, SpecWriter)>,
    },
    /// No document has the version, and a dry run does not decide.
    #[error("the served schema of {version} of CRD {name} is undetermined")]
    Undetermined {
        name: String,
        version: String,
        #[source]
        cause: Option<ApiError>,
    },
    /// A verified CRD was deleted.
    #[error("CRD {name} was verified, and deleted after that")]
    Deleted { name: String },
    /// A verified CRD was changed.
    #[error(
        "CRD {name} was verified, and changed within {:.0}s: {} wrote it{}",
        .after.as_secs_f64(), describe_manager(.writer.as_ref()), describe_time(.writer.as_ref())
    )]
    Changed { name: String, after: Duration, writer: Option<SpecWriter> },
    /// The cluster cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterReadError),
    /// No new connection is possible.
    #[error(transparent)]
    Connect(#[from] KubeconfigError),
}

fn describe_manager(writer: Option<&SpecWriter>) -> &str {
    writer.map_or("another client", |writer| &writer.manager)
}

fn describe_time(writer: Option<&SpecWriter>) -> String {
    writer.map_or_else(String::new, |writer| format!(" at {}", writer.time))
}

impl Explain for ServedSchemaError {
    fn exit(&self) -> Exit {
        match self {
            Self::Stopped => Exit::Interrupted,
            Self::NotServed { .. } => Exit::TimedOut,
            Self::Undetermined { .. } => Exit::ChecksFailed,
            Self::Deleted { .. } | Self::Changed { .. } => Exit::Failed,
            Self::Cluster(error) => error.exit(),
            Self::Connect(error) => error.exit(),
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Stopped => "run the same command again: it verifies them again".to_owned(),
            Self::NotServed { last_write: Some((name, SpecWriter { manager, time })), .. } => {
                format!("kubectl describe crd {name} shows its conditions; {manager} wrote it last, at {time}")
            }
            Self::NotServed { last_write: None, .. } => {
                "kubectl describe crd NAME shows the conditions of the named CRD".to_owned()
            }
            Self::Undetermined { .. } => {
                "grant the user get on /openapi/v3 (ClusterRole system:discovery), or create on objects of this kind"
                    .to_owned()
            }
            Self::Deleted { .. } => "find out who deletes it, then run the same command again".to_owned(),
            Self::Changed { name, writer, .. } => {
                let manager = describe_manager(writer.as_ref());
                return vec![
                    format!(
                        "update the CRD in the source of {manager} too, or stop {manager} from writing it; then run the same command again"
                    ),
                    format!("kubectl get crd {name} --show-managed-fields --output yaml shows who owns which field"),
                ];
            }
            Self::Cluster(error) => return error.hints(),
            Self::Connect(error) => return error.hints(),
        };
        vec![hint]
    }
}
