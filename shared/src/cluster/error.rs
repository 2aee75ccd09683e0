//! How the API server can fail, told in its own words and without its Debug output.

use kube::config::KubeconfigError;

use crate::ask::ClusterAccess;
use crate::model::view::NotSeen;
use crate::problem::{Exit, Problem};

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The server answered, and refused.
    #[error("{message}")]
    Refused {
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
        next: Option<String>,
    },
    /// Nothing came back in time.
    #[error("{server} did not answer within {seconds}s")]
    Silent {
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
    pub const fn away(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. })
    }

    pub(super) fn unreachable(server: &str, error: &dyn std::error::Error) -> Self {
        let mut innermost: &dyn std::error::Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self::Unreachable { server: server.to_owned(), reason: innermost.to_string() }
    }

    /// The object, or the whole kind, is not there.
    #[must_use]
    pub const fn not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Somebody else wrote meanwhile: the version that we saw is no more, or the object is there already.
    #[must_use]
    pub const fn conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, .. })
    }

    /// We may not.
    #[must_use]
    pub const fn forbidden(&self) -> bool {
        matches!(self, Self::Refused { code: 403, .. })
    }

    /// A list's pages have expired, or a watch has fallen behind.
    #[must_use]
    pub const fn gone(&self) -> bool {
        matches!(self, Self::Expired { .. })
    }

    /// Whether the server may answer the next time: it was away, had no time, or had a bad moment.
    #[must_use]
    pub const fn passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. } | Self::Refused { code: 429 | 500..=599, .. })
    }

    /// As something that could not be seen.
    #[must_use]
    pub fn not_seen(&self, what: impl Into<String>) -> NotSeen {
        NotSeen { what: what.into(), reason: self.to_string() }
    }

    /// As a problem: the cluster cannot be read at all.
    #[must_use]
    pub fn problem(self, context: &str) -> Problem {
        let message = format!("cannot read the cluster of context {context}");
        let (exit, hint) = match &self {
            Self::Refused { code: 401, .. } => (
                Exit::Failed,
                "the server does not accept these credentials: expired? log in anew, or choose another --context",
            ),
            Self::Refused { .. } | Self::Expired { .. } => {
                (Exit::Failed, "are you allowed to? kubectl auth whoami; kubectl auth can-i --list")
            }
            Self::Silent { .. } | Self::Unreachable { .. } => (
                Exit::Failed,
                "is it the right context, and is the cluster up? kubectl config current-context; kubectl version",
            ),
        };
        Problem::new(exit, message).because(self).hint(hint)
    }
}

pub(super) fn api(server: &str, error: kube::Error) -> ApiError {
    match error {
        kube::Error::Api(status) if status.code == 410 => ApiError::Expired {
            message: status.message.clone(),
            next: status.metadata.as_ref().and_then(|list| list.continue_.clone()).filter(|token| !token.is_empty()),
        },
        kube::Error::Api(status) => ApiError::Refused {
            code: status.code,
            reason: status.reason.clone(),
            message: if status.message.is_empty() { format!("HTTP {}", status.code) } else { status.message.clone() },
        },
        other => ApiError::unreachable(server, &other),
    }
}

pub(super) fn no_kubeconfig(access: &ClusterAccess, error: &KubeconfigError) -> Problem {
    let named = match error {
        // The file as kube looked for it: from --kubeconfig, KUBECONFIG or the home folder.
        KubeconfigError::ReadConfig(_, file) => Some(file.clone()),
        _ => access.kubeconfig.clone(),
    };
    let message = match named {
        Some(file) => format!("the kubeconfig {} cannot be read", file.display()),
        None => "no kubeconfig can be read".to_owned(),
    };
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Problem::failed(message)
        .because(innermost.to_string())
        .hint("set KUBECONFIG to the hub cluster's kubeconfig file, or name it with --kubeconfig")
}

pub(super) fn no_context(context: &str, known: &[String]) -> Problem {
    let message = match context {
        "" => "the kubeconfig has no current context".to_owned(),
        _ => format!("the kubeconfig has no context {context:?}"),
    };
    let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    Problem::failed(message).hint(format!("choose one with --context: {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_that_expired_says_how_it_goes_on() {
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {"continue": "from-here"}, "status": "Failure",
            "message": "The provided continue parameter is too old", "reason": "Expired", "code": 410});
        let error = api("https://hub", kube::Error::Api(Box::new(serde_json::from_value(status).unwrap())));
        assert!(error.gone());
        assert!(matches!(error, ApiError::Expired { next: Some(token), .. } if token == "from-here"));
    }
}
