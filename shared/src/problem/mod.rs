//! What a command reports when it cannot do its task, and how it exits.
//!
//! [`Problem`] is the one type at the edge. The modules below have typed errors: each implements [`Explain`], from which the one `From`
//! makes the problem. [`Exit`] is the only table of exit codes. `report/problem_text.rs` prints both.

pub mod suggest;

use std::error::Error;
use std::fmt;

use serde::Serialize;

/// How a command exits. `--help`, the README and the code share this table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// The command did its task.
    Success,
    /// A command or a step of it failed.
    Failed,
    /// There are changes (`plan`, `diff --exit-code`).
    ChangesFound,
    /// Checks failed or are undetermined.
    ChecksFailed,
    /// Only warnings, with `--strict`.
    OnlyWarnings,
    /// Refused by a guard, before any write.
    Refused,
    /// A time limit was reached.
    TimedOut,
    /// Another run holds the lock.
    Locked,
    /// The operator did not confirm, so nothing was written.
    NotConfirmed,
    /// helm or kubectl is missing or too old.
    MissingTool,
    /// The flags, a file or a value of the operator is not usable, or names something that does not exist.
    Usage,
    /// Stopped by Ctrl-C.
    Interrupted,
}

impl Exit {
    /// All variants in the order of their codes.
    pub const ALL: [Self; 12] = [
        Self::Success,
        Self::Failed,
        Self::ChangesFound,
        Self::ChecksFailed,
        Self::OnlyWarnings,
        Self::Refused,
        Self::TimedOut,
        Self::Locked,
        Self::NotConfirmed,
        Self::MissingTool,
        Self::Usage,
        Self::Interrupted,
    ];

    /// The process exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::ChangesFound => 2,
            Self::ChecksFailed => 3,
            Self::OnlyWarnings => 4,
            Self::Refused => 5,
            Self::TimedOut => 6,
            Self::Locked => 7,
            Self::NotConfirmed => 8,
            Self::MissingTool => 9,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }

    /// The variant with this code. [`Exit::Failed`] for an unknown code.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        Self::ALL.into_iter().find(|exit| exit.code() == code).unwrap_or(Self::Failed)
    }

    /// The meaning of the code, for `--help`.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::ChangesFound => "there are changes (plan; diff --exit-code)",
            Self::ChecksFailed => "checks failed or are undetermined",
            Self::OnlyWarnings => "warnings only (with --strict)",
            Self::Refused => "refused by a guard; nothing was written",
            Self::TimedOut => "timed out",
            Self::Locked => "someone else holds the lock",
            Self::NotConfirmed => "not confirmed; nothing was written",
            Self::MissingTool => "helm or kubectl is missing or too old",
            Self::Usage => "usage error, or a version or run that does not exist",
            Self::Interrupted => "stopped by Ctrl-C",
        }
    }

    /// The table as text, one line per code.
    #[must_use]
    pub fn table() -> String {
        Self::table_of(&Self::ALL)
    }

    /// The table of the codes that one command can have.
    #[must_use]
    pub fn table_of(codes: &[Self]) -> String {
        codes.iter().map(|exit| format!("  {:>3}  {}\n", exit.code(), exit.meaning())).collect()
    }
}

/// A typed error that knows its exit code and its next steps, computed from its variant.
///
/// The `Display` of the error is the problem's message; its source is the cause.
pub trait Explain: Error + Send + Sync + 'static {
    /// The command's exit code. By default that of a failed step.
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    /// The next steps, best first. Each starts with a command or a verb.
    fn hints(&self) -> Vec<String>;
}

impl<E: Explain> From<E> for Problem {
    fn from(error: E) -> Self {
        let (exit, message, hints) = (error.exit(), error.to_string(), error.hints());
        // The causes are read through the error, whose own text is the message.
        let has_cause = error.source().is_some();
        Self { exit, message, hints, source: has_cause.then(|| Box::new(error) as Box<dyn Error + Send + Sync>) }
    }
}

/// A cause of which only the text is known, for example from another thread or of several objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(String);

impl Cause {
    /// A cause with this text.
    pub fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}

/// A failure for people: the object, the reason, the next steps.
///
/// Made by the one `From` of a typed error; only tests build it by hand. The message does not repeat the cause, which is in `source`.
/// Neither may contain a secret.
#[derive(Debug)]
pub struct Problem {
    /// The command's exit code.
    pub exit: Exit,
    /// What failed, on which object.
    pub message: String,
    /// The next steps, best first. Each starts with a command or a verb.
    pub hints: Vec<String>,
    /// The cause, if another error led to this one.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

#[cfg(test)]
impl Problem {
    /// A problem without a cause.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hints: Vec::new(), source: None }
    }

    /// A usage error ([`Exit::Usage`]): a flag, a file or a value of the operator.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A failed step ([`Exit::Failed`]).
    pub fn failure(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl Problem {
    /// Adds a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The causes, outermost first. A cause that the previous one repeats is left out.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        list_causes(self)
    }
}

/// The causes of an error, outermost first. A cause that the error or the previous one repeats is left out.
#[must_use]
pub fn list_causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let message = error.to_string();
    let mut causes: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        next = cause.source();
        let text = cause.to_string();
        if !text.is_empty() && text != message && causes.last().is_none_or(|last| !last.contains(&text)) {
            causes.push(text);
        }
    }
    causes
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_ordered() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
    }

    #[test]
    fn a_typed_error_becomes_a_problem_with_its_cause() {
        #[derive(Debug)]
        struct Unwritten(Cause);
        impl fmt::Display for Unwritten {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot write")
            }
        }
        impl Error for Unwritten {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        impl Explain for Unwritten {
            fn hints(&self) -> Vec<String> {
                vec!["free some space".to_owned()]
            }
        }
        let problem = Problem::from(Unwritten(Cause::new("disk full")));
        assert_eq!((problem.exit, problem.message.as_str()), (Exit::Failed, "cannot write"));
        assert_eq!(
            (problem.causes(), problem.hints),
            (vec!["disk full".to_owned()], vec!["free some space".to_owned()])
        );
    }

    #[test]
    fn causes_do_not_repeat_the_outer_text() {
        let inner = Problem::failure("connection refused");
        let middle = Problem::failure("cannot reach the API server: connection refused").with_source(inner);
        let outer = Problem::failure("cannot look at the cluster").with_source(middle);
        assert_eq!(outer.causes(), ["cannot reach the API server: connection refused"]);
    }
}
