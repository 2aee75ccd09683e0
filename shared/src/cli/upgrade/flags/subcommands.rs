//! The flags of what goes on, goes back and mends.

use crate::cli::{ClusterFlags, OutputFormat, StyleFlags};
use clap::Args;

use super::{ApplianceFlags, InstallationFlags, RegistryFlags, RunFlags, ValueFlags};

/// `status`
#[derive(Debug, Args)]
pub struct StatusFlags {
    /// Drop the copy that was saved before this run, and end.
    #[arg(long, value_name = "RUN", help_heading = "What")]
    pub forget: Option<String>,
    /// The installation.
    #[command(flatten)]
    pub installation: InstallationFlags,
    /// The answer's form.
    #[arg(short = 'o', long, value_enum, default_value = "table", help_heading = "How")]
    pub output: OutputFormat,
    /// How text looks.
    #[command(flatten)]
    pub style: StyleFlags,
}

/// What is saved before the first write.
#[derive(Debug, Args)]
#[command(next_help_heading = "Before the first write")]
pub struct BackupFlags {
    /// Save no copy of CRDs and custom resources; they can then not go back.
    #[arg(long, conflicts_with_all = ["save_hook", "save_hook_args"])]
    pub no_save: bool,
    /// A program that saves more, run before the first write: it must end with 0. No shell; it is told MURAL_RUN, MURAL_BACKUP, MURAL_CONTEXT, MURAL_NAMESPACE.
    #[arg(long, value_name = "PROGRAM")]
    pub save_hook: Option<String>,
    /// An argument of that program; may be given several times.
    #[arg(long, value_name = "ARGUMENT", requires = "save_hook", allow_hyphen_values = true)]
    pub save_hook_args: Vec<String>,
}

/// Where the journal is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
pub struct JournalLocationFlags {
    /// The installation's namespace.
    #[arg(short = 'n', long, default_value = "mural-system")]
    pub namespace: String,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

/// `resume`
#[derive(Debug, Args)]
pub struct ResumeFlags {
    /// The same chart from another place, where the run's own cannot be reached from here; its bytes must be the same.
    #[arg(long, value_name = "REF", help_heading = "What")]
    pub chart: Option<String>,
    /// The same for the CRD chart.
    #[arg(long, value_name = "REF", help_heading = "What")]
    pub crds_chart: Option<String>,
    /// The same values that the run was given.
    #[command(flatten)]
    pub values: ValueFlags,
    /// The place.
    #[command(flatten)]
    pub location: JournalLocationFlags,
    /// The registry.
    #[command(flatten)]
    pub registry: RegistryFlags,
    /// The appliance.
    #[command(flatten)]
    pub appliance: ApplianceFlags,
    /// What is saved.
    #[command(flatten)]
    pub backup: BackupFlags,
    /// The manner.
    #[command(flatten)]
    pub run_flags: RunFlags,
}

/// `rollback`
#[derive(Debug, Args)]
pub struct RollbackFlags {
    /// Put the saved custom resources in place of those that are there: what was written to them since is lost.
    #[arg(long, help_heading = "What")]
    pub overwrite: bool,
    /// Take over fields of the application that somebody has set by hand since (helm 4 refuses to otherwise).
    #[arg(long, help_heading = "What")]
    pub force_conflicts: bool,
    /// The place.
    #[command(flatten)]
    pub location: JournalLocationFlags,
    /// The manner.
    #[command(flatten)]
    pub run_flags: RunFlags,
}

/// `repair`
#[derive(Debug, Args)]
pub struct RepairFlags {
    /// The place.
    #[command(flatten)]
    pub installation: InstallationFlags,
    /// The manner.
    #[command(flatten)]
    pub run_flags: RunFlags,
}
