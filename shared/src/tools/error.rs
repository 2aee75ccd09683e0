//! How a helm, kubectl or cosign command can fail.
//!
//! Commands and standard error are masked before they reach an error. The exit code follows from the variant.

use std::time::Duration;

use crate::problem::{Exit, Explain};

/// How many words of a command identify it beside its reason: `helm upgrade mural`.
const COMMAND_WORDS: usize = 3;

/// Why a command gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The system cannot start the program.
    #[error("cannot start {command}")]
    Start {
        /// The command, secrets masked.
        command: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The exit status is not 0.
    #[error("{}", format_failure(.command, .status, .stderr))]
    Status {
        /// The command, secrets masked.
        command: String,
        /// `exit code 1`, `signal 9`
        status: String,
        /// The end of its standard error, secrets masked.
        stderr: String,
    },
    /// The command reached its time limit and was stopped.
    #[error("{command} reached its time limit of {} s and was stopped", .limit.as_secs())]
    Timeout {
        /// The command, secrets masked.
        command: String,
        /// The time limit.
        limit: Duration,
    },
    /// We stopped the command: Ctrl-C, or a lost lock.
    #[error("{command} was stopped")]
    Stopped {
        /// The command, secrets masked.
        command: String,
    },
    /// The exit status is 0, but the output has another form.
    #[error("{command} did not print {expected}")]
    Unreadable {
        /// The command, secrets masked.
        command: String,
        /// The expected form.
        expected: &'static str,
        /// The parser's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The reason first, then the program and its sub-command: the plan shows the whole command. Without a reason, the whole command.
fn format_failure(command: &str, status: &str, stderr: &str) -> String {
    if stderr.is_empty() {
        return format!("{command} failed with {status}");
    }
    let is_word = |word: &&str| !word.starts_with('-') && !word.contains(['/', '='].as_slice());
    let words: Vec<&str> = command.split_whitespace().take(COMMAND_WORDS).take_while(is_word).collect();
    format!("{stderr}\n{} failed with {status}", words.join(" "))
}

impl ToolError {
    /// The exit code of a command that fails for this reason.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Timeout { .. } => Exit::TimedOut,
            Self::Stopped { .. } => Exit::Interrupted,
            Self::Start { .. } | Self::Status { .. } | Self::Unreadable { .. } => Exit::Failed,
        }
    }

    /// Its standard error. Empty if it printed nothing or did not run.
    #[must_use]
    pub fn stderr(&self) -> &str {
        match self {
            Self::Status { stderr, .. } => stderr,
            Self::Start { .. } | Self::Timeout { .. } | Self::Stopped { .. } | Self::Unreadable { .. } => "",
        }
    }

    /// The failure of what needed the command. `message` says what failed: `helm cannot read the values`.
    pub fn into_failure(self, message: impl Into<String>) -> ToolFailure {
        ToolFailure { message: message.into(), next_step: None, error: self }
    }

    /// The next step if the program did not give a reason.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let hint = self.has_no_stderr().then(|| "run that command by hand to see its output".to_owned());
        hint.into_iter().collect()
    }

    /// Whether the program did not give a reason.
    fn has_no_stderr(&self) -> bool {
        match self {
            Self::Start { .. } | Self::Unreadable { .. } => true,
            Self::Status { stderr, .. } => stderr.is_empty(),
            Self::Timeout { .. } | Self::Stopped { .. } => false,
        }
    }
}

/// What could not be done, because a command of helm, kubectl or cosign failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ToolFailure {
    message: String,
    next_step: Option<String>,
    #[source]
    error: ToolError,
}

impl ToolFailure {
    /// Adds the next step of the operator, after that of the command itself.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { next_step: Some(hint.into()), ..self }
    }
}

impl Explain for ToolFailure {
    fn exit(&self) -> Exit {
        self.error.exit()
    }

    fn hints(&self) -> Vec<String> {
        self.error.hints().into_iter().chain(self.next_step.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    #[test]
    fn a_failure_has_the_exit_code_and_the_hint_of_its_command() {
        let limit = Duration::from_secs(5);
        let late = ToolError::Timeout { command: "helm version".into(), limit };
        let problem = Problem::from(late.into_failure("the version of helm cannot be read").with_hint("check it"));
        assert_eq!((problem.exit, problem.message.as_str()), (Exit::TimedOut, "the version of helm cannot be read"));
        assert_eq!(problem.causes(), ["helm version reached its time limit of 5 s and was stopped"]);
        assert_eq!(problem.hints, ["check it"]);
        let silent = ToolError::Status { command: "helm".into(), status: "signal 9".into(), stderr: String::new() };
        assert_eq!(silent.into_failure("x").hints(), ["run that command by hand to see its output"]);
    }

    #[test]
    fn the_reason_of_the_program_comes_before_its_command() {
        let failed = |stderr: &str| ToolError::Status {
            command: "helm upgrade mural /tmp/x/mural.tgz --namespace m".into(),
            status: "exit status: 1".into(),
            stderr: stderr.into(),
        };
        let text = failed("Error: context deadline exceeded").to_string();
        assert_eq!(text, "Error: context deadline exceeded\nhelm upgrade mural failed with exit status: 1");
        assert!(failed("").to_string().contains("/tmp/x/mural.tgz"), "the operator runs it by hand");
    }
}
