//! How a run behaves, besides what it does: limits, stop signals, journal and backup.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::plan::journal::Task;
use crate::tools::spawn::StopSignal;

/// How a run behaves, besides what it does.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The run's id: the label on the release.
    pub run_id: String,
    /// The longest one wait may last.
    pub timeout: Duration,
    /// How long a reason that does not pass by itself may last before a wait ends.
    pub failure_grace: Duration,
    /// How long to wait for a lock that somebody else holds.
    pub wait_for_lock: Duration,
    /// Asked by Ctrl-C, and when a lock is lost: what waits ends, what takes a moment is done first.
    pub stop: StopSignal,
    /// Asked when a lock is lost: nothing may go on.
    pub abort: StopSignal,
    /// When the run began.
    pub started: Instant,
    /// How it is kept: a journal, and a copy of what is there before. None for a run that writes CRDs alone.
    pub journal_options: Option<JournalOptions>,
}

/// How a run is kept.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// What it is for.
    pub task: Task,
    /// Where this workstation keeps what is ours (`$XDG_STATE_HOME/mural`); none where there is no such place.
    pub state_dir: Option<PathBuf>,
    /// Where relative paths begin.
    pub working_dir: PathBuf,
    /// What is saved before the first write; none with `--no-save`.
    pub backup: Option<BackupOptions>,
}

/// What is saved, besides what always is.
#[derive(Debug, Clone, Default)]
pub struct BackupOptions {
    /// A program of the operator's that saves more; it must end with 0.
    pub hook: Option<BackupHook>,
}

/// `--save-hook PROGRAM --save-hook-args ARGUMENT …`: no shell stands in between.
#[derive(Debug, Clone)]
pub struct BackupHook {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}
