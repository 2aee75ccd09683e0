//! How the API server can fail, told in its own words and without its Debug output.

use super::login::{Login, LoginError};
use crate::model::cluster_view::ReadFailure;
use crate::problem::Problem;

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
    /// The credentials could not be renewed: nothing was sent.
    #[error("{0}")]
    Login(LoginError),
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
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Login(_))
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
        self.is_unavailable() || matches!(self, Self::Rejected { code: 429 | 500..=599, .. })
    }

    /// As something that could not be seen.
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
            Self::Timeout { .. } | Self::Unreachable { .. } => {
                "kubectl config current-context; kubectl version: they show whether this is the right cluster, and up"
                    .to_owned()
            }
            Self::Login(failure) => failure.hint(),
        }
    }

    /// As a problem of the whole command, which cannot go on without this answer.
    #[must_use]
    pub fn into_problem(self, context: &str) -> Problem {
        let hint = self.hint();
        Problem::failure(format!("cannot read the cluster of context {context}")).with_source(self).with_hint(hint)
    }
}

/// The error of a request. `login` describes a login that fails while the request is prepared.
pub(super) fn from_kube_error(server: &str, login: &Login, error: kube::Error) -> ApiError {
    if let Some(failure) = login.find_failure(&error) {
        return ApiError::Login(failure);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_that_expired_says_how_it_goes_on() {
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
