//! How a request to the API server can fail.
//!
//! The messages are the server's own, without kube-rs's Debug output. A login that fails while a request is prepared is described by
//! `login.rs`. Callers decide by the predicates here (`is_conflict`, `is_transient`, …), never by the text.

use kube::core::Status;

use super::login::{Login, LoginError};
use crate::model::cluster_view::ReadFailure;
use crate::model::rejection::Rejection;
use crate::model::transport_fault::TransportFault;
use crate::problem::Explain;

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The API server rejected the request.
    #[error("{message}")]
    Rejected {
        /// The HTTP status code.
        code: u16,
        /// The reason of the `Status`: `Forbidden`, `Invalid`, `NotFound`, …
        reason: String,
        /// The message of the `Status`.
        message: String,
        /// The causes of the `Status`: a field and what is wrong with it. Empty if the server names none.
        causes: Vec<Rejection>,
    },
    /// The snapshot of a list expired (410): its next page is gone.
    #[error("{message}")]
    Expired {
        /// The message of the `Status`.
        message: String,
        /// Continues the list at the same place with the current objects. `None`: the server gave no token.
        continue_token: Option<String>,
    },
    /// No answer within the time limit.
    #[error("{server} did not answer within {seconds} s")]
    Timeout {
        /// The API server's URL.
        server: String,
        /// The time limit in seconds.
        seconds: u64,
    },
    /// The credentials cannot be renewed. Nothing was sent.
    #[error("{0}")]
    Login(LoginError),
    /// No connection, or the other end is not an API server.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// The API server's URL.
        server: String,
        /// The innermost cause, for example "connection refused".
        reason: String,
        /// The fault of the connection, if it is a known one.
        fault: Option<TransportFault>,
    },
}

impl ApiError {
    /// Whether there was no answer at all.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Login(_))
    }

    pub(super) fn from_cause(server: &str, error: &dyn std::error::Error) -> Self {
        let mut innermost: &dyn std::error::Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let text = innermost.to_string();
        let fault = TransportFault::read(&text);
        let reason = fault.map_or_else(|| text.clone(), |fault| format!("{} ({text})", fault.describe()));
        Self::Unreachable { server: server.to_owned(), reason, fault }
    }

    /// Whether the object or its kind does not exist.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Rejected { code: 404, .. })
    }

    /// Whether the object changed since it was read, or already exists.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Rejected { code: 409, .. })
    }

    /// Whether RBAC or an admission plugin forbids the request.
    #[must_use]
    pub const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Rejected { code: 403, .. })
    }

    /// Whether the pages of a list expired, or a watch is too far behind.
    #[must_use]
    pub const fn is_expired(&self) -> bool {
        matches!(self, Self::Expired { .. })
    }

    /// Whether a retry may succeed: an outage, a timeout, an overloaded server.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.is_unavailable() || matches!(self, Self::Rejected { code: 429 | 500..=599, .. })
    }

    /// The failure as part of an observation: `what` could not be read.
    #[must_use]
    pub fn to_read_failure(&self, what: impl Into<String>) -> ReadFailure {
        ReadFailure { target: what.into(), reason: self.to_string() }
    }

    /// What the operator can do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Rejected { code: 401, .. } => {
                "log in again, or choose another --context: the server does not accept these credentials".to_owned()
            }
            Self::Rejected { .. } | Self::Expired { .. } => {
                "kubectl auth whoami; kubectl auth can-i --list: they show what you are allowed to do".to_owned()
            }
            Self::Unreachable { fault: Some(fault), .. } => fault.api_server_hint().to_owned(),
            Self::Timeout { .. } | Self::Unreachable { fault: None, .. } => {
                "kubectl config current-context; kubectl version: they show whether this is the right cluster, and up"
                    .to_owned()
            }
            Self::Login(failure) => failure.hint(),
        }
    }

    /// The error of a command that cannot continue without this answer.
    #[must_use]
    pub fn in_context(self, context: &str) -> ClusterReadError {
        ClusterReadError { context: context.to_owned(), source: self }
    }
}

/// A command cannot continue, because it cannot read its cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the cluster of context {context}")]
pub struct ClusterReadError {
    /// The kubeconfig context.
    pub context: String,
    /// Why.
    pub source: ApiError,
}

impl Explain for ClusterReadError {
    fn hints(&self) -> Vec<String> {
        vec![self.source.hint()]
    }
}

/// The error of a request. `login` describes a login that fails while the request is prepared.
pub(super) fn from_kube_error(server: &str, login: &Login, error: kube::Error) -> ApiError {
    if let Some(failure) = login.find_failure(&error) {
        return ApiError::Login(failure);
    }
    match error {
        kube::Error::Api(status) => from_status(&status),
        other => ApiError::from_cause(server, &other),
    }
}

/// The error of an answer that is not a success. A proxy's answer is not a `Status`: its text is the message.
pub(super) fn from_answer(code: u16, text: &str) -> ApiError {
    let status = serde_json::from_str::<Status>(text).ok().filter(|status| status.code != 0);
    from_status(&status.unwrap_or_else(|| Status::failure(text.trim(), "").with_code(code)))
}

fn from_status(status: &Status) -> ApiError {
    let token = || status.metadata.as_ref().and_then(|list| list.continue_.clone()).filter(|token| !token.is_empty());
    if status.code == 410 {
        return ApiError::Expired { message: status.message.clone(), continue_token: token() };
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    ApiError::Rejected {
        code: status.code,
        reason: status.reason.clone(),
        message: if status.message.is_empty() { format!("HTTP {}", status.code) } else { status.message.clone() },
        causes: causes.map(|cause| Rejection::new(&cause.field, &cause.message)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_expired_list_has_the_token_to_continue() {
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {"continue": "from-here"}, "status": "Failure",
            "message": "The provided continue parameter is too old", "reason": "Expired", "code": 410});
        let error = from_kube_error(
            "https://hub",
            &Login::default(),
            kube::Error::Api(Box::new(serde_json::from_value(status).unwrap())),
        );
        assert!(error.is_expired());
        assert!(matches!(error, ApiError::Expired { continue_token: Some(token), .. } if token == "from-here"));
    }
}
