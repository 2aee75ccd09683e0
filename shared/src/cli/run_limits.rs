//! The time limits of a run that writes, and the options that it gets from them.

use std::time::{Duration, Instant};

use crate::ask::parse_duration;
use crate::prepare::prepared::Environment;
use crate::problem::Problem;
use crate::run::run_options::JournalOptions;
use crate::run::run_options::RunOptions;
use crate::tools::spawn::StopSignal;

/// How long a run waits, and for what.
#[derive(Debug, Clone, Copy)]
pub struct RunLimits {
    /// `--timeout`: the limit of one wait.
    pub timeout: Duration,
    /// `--failure-grace`: how long a reason that does not pass by itself may last.
    pub failure_grace: Duration,
    /// `--wait-for-lock`: how long to wait for a lock that someone else holds.
    pub wait_for_lock: Duration,
}

impl RunLimits {
    /// Reads the three flags.
    ///
    /// # Errors
    /// A usage problem that names the flag with no duration.
    pub fn parse(timeout: &str, failure_grace: &str, wait_for_lock: &str) -> Result<Self, Problem> {
        Ok(Self {
            timeout: parse_duration("--timeout", timeout)?,
            failure_grace: parse_duration("--failure-grace", failure_grace)?,
            wait_for_lock: parse_duration("--wait-for-lock", wait_for_lock)?,
        })
    }

    /// The options of a run that began at this moment.
    #[must_use]
    pub fn to_run_options(
        self,
        env: &Environment,
        started: Instant,
        journal_options: Option<JournalOptions>,
    ) -> RunOptions {
        RunOptions {
            run_id: env.run_id.clone(),
            timeout: self.timeout,
            failure_grace: self.failure_grace,
            wait_for_lock: self.wait_for_lock,
            stop: StopSignal::default(),
            abort: StopSignal::default(),
            started,
            journal_options,
        }
    }
}
