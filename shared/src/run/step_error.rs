//! Why a step ended before it was done, as a person reads it.
//!
//! Owns which of several reasons is the message: a lost lock explains every other failure, then Ctrl-C does. The reasons themselves are
//! the errors of the step's module. Input: the error of a step. Output: its `Problem`.

use super::context::Run;
use super::flux::FluxError;
use super::journal_error::JournalError;
use super::served_schema_error::ServedSchemaError;
use super::step_guard_error::StepGuardError;
use crate::cluster::leases::LockError;
use crate::plan::Step;
use crate::problem::{Cause, Exit, Explain, Problem};

/// Why a step ended before it was done.
pub(super) enum StepError {
    /// The lock is lost, or the API server does not renew it.
    Lock(LockError),
    /// A guard refused, or the step itself failed.
    Step(Problem),
}

impl From<LockError> for StepError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

impl From<Problem> for StepError {
    fn from(problem: Problem) -> Self {
        Self::Step(problem)
    }
}

/// The errors before a step starts.
macro_rules! from_step_failure {
    ($($error:ty),+) => {
        $(impl From<$error> for StepError {
            fn from(error: $error) -> Self {
                Self::Step(error.into())
            }
        })+
    };
}
from_step_failure!(StepGuardError, FluxError, ServedSchemaError, JournalError, Interruption);

impl StepError {
    /// The problem to report: a lost lock explains every other failure.
    pub(super) fn into_problem(self, run: &Run<'_>, step: &Step) -> Problem {
        let problem = match self {
            Self::Lock(error @ LockError::Lost(_)) => return error.into(),
            Self::Lock(error @ LockError::NotRenewed(_)) => error.into(),
            Self::Step(problem) => problem,
        };
        let lost = |reason: &str| Problem::from(LockError::Lost(reason.to_owned()));
        match run.locks.loss_reason() {
            Some(reason) if problem.exit == Exit::Interrupted => lost(reason),
            Some(reason) => {
                LostInStep { lock: LockError::Lost(reason.to_owned()), cause: Cause::new(format_problem(&problem)) }
                    .into()
            }
            // On a terminal, Ctrl-C also reaches helm and kubectl, which may fail before we ask them to stop.
            None if run.options.stop.is_requested() => interrupt(step, problem),
            None => problem,
        }
    }
}

/// A step that failed because its lock was lost.
#[derive(Debug, thiserror::Error)]
#[error("{lock}")]
struct LostInStep {
    lock: LockError,
    /// How the step ended.
    #[source]
    cause: Cause,
}

impl Explain for LostInStep {
    fn exit(&self) -> Exit {
        self.lock.exit()
    }

    fn hints(&self) -> Vec<String> {
        self.lock.hints()
    }
}

/// Ctrl-C.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interruption {
    /// Before the step started.
    #[error("stopped by Ctrl-C before this step")]
    BeforeStep,
    /// While the step ran.
    #[error("stopped by Ctrl-C: {title}")]
    InStep {
        title: String,
        /// How the step ended.
        #[source]
        cause: Cause,
    },
}

impl Explain for Interruption {
    fn exit(&self) -> Exit {
        Exit::Interrupted
    }

    /// None: the report of the run has the command that continues it.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

fn interrupt(step: &Step, problem: Problem) -> Problem {
    if problem.exit == Exit::Interrupted && problem.source.is_none() {
        return problem;
    }
    Interruption::InStep { title: step.title.clone(), cause: Cause::new(format_problem(&problem)) }.into()
}

/// Formats a problem as lines: message, causes, hints.
pub(super) fn format_problem(problem: &Problem) -> String {
    let causes = problem.causes().into_iter();
    let hints = problem.hints.iter().map(|hint| format!("→ {hint}"));
    std::iter::once(problem.message.clone()).chain(causes).chain(hints).collect::<Vec<_>>().join("\n")
}
