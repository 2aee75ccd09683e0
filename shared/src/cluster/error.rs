//! How the API server can fail, told in its own words and without its Debug output.

use kube::config::KubeconfigError;

use crate::ask::ClusterAccess;
use crate::model::cluster_view::ReadFailure;
use crate::problem::{Exit, Problem};

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The server answered, and refused.
    #[error("{message}")]
    Rejected {
        /// The HTTP status.
        code: u16,
        /// The server's one word: `Forbidden`, `Invalid`, `NotFound`, …
        reason: String,
        /// The server's sentence.
        message: String,
    },
    /// The snapshot that a list was read from is gone (410): the next page cannot be had as it was.
    #[error("{message}")]
    Expired {
        /// The server's sentence.
        message: String,
        /// A token with which the list goes on where it stopped, from what is there now; none where the server gives none.
        continue_token: Option<String>,
    },
    /// Nothing came back in time.
    #[error("{server} did not answer within {seconds}s")]
    Timeout {
        /// The server's address.
        server: String,
        /// How long we waited.
        seconds: u64,
    },
    /// No connection, or not the API server at its other end.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// The innermost cause.
        reason: String,
    },
}

impl ApiError {
    /// Whether nobody answered.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. })
    }

    pub(super) fn from_cause(server: &str, error: &dyn std::error::Error) -> Self {
        let mut innermost: &dyn std::error::Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self::Unreachable { server: server.to_owned(), reason: innermost.to_string() }
    }

    /// The object, or the whole kind, is not there.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Rejected { code: 404, .. })
    }

    /// Somebody else wrote meanwhile: the version that we saw is no more, or the object is there already.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Rejected { code: 409, .. })
    }

    /// We may not.
    #[must_use]
    pub const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Rejected { code: 403, .. })
    }

    /// A list's pages have expired, or a watch has fallen behind.
    #[must_use]
    pub const fn is_expired(&self) -> bool {
        matches!(self, Self::Expired { .. })
    }

    /// Whether the server may answer the next time: it was away, had no time, or had a bad moment.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Rejected { code: 429 | 500..=599, .. })
    }

    /// As something that could not be seen.
    #[must_use]
    pub fn to_read_failure(&self, what: impl Into<String>) -> ReadFailure {
        ReadFailure { target: what.into(), reason: self.to_string() }
    }

    /// As a problem: the cluster cannot be read at all.
    #[must_use]
    pub fn into_problem(self, context: &str) -> Problem {
        let message = format!("cannot read the cluster of context {context}");
        let (exit, hint) = match &self {
            Self::Rejected { code: 401, .. } => (
                Exit::Failed,
                "the server does not accept these credentials: expired? log in anew, or choose another --context",
            ),
            Self::Rejected { .. } | Self::Expired { .. } => {
                (Exit::Failed, "are you allowed to? kubectl auth whoami; kubectl auth can-i --list")
            }
            Self::Timeout { .. } | Self::Unreachable { .. } => (
                Exit::Failed,
                "is it the right context, and is the cluster up? kubectl config current-context; kubectl version",
            ),
        };
        Problem::new(exit, message).with_source(self).with_hint(hint)
    }
}

pub(super) fn from_kube_error(server: &str, error: kube::Error) -> ApiError {
    match error {
        kube::Error::Api(status) if status.code == 410 => ApiError::Expired {
            message: status.message.clone(),
            continue_token: status
                .metadata
                .as_ref()
                .and_then(|list| list.continue_.clone())
                .filter(|token| !token.is_empty()),
        },
        kube::Error::Api(status) => ApiError::Rejected {
            code: status.code,
            reason: status.reason.clone(),
            message: if status.message.is_empty() { format!("HTTP {}", status.code) } else { status.message.clone() },
        },
        other => ApiError::from_cause(server, &other),
    }
}

pub(super) fn build_kubeconfig_problem(access: &ClusterAccess, error: &KubeconfigError) -> Problem {
    let source_file = match error {
        // The file as kube looked for it: from --kubeconfig, KUBECONFIG or the home folder.
        KubeconfigError::ReadConfig(_, file) => Some(file.clone()),
        _ => access.kubeconfig.clone(),
    };
    let message = match source_file {
        Some(file) => format!("the kubeconfig {} cannot be read", file.display()),
        None => "no kubeconfig can be read".to_owned(),
    };
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Problem::failure(message)
        .with_source(innermost.to_string())
        .with_hint("set KUBECONFIG to the hub cluster's kubeconfig file, or name it with --kubeconfig")
}

pub(super) fn build_context_problem(context: &str, known: &[String]) -> Problem {
    let message = match context {
        "" => "the kubeconfig has no current context".to_owned(),
        _ => format!("the kubeconfig has no context {context:?}"),
    };
    let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    Problem::failure(message).with_hint(format!("choose one with --context: {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_that_expired_says_how_it_goes_on() {
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {"continue": "from-here"}, "status": "Failure",
            "message": "The provided continue parameter is too old", "reason": "Expired", "code": 410});
        let error = from_kube_error("https://hub", kube::Error::Api(Box::new(serde_json::from_value(status).unwrap())));
        assert!(error.is_expired());
        assert!(matches!(error, ApiError::Expired { continue_token: Some(token), .. } if token == "from-here"));
    }
}
