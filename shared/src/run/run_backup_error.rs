//! Why the backup before the first write failed.
//!
//! Owns the texts and the next steps. `run_backup.rs` finds the reasons. Each is a refusal, because nothing was written to the cluster;
//! only Ctrl-C and an answer about the cluster keep their own exit code.

use super::backup::backup_error::BackupError;
use crate::problem::{Cause, Exit, Explain};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunBackupError {
    /// The backup cannot be written, or is not complete.
    #[error("the backup before the first write failed; nothing was written")]
    Failed(#[source] Cause),
    /// The operator's hook failed or does not exist.
    #[error("--save-hook {program} failed; nothing was written")]
    Hook {
        program: String,
        #[source]
        cause: Cause,
    },
    /// Stopped, or refused by the backup itself.
    #[error(transparent)]
    Ended(BackupError),
}

impl RunBackupError {
    /// The failure for this reason.
    pub(super) fn because(reason: impl std::fmt::Display) -> Self {
        Self::Failed(Cause::new(reason))
    }
}

impl From<BackupError> for RunBackupError {
    fn from(error: BackupError) -> Self {
        match error.exit() {
            Exit::Failed => Self::because(describe_chain(&error)),
            _ => Self::Ended(error),
        }
    }
}

/// An error and its causes, one per line.
fn describe_chain(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Explain for RunBackupError {
    fn exit(&self) -> Exit {
        match self {
            Self::Failed(_) | Self::Hook { .. } => Exit::Refused,
            Self::Ended(error) => error.exit(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Failed(_) => vec![
                "fix the cause, or set XDG_STATE_HOME to another folder".to_owned(),
                "--no-save continues without a backup: CRDs cannot be rolled back then".to_owned(),
            ],
            Self::Hook { .. } => {
                vec!["fix the hook and run the same command again, or leave out --save-hook".to_owned()]
            }
            Self::Ended(error) => error.hints(),
        }
    }
}
