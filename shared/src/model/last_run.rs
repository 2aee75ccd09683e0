//! What the journal says about the last run of this tool, as far as advice depends on it.
//!
//! Checks read it so that no hint works against the run: an unfinished run is continued, and CRDs that a rollback left in an older
//! version are not applied again. `plan/journal` builds it.

use std::collections::BTreeSet;

use super::pending_release::find_creating_run;
use super::release::ReleaseRecord;

/// The last run of this tool on an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// The run's id.
    pub run: String,
    /// Set if the run failed or was interrupted.
    pub unfinished: Option<UnfinishedRun>,
    /// The CRDs that a rollback left as they are now: restored, or not rolled back. Empty after any other run.
    pub rolled_back_crds: BTreeSet<String>,
}

/// A run that failed or was interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedRun {
    /// Its id, and those of the runs that it continues.
    pub runs: Vec<String>,
    /// The command that continues it.
    pub command: String,
}

impl LastRun {
    /// The unfinished run, if it wrote the newest of these records.
    #[must_use]
    pub fn unfinished_run_of(&self, records: &[ReleaseRecord]) -> Option<&UnfinishedRun> {
        let creator = find_creating_run(records)?;
        self.unfinished.as_ref().filter(|unfinished| unfinished.runs.iter().any(|run| run == creator))
    }
}
