//! What went wrong, told to a person: one type at the edge, one table of exit codes, one printer.

pub mod suggest;

use std::error::Error;
use std::fmt;

use serde::Serialize;

/// How a command ends. The only table of exit codes; `--help`, the README and the code share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Fine.
    Success,
    /// A step failed.
    Failed,
    /// There are changes (`plan`, `diff --exit-code`).
    ChangesFound,
    /// Checks failed or could not be decided.
    ChecksFailed,
    /// Only warnings, with `--strict`.
    OnlyWarnings,
    /// Refused by a guard, before any write.
    Refused,
    /// Out of time.
    TimedOut,
    /// Somebody else holds the lock.
    Locked,
    /// Wrong usage.
    Usage,
    /// Stopped by Ctrl-C.
    Interrupted,
}

impl Exit {
    /// Every way to end, in the order of its code.
    pub const ALL: [Self; 10] = [
        Self::Success,
        Self::Failed,
        Self::ChangesFound,
        Self::ChecksFailed,
        Self::OnlyWarnings,
        Self::Refused,
        Self::TimedOut,
        Self::Locked,
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
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }

    /// The way to end that has this code; a code of no entry counts as a failure.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        Self::ALL.into_iter().find(|exit| exit.code() == code).unwrap_or(Self::Failed)
    }

    /// What the code means, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "a step failed",
            Self::ChangesFound => "there are changes (plan; diff --exit-code)",
            Self::ChecksFailed => "checks failed or are undetermined",
            Self::OnlyWarnings => "warnings only (with --strict)",
            Self::Refused => "refused by a guard; nothing was written",
            Self::TimedOut => "timed out",
            Self::Locked => "someone else holds the lock",
            Self::Usage => "usage error",
            Self::Interrupted => "stopped by Ctrl-C",
        }
    }

    /// The table as text, for `--help`.
    #[must_use]
    pub fn table() -> String {
        Self::ALL.iter().map(|exit| format!("  {:>3}  {}\n", exit.code(), exit.meaning())).collect()
    }
}

/// One clear message: the object, the reason, the next step.
///
/// The cause stays in `source` and is never repeated inside `message`; hints are separate values.
#[derive(Debug)]
pub struct Problem {
    /// How the command ends because of it.
    pub exit: Exit,
    /// What is wrong, naming the object.
    pub message: String,
    /// What a person can do next, best first.
    pub hints: Vec<String>,
    /// The cause.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    /// A problem without a cause of its own.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hints: Vec::new(), source: None }
    }

    /// Wrong usage: a flag, a file or a value the caller gave.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A step that failed.
    pub fn failure(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// Adds a next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The causes, outermost first, each on its own, without repetitions.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = self.source.as_deref().map(|source| source as _);
        while let Some(cause) = next {
            let text = cause.to_string();
            if !text.is_empty() && causes.last().is_none_or(|last| !last.contains(&text)) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
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
    fn causes_do_not_repeat_what_an_outer_one_said() {
        let inner = Problem::failure("connection refused");
        let middle = Problem::failure("cannot reach the API server: connection refused").with_source(inner);
        let outer = Problem::failure("cannot look at the cluster").with_source(middle);
        assert_eq!(outer.causes(), ["cannot reach the API server: connection refused"]);
    }
}
