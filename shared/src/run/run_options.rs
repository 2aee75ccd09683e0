//! The options of a run that are not part of the plan: limits, stop signals, journal and backup.
//!
//! Owns no logic. `cli/` fills it from flags; the run and its steps read it. A limit is a duration, a signal is a [`StopSignal`] that
//! every wait of the run watches.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::plan::journal::Task;
use crate::tools::spawn::StopSignal;

/// The options of a run that are not part of the plan.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The run's id, which is also the label on the release.
    pub run_id: String,
    /// The limit of one wait.
    pub timeout: Duration,
    /// How long a terminal reason may last before a wait ends.
    pub failure_grace: Duration,
    /// How long to wait for a lock that another run holds.
    pub wait_for_lock: Duration,
    /// Set by Ctrl-C and when a lock is lost: waits end; short operations complete.
    pub stop: StopSignal,
    /// Set when a lock is lost: everything ends at once.
    pub abort: StopSignal,
    /// When the run started.
    pub started: Instant,
    /// The journal and the backup; `None` for a run that only writes CRDs.
    pub journal_options: Option<JournalOptions>,
    /// The state folder for the backup of a run without a journal that deletes fields of stored objects; `None` for any other run.
    pub loss_backup: Option<PathBuf>,
}

/// The options of a run's journal.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// The task that the journal records.
    pub task: Task,
    /// The state folder on this workstation (`$XDG_STATE_HOME/mural`); `None` if neither it nor HOME is set.
    pub state_dir: Option<PathBuf>,
    /// The folder that relative paths refer to.
    pub working_dir: PathBuf,
    /// The command that continues the run, as words. It has every flag of the operator and no value.
    pub continue_command: Vec<String>,
    /// The backup before the first write; `None` with `--no-save`.
    pub backup: Option<BackupOptions>,
}

/// The options of the backup.
#[derive(Debug, Clone, Default)]
pub struct BackupOptions {
    /// A program of the operator that backs up more. The run continues only if it exits with 0.
    pub hook: Option<BackupHook>,
}

/// `--save-hook PROGRAM --save-hook-args ARGUMENT …`: started without a shell.
#[derive(Debug, Clone)]
pub struct BackupHook {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}
