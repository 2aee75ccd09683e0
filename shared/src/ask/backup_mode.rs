//! Whether a command backs up before its first write, and what to do where it does not.

/// The backup of CRDs, custom resources and removed objects before the first write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupMode {
    /// It is made; the command ends before the first write if it fails.
    Enabled,
    /// The operator set `--no-save`.
    Declined,
    /// The command makes none: it reads only, or it hands the releases over to Flux.
    Unsupported,
}

impl BackupMode {
    /// The way on for a run that deletes what no backup keeps; none if the backup is made.
    #[must_use]
    pub const fn hint_for_loss(self) -> Option<&'static str> {
        match self {
            Self::Enabled => None,
            Self::Declined => Some("remove --no-save: the backup before the run keeps what is lost"),
            Self::Unsupported => {
                Some("run `kubectl mural upgrade` with the same charts first: it makes a backup before the loss")
            }
        }
    }
}
