//! The command line of `kubectl mural upgrade`: the sub-commands and the flags that select an upgrade.
//!
//! If kubectl or helm has a flag for the same purpose, the flag has the same name and meaning here. This module only
//! declares flags; `flag_conversions` validates them and turns them into the types of `ask`.

mod flag_conversions;
mod helm_flags;
mod owner_flags;
mod run_flags;
mod subcommands;

use std::path::PathBuf;

use crate::ask::{DEFAULT_APP_CHART, DEFAULT_APP_RELEASE, DEFAULT_CRDS_CHART, DEFAULT_CRDS_RELEASE, DEFAULT_NAMESPACE};
use crate::cli::build_version::version_text;
use crate::cli::{ClusterFlags, StyleFlags};
use crate::model::chart_version::ChartVersion;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use helm_flags::{HelmFlags, RegistryFlags, ReleaseValueFlags, ServerSideFlag};
pub use owner_flags::{ApplianceFlags, FluxManifestsFlags, OwnerFlags, SignatureFlags};
pub use run_flags::{EventsFlag, RunFlags};
pub use subcommands::{BackupFlags, JournalLocationFlags, RepairFlags, ResumeFlags, RollbackFlags, StatusFlags};

/// Upgrade PaletteAI: first its CRDs, then the application.
///
/// Reads the cluster, shows the plan and asks for confirmation. Every step ends with a verification. A guard that finds
/// a problem refuses the upgrade before the first write.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-mural-upgrade",
    bin_name = "kubectl mural upgrade",
    version = version_text(),
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// The sub-command; without one, the whole upgrade.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The charts, values and options of the upgrade.
    #[command(flatten)]
    pub upgrade: UpgradeFlags,
}

/// The sub-commands of `kubectl mural upgrade`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a plan only. Exit code 2 means that there are changes.
    Plan(Box<PlanFlags>),
    /// Apply a saved plan. Refuse if the cluster changed since the plan.
    Apply(Box<ApplyFlags>),
    /// Write the four Flux manifests of the vendor's upgrade guide, or apply them.
    ///
    /// Guide: <https://docs.palette-ai.com/docs/0.1.x/installation-and-setup/upgrade/>
    FluxManifests(Box<FluxManifestsFlags>),
    /// List the charts and images that the upgrade runs, with digests, for a mirror or to pull them in advance.
    Images(Box<ImagesFlags>),
    /// Write the upgrade as a Kubernetes Job, with its ServiceAccount, Roles and values, to standard output.
    ///
    /// Apply it with `kubectl apply --filename -`, or commit it for Flux, Argo CD or Open Cluster Management. The Roles grant what
    /// this plan needs, and nothing else.
    Job(Box<JobFlags>),
    /// Show the current run (user, step and start time), the releases and the earlier runs.
    Status(Box<StatusFlags>),
    /// Continue an interrupted, failed or stopped run. Skip the steps that are already verified.
    Resume(Box<ResumeFlags>),
    /// Show what can be rolled back to the state before the last run, then roll back after confirmation.
    Rollback(Box<RollbackFlags>),
    /// Find issues that an interrupted run left behind, and fix them after confirmation.
    ///
    /// Issues are a pending or failed release, a leftover keep annotation, a transitional CRD, a suspended HelmRelease and a
    /// damaged journal.
    Repair(Box<RepairFlags>),
}

/// The flags of `job`.
#[derive(Debug, Args)]
pub struct JobFlags {
    /// Image with the plugins, helm and kubectl. Its entrypoint is `kubectl mural`.
    #[arg(long, value_name = "IMAGE", help_heading = "Job")]
    pub image: String,
    /// Name of the Job; by default from the target version.
    #[arg(long, value_name = "NAME", help_heading = "Job")]
    pub name: Option<String>,
    /// ServiceAccount of the pod.
    #[arg(long, value_name = "NAME", default_value = "mural-run", help_heading = "Job")]
    pub service_account: String,
    /// Secret with the logins of the registry, of type kubernetes.io/dockerconfigjson.
    #[arg(long, value_name = "NAME", help_heading = "Job")]
    pub registry_secret: Option<String>,
    /// Suspend the Job: it starts when a user sets spec.suspend to false.
    #[arg(long, help_heading = "Job")]
    pub suspend: bool,
    /// The charts, values and options of the upgrade.
    #[command(flatten)]
    pub upgrade: UpgradeFlags,
}

/// The flags of `plan`.
#[derive(Debug, Args)]
pub struct PlanFlags {
    /// Save the plan to this file for `apply`. The file contains no values, only keyed hashes of them.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub save: Option<PathBuf>,
    /// The charts, values and options of the upgrade.
    #[command(flatten)]
    pub upgrade: UpgradeFlags,
}

/// The flags of `images`.
#[derive(Debug, Args)]
pub struct ImagesFlags {
    /// The charts, values and options of the upgrade.
    #[command(flatten)]
    pub upgrade: UpgradeFlags,
}

/// The flags of `apply`.
#[derive(Debug, Args)]
pub struct ApplyFlags {
    /// File that `plan --save` wrote.
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
    /// The value flags of the plan. Other values are refused with exit code 5.
    #[command(flatten)]
    pub values: ReleaseValueFlags,
    /// Access to the cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// Access to the registry.
    #[command(flatten)]
    pub registry: RegistryFlags,
    /// The backup before the first write.
    #[command(flatten)]
    pub backup: BackupFlags,
    /// The registry and the content bundle of an appliance.
    #[command(flatten)]
    pub appliance: ApplianceFlags,
    /// Confirmation, time limits and output.
    #[command(flatten)]
    pub run_flags: RunFlags,
}

/// The charts, values and options of an upgrade.
#[derive(Debug, Args)]
pub struct UpgradeFlags {
    /// Target version of the application chart.
    #[arg(long, value_name = "VERSION", help_heading = "Charts")]
    pub to: Option<ChartVersion>,
    /// Target version of the CRD chart.
    #[arg(long, value_name = "VERSION", help_heading = "Charts")]
    pub crds: Option<ChartVersion>,
    /// Application chart: oci://…, oci://…@sha256:…, a chart folder or a .tgz file.
    #[arg(long, value_name = "REF", default_value = DEFAULT_APP_CHART, help_heading = "Charts")]
    pub chart: String,
    /// CRD chart: the same forms as --chart.
    #[arg(long, value_name = "REF", default_value = DEFAULT_CRDS_CHART, help_heading = "Charts")]
    pub crds_chart: String,
    /// Allow a chart version that is older than the installed one.
    #[arg(long, help_heading = "Allowed changes")]
    pub allow_downgrade: bool,
    /// Allow the downgrade of CRDs of other projects (Flux, Open Cluster Management).
    #[arg(long, help_heading = "Allowed changes")]
    pub allow_foreign_downgrade: bool,
    /// Allow a release to change to a chart with another name.
    #[arg(long, help_heading = "Allowed changes")]
    pub allow_chart_change: bool,
    /// Allow helm to delete PersistentVolumeClaims, namespaces, custom resources or the last workload, if the new manifest no longer
    /// contains them.
    #[arg(long, help_heading = "Allowed changes")]
    pub allow_removals: bool,
    /// Allow CRDs whose conversion webhook has a new URL, which only the API server can try.
    #[arg(long, help_heading = "Allowed changes")]
    pub allow_untried_conversion: bool,
    /// Annotate CRDs that helm would delete with helm.sh/resource-policy=keep before the first helm write.
    #[arg(long, help_heading = "Allowed changes")]
    pub keep_crds: bool,
    /// Migrate stored objects out of a version that a chart drops, before its CRD is applied. A later rollback is then partial.
    #[arg(long, help_heading = "Allowed changes")]
    pub migrate: bool,
    /// Allow stored objects to lose fields for good. The plan names the fields and the number of objects.
    #[arg(long, help_heading = "Allowed changes")]
    pub allow_field_loss: bool,
    /// Do not show differences at this path of an object, for example spec.replicas; `*` stands for any text; repeatable.
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    pub ignore: Vec<String>,
    /// The values of the application.
    #[command(flatten)]
    pub values: ReleaseValueFlags,
    /// Options for Flux, Git, Argo CD and appliances.
    #[command(flatten)]
    pub owners: OwnerFlags,
    /// The required signatures of the charts.
    #[command(flatten)]
    pub signature: SignatureFlags,
    /// The installation and its cluster.
    #[command(flatten)]
    pub installation: InstallationFlags,
    /// Access to the registry.
    #[command(flatten)]
    pub registry: RegistryFlags,
    /// Options that helm gets unchanged.
    #[command(flatten)]
    pub helm: HelmFlags,
    /// The backup before the first write.
    #[command(flatten)]
    pub backup: BackupFlags,
    /// Confirmation, time limits and output.
    #[command(flatten)]
    pub run_flags: RunFlags,
}

/// The installation and its cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "Installation")]
pub struct InstallationFlags {
    /// Namespace of the installation.
    #[arg(short = 'n', long, default_value = DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// Name of the application's release and HelmRelease.
    #[arg(long, default_value = DEFAULT_APP_RELEASE)]
    pub release: String,
    /// Name of the CRD chart's release and HelmRelease.
    #[arg(long, default_value = DEFAULT_CRDS_RELEASE)]
    pub crds_release: String,
    /// Refuse unless the releases have this owner.
    #[arg(long, value_enum, default_value = "auto")]
    pub mode: ModeFlag,
    /// Access to the cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

/// The values of `--mode`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ModeFlag {
    /// Accept every owner.
    Auto,
    /// Refuse unless helm owns the releases.
    Helm,
    /// Refuse unless Flux owns the releases.
    Flux,
    /// Refuse unless an appliance owns the releases.
    Appliance,
}

impl Cli {
    /// The style flags of the sub-command.
    #[must_use]
    pub fn style(&self) -> StyleFlags {
        match &self.command {
            Some(Command::Status(flags)) => flags.style,
            _ => self.run_flags().style,
        }
    }

    /// The run flags of the sub-command; `status` has none, and gets the defaults.
    #[must_use]
    pub fn run_flags(&self) -> &RunFlags {
        match &self.command {
            Some(Command::Plan(flags)) => &flags.upgrade.run_flags,
            Some(Command::Images(flags)) => &flags.upgrade.run_flags,
            Some(Command::Job(flags)) => &flags.upgrade.run_flags,
            Some(Command::Apply(flags)) => &flags.run_flags,
            Some(Command::FluxManifests(flags)) => &flags.upgrade.run_flags,
            Some(Command::Resume(flags)) => &flags.run_flags,
            Some(Command::Rollback(flags)) => &flags.run_flags,
            Some(Command::Repair(flags)) => &flags.run_flags,
            Some(Command::Status(_)) | None => &self.upgrade.run_flags,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ask::{ServerSide, StoredValues};

    use super::*;
    use crate::problem::Exit;

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn flags_become_an_ask() {
        let line =
            ["x", "--to", "1.1.0-rc.3", "--crds", "0.7.4", "-f", "v.yaml", "--set", "a=canary", "--reuse-values"];
        let ask = Cli::try_parse_from(line).unwrap().upgrade.to_ask().unwrap();
        assert_eq!(ask.app.version.as_ref().map(ToString::to_string).as_deref(), Some("1.1.0-rc.3"));
        assert_eq!((ask.values.flags.len(), ask.values.stored), (2, StoredValues::Reuse));
        assert!(!format!("{ask:?}").contains("canary"));
    }

    #[test]
    fn helms_own_flags_go_to_helm() {
        let line = ["x", "--post-renderer", "./fix", "--post-renderer-args", "-v", "--server-side=true"];
        let ask = Cli::try_parse_from(line).unwrap().upgrade.to_ask().unwrap();
        assert_eq!(ask.helm_options.server_side, Some(ServerSide::True));
        assert_eq!(ask.helm_options.to_post_renderer_args(), ["--post-renderer", "./fix", "--post-renderer-args=-v"]);
        assert!(Cli::try_parse_from(["x", "--post-renderer-args", "a"]).is_err());
    }

    #[test]
    fn names_that_begin_with_a_dash_are_refused() {
        assert!(Cli::try_parse_from(["x", "--release", "-x"]).is_err());
        let smuggled = Cli::try_parse_from(["x", "--release=-x"]).unwrap();
        assert_eq!(smuggled.upgrade.to_ask().unwrap_err().exit, Exit::Usage);
    }
}
