//! The time limits of a run that writes, from `--timeout`, `--failure-grace` and `--wait-for-lock`.

use std::time::{Duration, Instant};

use crate::ask::parse_duration;
use crate::prepare::prepared::Environment;
use crate::problem::Problem;
use crate::run::run_options::JournalOptions;
use crate::run::run_options::RunOptions;
use crate::tools::spawn::StopSignal;

/// The time limits of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunLimits {
    /// `--timeout`: the limit of one wait.
    pub timeout: Duration,
    /// `--failure-grace`: the time that a terminal reason may last before a wait ends.
    pub failure_grace: Duration,
    /// `--wait-for-lock`: the limit of the wait for a lock that another run holds.
    pub wait_for_lock: Duration,
}

impl RunLimits {
    /// Parses the three flags.
    ///
    /// # Errors
    /// A usage error if a value is not a duration.
    pub fn parse(timeout: &str, failure_grace: &str, wait_for_lock: &str) -> Result<Self, Problem> {
        Ok(Self {
            timeout: parse_duration("--timeout", timeout)?,
            failure_grace: parse_duration("--failure-grace", failure_grace)?,
            wait_for_lock: parse_duration("--wait-for-lock", wait_for_lock)?,
        })
    }

    /// The options of a run with these limits.
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
            loss_backup: None,
        }
    }
}
