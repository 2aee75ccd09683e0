//! The flags of `status`, `resume`, `rollback` and `repair`, and of the backup.

use crate::ask::DEFAULT_NAMESPACE;
use crate::cli::{ClusterFlags, OutputFormat, StyleFlags};
use clap::Args;

use super::{ApplianceFlags, InstallationFlags, RegistryFlags, ReleaseValueFlags, RunFlags};

/// The flags of `status`.
#[derive(Debug, Args)]
pub struct StatusFlags {
    /// Delete the backup of this run, and exit.
    #[arg(long, value_name = "RUN", help_heading = "Backup")]
    pub forget: Option<String>,
    /// The installation and its cluster.
    #[command(flatten)]
    pub installation: InstallationFlags,
    /// Output format.
    #[arg(short = 'o', long, value_enum, default_value = "table", value_name = "FORMAT", help_heading = "Output")]
    pub output: OutputFormat,
    /// Colour and marks.
    #[command(flatten)]
    pub style: StyleFlags,
}

/// The backup before the first write.
#[derive(Debug, Args)]
#[command(next_help_heading = "Backup before the first write")]
pub struct BackupFlags {
    /// Do not back up CRDs and custom resources. They cannot be rolled back then, and no loss can be allowed.
    #[arg(long, conflicts_with_all = ["save_hook", "save_hook_args"])]
    pub no_save: bool,
    /// Program that makes an additional backup. The upgrade stops if it fails.
    ///
    /// It runs before the first write and without a shell. It must end with exit code 0. Its environment contains MURAL_RUN,
    /// MURAL_BACKUP, MURAL_CONTEXT and MURAL_NAMESPACE.
    #[arg(long, value_name = "PROGRAM")]
    pub save_hook: Option<String>,
    /// Argument of the --save-hook program; repeatable.
    #[arg(long, value_name = "ARGUMENT", requires = "save_hook", allow_hyphen_values = true)]
    pub save_hook_args: Vec<String>,
}

/// The location of the journal. The journal contains the names of the releases.
#[derive(Debug, Args)]
#[command(next_help_heading = "Installation")]
pub struct JournalLocationFlags {
    /// Namespace of the installation.
    #[arg(short = 'n', long, default_value = DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// Access to the cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

/// The flags of `resume`.
#[derive(Debug, Args)]
pub struct ResumeFlags {
    /// The application chart from another location. Its bytes must be the same as in the interrupted run.
    #[arg(long, value_name = "REF", help_heading = "Charts")]
    pub chart: Option<String>,
    /// The CRD chart from another location. Its bytes must be the same as in the interrupted run.
    #[arg(long, value_name = "REF", help_heading = "Charts")]
    pub crds_chart: Option<String>,
    /// The value flags of the interrupted run. Other values are refused with exit code 5.
    #[command(flatten)]
    pub values: ReleaseValueFlags,
    /// The location of the journal.
    #[command(flatten)]
    pub location: JournalLocationFlags,
    /// Access to the registry.
    #[command(flatten)]
    pub registry: RegistryFlags,
    /// The registry and the content bundle of an appliance.
    #[command(flatten)]
    pub appliance: ApplianceFlags,
    /// The backup before the first write.
    #[command(flatten)]
    pub backup: BackupFlags,
    /// Confirmation, time limits and output.
    #[command(flatten)]
    pub run_flags: RunFlags,
}

/// The flags of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackFlags {
    /// Replace existing custom resources with the backup. Changes made since the backup are lost.
    #[arg(long, help_heading = "Rollback")]
    pub overwrite: bool,
    /// Take over fields of the application that another field manager set (helm 4 refuses otherwise).
    #[arg(long, help_heading = "Rollback")]
    pub force_conflicts: bool,
    /// The location of the journal.
    #[command(flatten)]
    pub location: JournalLocationFlags,
    /// Confirmation, time limits and output.
    #[command(flatten)]
    pub run_flags: RunFlags,
}

/// The flags of `repair`.
#[derive(Debug, Args)]
pub struct RepairFlags {
    /// The installation and its cluster.
    #[command(flatten)]
    pub installation: InstallationFlags,
    /// Confirmation, time limits and output.
    #[command(flatten)]
    pub run_flags: RunFlags,
}
