//! The command line of `helm mural`.
//!
//! helm removes its own global flags (`--namespace`, `--kube-context`, `--kubeconfig`, `--registry-config`, …) from the
//! command line before it calls a plugin. It passes them as environment variables (`HELM_NAMESPACE`, `HELM_KUBECONTEXT`, …), which
//! `helm_env` reads. The same flags, as kubectl names them, are for `kubectl mural crds`.

mod cluster_flags;
mod fit_flags;

use std::path::PathBuf;

use crate::cli::build_version::version_text;
use crate::cli::confirmation::{DryRunFlag, WriteMode};
use crate::cli::report_format::ReportFormat;
use crate::cli::value_flags::ValueFlags;
use crate::cli::{OutputFormat, StyleFlags};
use crate::model::chart_version::ChartVersion;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use cluster_flags::CrdsClusterFlags;
pub use fit_flags::{FitFlags, FitFormat};

/// Show, compare, check, apply, migrate, back up and restore the CRDs of a chart.
#[derive(Debug, Parser)]
#[command(name = "helm-mural", bin_name = "helm mural", version = version_text())]
pub struct Cli {
    /// The sub-command.
    #[command(subcommand)]
    pub command: Command,
}

/// The sub-commands of `helm mural`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the CRDs on the cluster, or compare, check and apply the CRDs of a chart.
    ///
    /// With helm, the cluster and the namespace are those of helm: --kube-context, --kubeconfig, --namespace.
    Crds(CrdsCli),
}

impl Cli {
    /// The style flags of the sub-command.
    #[must_use]
    pub fn style(&self) -> StyleFlags {
        let Command::Crds(crds) = &self.command;
        match &crds.command {
            None => crds.output.style,
            Some(CrdsCommand::List { output, .. } | CrdsCommand::Diff { output, .. }) => output.style,
            Some(CrdsCommand::Check(flags)) => flags.style,
            Some(CrdsCommand::Fit(flags)) => flags.style,
            Some(CrdsCommand::Apply(flags)) => flags.output.style,
            Some(CrdsCommand::Migrate(flags)) => flags.output.style,
            Some(CrdsCommand::Save(flags)) => flags.output.style,
            Some(CrdsCommand::Restore(flags)) => flags.output.style,
        }
    }
}

/// The flags of `helm mural crds`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CrdsCli {
    /// The sub-command; without one, the list of the CRDs on the cluster.
    #[command(subcommand)]
    pub command: Option<CrdsCommand>,
    /// Include all CRDs of the cluster, not only those of PaletteAI.
    #[arg(short = 'a', long)]
    pub all: bool,
    /// Release of the CRD chart. The drift column compares the cluster with this release.
    #[arg(long, value_name = "NAME", default_value = "mural-crds")]
    pub crds_release: String,
    /// Access to the cluster.
    #[command(flatten)]
    pub cluster: CrdsClusterFlags,
    /// Format and style of the output.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// The sub-commands of `helm mural crds`.
#[derive(Debug, Subcommand)]
pub enum CrdsCommand {
    /// List the CRDs in a chart.
    List {
        /// The chart.
        #[command(flatten)]
        chart: ChartFlags,
        /// Format and style of the output.
        #[command(flatten)]
        output: OutputFlags,
    },
    /// Compare a chart with the cluster. Show what a server-side apply would change.
    Diff {
        /// The chart.
        #[command(flatten)]
        chart: ChartFlags,
        /// Release of the CRD chart. The chart gets the values that this release stores, then those of the flags.
        #[arg(long, value_name = "NAME", default_value = "mural-crds")]
        crds_release: String,
        /// Exit with code 2 if there are changes.
        #[arg(long)]
        exit_code: bool,
        /// Format and style of the output.
        #[command(flatten)]
        output: OutputFlags,
    },
    /// Check the CRDs of a new chart against an old chart, or against the cluster and its live custom resources.
    Check(CheckFlags),
    /// Check whether every manifest of a folder fits the CRDs of a chart, as the API server would judge it. Needs no cluster.
    Fit(FitFlags),
    /// Apply the CRDs that differ, with the guards, and verify them. Write no release.
    Apply(ApplyFlags),
    /// Migrate stored objects to the storage version, verify the result, and trim storedVersions.
    Migrate(MigrateFlags),
    /// Back up CRDs and their custom resources in a folder, one manifest per file.
    Save(BackupCrdsFlags),
    /// Restore a backup of `save`: first the CRDs, then the custom resources. Delete nothing.
    Restore(RestoreFlags),
}

/// The output formats of a CRD check.
const CHECK_FORMATS: [ReportFormat; 7] = [
    ReportFormat::Table,
    ReportFormat::Wide,
    ReportFormat::Json,
    ReportFormat::Yaml,
    ReportFormat::Markdown,
    ReportFormat::Sarif,
    ReportFormat::Junit,
];

/// The flags of `helm mural crds check`.
#[derive(Debug, Args)]
#[command(override_usage = "helm mural crds check [OPTIONS] NEW\n       helm mural crds check [OPTIONS] OLD NEW")]
pub struct CheckFlags {
    /// Old CRDs, to compare with NEW: a CRD file, a folder of CRDs, a chart (folder, .tgz, oci://…) or `cluster`.
    #[arg(value_name = "OLD", required_unless_present = "explain")]
    pub left: Option<String>,
    /// New CRDs, in the same forms. If it is the only argument, it is checked against the cluster.
    #[arg(value_name = "NEW")]
    pub right: Option<String>,
    /// Version of the old chart, if it is in a registry.
    #[arg(long, value_name = "VERSION")]
    pub old_version: Option<ChartVersion>,
    /// Version of the new chart, if it is in a registry.
    #[arg(long, value_name = "VERSION")]
    pub version: Option<ChartVersion>,
    /// Values of both charts.
    #[command(flatten)]
    pub values: ValueFlags,
    /// Release of the CRD chart. Against the cluster, the chart gets the values that this release stores, then those of the flags.
    #[arg(long, value_name = "NAME", default_value = "mural-crds")]
    pub crds_release: String,
    /// File or folder of custom resources to check; repeatable. If a side is the cluster, in addition to the live objects.
    #[arg(long, value_name = "PATH")]
    pub objects: Vec<PathBuf>,
    /// API server version whose rules apply, for example 1.35. Default: the cluster's version, else the newest known version.
    #[arg(long, value_name = "VERSION")]
    pub server_version: Option<String>,
    /// status.storedVersions of an old CRD from a file, for example NAME=v1,v1beta1; repeatable.
    #[arg(long, value_name = "NAME=VERSIONS")]
    pub stored_versions: Vec<String>,
    /// File with accepted (waived) findings. Default: .mural-waivers.yaml if it exists.
    #[arg(long, value_name = "FILE")]
    pub waivers: Option<PathBuf>,
    /// Exit with code 4 if there are warnings only.
    #[arg(long)]
    pub strict: bool,
    /// Include changes that break nothing.
    #[arg(long)]
    pub all: bool,
    /// Explain a check and the source of its rule, and exit; `all` lists the checks. Needs no cluster.
    #[arg(long, value_name = "CHECK", conflicts_with_all = ["left", "right"])]
    pub explain: Option<String>,
    /// Use HTTP instead of HTTPS for the registry.
    #[arg(long)]
    pub plain_http: bool,
    /// CA certificate that verifies the registry.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Output format.
    #[arg(short = 'o', long, value_parser = ReportFormat::parser(&CHECK_FORMATS), default_value = "table", value_name = "FORMAT")]
    pub output: ReportFormat,
    /// Colour and marks.
    #[command(flatten)]
    pub style: StyleFlags,
}

/// The CRDs of the cluster that a command covers.
#[derive(Debug, Clone, Args)]
pub struct SelectFlags {
    /// Names of CRDs, for example hubs.fleetconfig.open-cluster-management.io. Default: the CRDs of PaletteAI.
    #[arg(value_name = "CRD")]
    pub crds: Vec<String>,
    /// Include all CRDs of the cluster, not only those of PaletteAI.
    #[arg(short = 'a', long, conflicts_with = "crds")]
    pub all: bool,
}

/// Confirmation and dry run.
#[derive(Debug, Clone, Args)]
pub struct WriteFlags {
    /// Skip the confirmation.
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Write nothing.
    #[arg(long, value_enum, value_name = "MODE")]
    pub dry_run: Option<DryRunFlag>,
}

impl WriteFlags {
    /// Combines `--dry-run` and `--yes`.
    #[must_use]
    pub const fn to_write_mode(&self) -> WriteMode {
        WriteMode::new(self.dry_run, self.yes)
    }
}

/// The flags of `helm mural crds apply`.
#[derive(Debug, Args)]
pub struct ApplyFlags {
    /// The chart.
    #[command(flatten)]
    pub chart: ChartFlags,
    /// Migrate stored objects out of a version that the chart drops, before its CRD is applied. A later rollback is then partial.
    #[arg(long)]
    pub migrate: bool,
    /// Allow stored objects to lose fields for good. The plan names the fields and the number of objects.
    #[arg(long)]
    pub allow_field_loss: bool,
    /// Allow a chart version that is older than the installed one.
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Allow the downgrade of CRDs of other projects (Flux, Open Cluster Management).
    #[arg(long)]
    pub allow_foreign_downgrade: bool,
    /// Allow CRDs whose conversion webhook has a new URL, which only the API server can try.
    #[arg(long)]
    pub allow_untried_conversion: bool,
    /// File with accepted (waived) findings. Default: .mural-waivers.yaml if it exists.
    #[arg(long, value_name = "FILE")]
    pub waivers: Option<PathBuf>,
    /// Name of the CRD chart's release.
    #[arg(long, value_name = "NAME", default_value = "mural-crds")]
    pub crds_release: String,
    /// Limit for one wait.
    #[arg(long, value_name = "DURATION", default_value = "20m")]
    pub timeout: String,
    /// Time to wait for a lock that another run holds. With 0s, exit with code 7 at once.
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub wait_for_lock: String,
    /// Confirmation and dry run.
    #[command(flatten)]
    pub write: WriteFlags,
    /// Format and style of the output.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// The flags of `helm mural crds save`.
#[derive(Debug, Args)]
pub struct BackupCrdsFlags {
    /// Folder for the backup: new or empty.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The CRDs to back up.
    #[command(flatten)]
    pub select: SelectFlags,
    /// Format and style of the output.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// The flags of `helm mural crds restore`.
#[derive(Debug, Args)]
pub struct RestoreFlags {
    /// Folder with the backup that `save` wrote.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Replace existing CRDs and objects with the backup. Without it, they stay unchanged.
    #[arg(long)]
    pub overwrite: bool,
    /// Create missing namespaces.
    #[arg(long)]
    pub create_namespace: bool,
    /// Confirmation and dry run.
    #[command(flatten)]
    pub write: WriteFlags,
    /// Format and style of the output.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// The values of `--by`: the client that rewrites the stored objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rewriter {
    /// The cluster if it supports StorageVersionMigration, else this command.
    Auto,
    /// The cluster, with StorageVersionMigration.
    Cluster,
    /// This command, with empty patches.
    #[value(alias = "us")]
    Client,
}

/// The flags of `helm mural crds migrate`.
#[derive(Debug, Args)]
pub struct MigrateFlags {
    /// Names of CRDs to migrate. Default: the CRDs of PaletteAI whose storedVersions contain an old version.
    #[arg(value_name = "CRD")]
    pub crds: Vec<String>,
    /// Include all CRDs whose storedVersions contain an old version, not only those of PaletteAI.
    #[arg(short = 'a', long, conflicts_with = "crds")]
    pub all: bool,
    /// Allow stored objects to lose fields for good. They are backed up first.
    #[arg(long)]
    pub allow_field_loss: bool,
    /// Select the client that rewrites the objects. The result is verified in each case.
    #[arg(long, value_enum, default_value = "auto")]
    pub by: Rewriter,
    /// Time limit for the cluster's controller to start a StorageVersionMigration.
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub acts_within: String,
    /// Time limit for one StorageVersionMigration of the cluster.
    #[arg(long, value_name = "DURATION", default_value = "20m")]
    pub timeout: String,
    /// Confirmation and dry run.
    #[command(flatten)]
    pub write: WriteFlags,
    /// Format and style of the output.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// A chart reference, as in helm.
#[derive(Debug, Args)]
pub struct ChartFlags {
    /// Chart: oci://…, oci://…@sha256:…, a chart folder or a .tgz file.
    #[arg(value_name = "CHART")]
    pub chart: String,
    /// Version of the chart, if it is in a registry.
    #[arg(long)]
    pub version: Option<ChartVersion>,
    /// Values of the chart.
    #[command(flatten)]
    pub values: ValueFlags,
    /// Use HTTP instead of HTTPS for the registry.
    #[arg(long)]
    pub plain_http: bool,
    /// CA certificate that verifies the registry.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Format and style of the output.
#[derive(Debug, Clone, Args)]
pub struct OutputFlags {
    /// Output format.
    #[arg(short = 'o', long, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: OutputFormat,
    /// Colour and marks.
    #[command(flatten)]
    pub style: StyleFlags,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn every_command_takes_the_cluster_flags() {
        for line in ["x crds list ./c --context prod -n hub", "x crds --context prod -n hub"] {
            let Command::Crds(crds) = Cli::try_parse_from(line.split(' ')).unwrap().command;
            let names = (crds.cluster.context.as_deref(), crds.cluster.namespace.as_deref());
            assert_eq!(names, (Some("prod"), Some("hub")), "{line}");
        }
    }

    #[test]
    fn bare_crds_asks_for_what_is_on_the_cluster() {
        let Command::Crds(crds) = Cli::try_parse_from(["helm-mural", "crds"]).unwrap().command;
        assert!(crds.command.is_none() && !crds.all);
    }
}
