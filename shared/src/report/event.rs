//! The event stream of a run.
//!
//! Owns the events only. `prepare/` and `run/` emit them; `human.rs` renders text, `cli/` prints JSON. Masking of secrets happens
//! before an event leaves the run.

use serde::Serialize;

use crate::model::known_secrets::Secrets;

/// One event of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// A stage before the first write has started: look, render, forecast, judge.
    StageStarted {
        /// Name of the stage.
        stage: &'static str,
        /// A description of the stage.
        detail: String,
    },
    /// A stage is done.
    StageDone {
        /// Name of the stage.
        stage: &'static str,
        /// The result.
        detail: String,
        /// How long it took.
        seconds: f64,
    },
    /// A condition that does not stop the run and that the operator should correct.
    Warning {
        /// The subject, in one word.
        stage: &'static str,
        /// The condition, and where it was found.
        message: String,
    },
    /// A step has started.
    StepStarted {
        /// The step's id.
        step: String,
        /// The title of the step.
        title: String,
        /// The exact command; empty if the step runs none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        command: Vec<String>,
    },
    /// What a step waits for; emitted again only if it changes.
    Waiting {
        /// The step's id.
        step: String,
        /// How long it has waited.
        seconds: f64,
        /// How long it may wait.
        limit_seconds: f64,
        /// How long a non-recoverable reason may last.
        grace_seconds: u64,
        /// How many objects are ready, and of how many.
        ready: (usize, usize),
        /// The objects that are not ready.
        objects: Vec<WaitingObject>,
    },
    /// Progress of a long step, emitted from time to time.
    Progress {
        /// The step's id, or the stage.
        step: String,
        /// The objects that are counted.
        detail: String,
        /// How many are done.
        done: u64,
        /// Of how many; 0 if unknown.
        total: u64,
    },
    /// A step is done and verified.
    StepDone {
        /// The step's id.
        step: String,
        /// The result.
        detail: String,
        /// How long it took.
        seconds: f64,
    },
    /// A step failed; no later step starts.
    StepFailed {
        /// The step's id.
        step: String,
        /// Why.
        reason: String,
        /// How long it took.
        seconds: f64,
    },
}

/// One object that is not ready yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingObject {
    /// `Deployment mural-system/canvas`
    pub object: String,
    /// `1/2`; empty if the object has no count.
    pub progress: String,
    /// Why it is not ready.
    pub reason: String,
    /// How long this reason has lasted, if it is non-recoverable.
    pub terminal_seconds: Option<u64>,
}

/// Receives the events.
pub type Emit<'a> = &'a (dyn Fn(Event) + Send + Sync);

impl Event {
    /// The same event without these secrets in its texts.
    #[must_use]
    pub fn mask(self, secrets: &Secrets) -> Self {
        let mask = |text: String| secrets.mask(&text);
        match self {
            Self::StageStarted { stage, detail } => Self::StageStarted { stage, detail: mask(detail) },
            Self::StageDone { stage, detail, seconds } => Self::StageDone { stage, detail: mask(detail), seconds },
            Self::Warning { stage, message } => Self::Warning { stage, message: mask(message) },
            Self::StepStarted { step, title, command } => {
                Self::StepStarted { step, title: mask(title), command: command.into_iter().map(mask).collect() }
            }
            Self::Waiting { step, seconds, limit_seconds, grace_seconds, ready, objects } => {
                let objects = objects.into_iter().map(|object| object.mask(secrets)).collect();
                Self::Waiting { step, seconds, limit_seconds, grace_seconds, ready, objects }
            }
            Self::Progress { step, detail, done, total } => Self::Progress { step, detail: mask(detail), done, total },
            Self::StepDone { step, detail, seconds } => Self::StepDone { step, detail: mask(detail), seconds },
            Self::StepFailed { step, reason, seconds } => Self::StepFailed { step, reason: mask(reason), seconds },
        }
    }
}

impl WaitingObject {
    fn mask(self, secrets: &Secrets) -> Self {
        Self { reason: secrets.mask(&self.reason), ..self }
    }
}
