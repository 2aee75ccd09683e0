//! What this program does outside of its own process: requests to the API server, and commands of helm, kubectl and cosign.
//!
//! Owns one listener for the process, as a logger is one for a process. `spawn.rs` and `cluster/` record, `cli/` listens with
//! `--verbose`. Without a listener, nothing is formatted. Commands are masked before they get here; bodies are never recorded.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

static LISTENER: OnceLock<fn(&Activity<'_>)> = OnceLock::new();

/// One request or command, after its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activity<'a> {
    /// A request to the API server.
    Request {
        /// `GET`
        method: &'a str,
        /// The path and the query.
        path: &'a str,
        /// The HTTP status; `None` without an answer.
        status: Option<u16>,
        /// From the request to the end of the answer.
        took: Duration,
    },
    /// A command.
    Command {
        /// The command, secrets masked.
        command: &'a str,
        /// `exit status: 0`, or why there is none.
        end: &'a str,
        /// From its start to its end.
        took: Duration,
    },
}

/// `GET /api/v1/namespaces  200 (12 ms)`
impl fmt::Display for Activity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { method, path, status, took } => {
                let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
                write!(f, "{method} {path}  {status} ({} ms)", took.as_millis())
            }
            Self::Command { command, end, took } => write!(f, "{command}  {end} ({} ms)", took.as_millis()),
        }
    }
}

/// Calls `listener` for every activity from now on. A second listener has no effect.
pub fn listen(listener: fn(&Activity<'_>)) {
    let _ = LISTENER.set(listener);
}

/// Whether activities are shown: then a live status line would be in their way.
#[must_use]
pub fn has_listener() -> bool {
    LISTENER.get().is_some()
}

/// Records an activity, if there is a listener.
pub fn record(activity: &Activity<'_>) {
    if let Some(listener) = LISTENER.get() {
        listener(activity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activity_is_one_line() {
        let took = Duration::from_millis(12);
        let request = Activity::Request { method: "GET", path: "/version", status: Some(200), took };
        assert_eq!(request.to_string(), "GET /version  200 (12 ms)");
        let command = Activity::Command { command: "helm version", end: "exit status: 0", took };
        assert_eq!(command.to_string(), "helm version  exit status: 0 (12 ms)");
    }
}
