//! How an external program can fail: it did not start, ended badly, ran out of time, or said what we cannot read.

use std::time::Duration;

use crate::problem::{Exit, Problem};

/// A program that failed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The system could not start it.
    #[error("cannot start {command}")]
    Start {
        /// The command, secrets masked.
        command: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended with another status than 0.
    #[error("{command} ended with {status}{}", format_stderr(.stderr))]
    Status {
        /// The command, secrets masked.
        command: String,
        /// `exit code 1`, `signal 9`
        status: String,
        /// The end of what it said on standard error, secrets masked.
        stderr: String,
    },
    /// It ran longer than it may; it was asked to stop, and it stopped.
    #[error("{command} ran longer than {}s and was stopped", .limit.as_secs())]
    Timeout {
        /// The command, secrets masked.
        command: String,
        /// How long it had.
        limit: Duration,
    },
    /// We asked it to stop, for a reason that is told elsewhere.
    #[error("{command} was stopped")]
    Stopped {
        /// The command, secrets masked.
        command: String,
    },
    /// It ended well but said what we cannot read.
    #[error("{command} answered with something else than {expected}")]
    Unreadable {
        /// The command, secrets masked.
        command: String,
        /// What we expected.
        expected: &'static str,
        /// Why it is not that.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn format_stderr(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl ToolError {
    /// The exit code that fits.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Timeout { .. } => Exit::TimedOut,
            Self::Stopped { .. } => Exit::Interrupted,
            Self::Start { .. } | Self::Status { .. } | Self::Unreadable { .. } => Exit::Failed,
        }
    }

    /// What it said on standard error; empty where it said nothing or did not get so far.
    #[must_use]
    pub fn stderr(&self) -> &str {
        match self {
            Self::Status { stderr, .. } => stderr,
            Self::Start { .. } | Self::Timeout { .. } | Self::Stopped { .. } | Self::Unreadable { .. } => "",
        }
    }

    /// As a problem whose message says what we were doing. Where the program said nothing that helps, the hint is to call it by hand.
    pub fn into_problem(self, message: impl Into<String>) -> Problem {
        let problem = Problem::new(self.exit(), message);
        match self.has_no_stderr() {
            true => problem.with_source(self).with_hint("run that command by hand, and see what it does there"),
            false => problem.with_source(self),
        }
    }

    /// Whether it crashed, or said what is no answer, without a word of why.
    fn has_no_stderr(&self) -> bool {
        match self {
            Self::Start { .. } | Self::Unreadable { .. } => true,
            Self::Status { stderr, .. } => stderr.is_empty(),
            Self::Timeout { .. } | Self::Stopped { .. } => false,
        }
    }
}
