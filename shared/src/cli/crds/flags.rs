//! The command line of `helm mural`.
//!
//! helm takes its own global flags (`--namespace`, `--kube-context`, `--kubeconfig`, `--registry-config`, …) off the line
//! before it calls a plugin and hands them over as environment: so they are no flags here.

use std::path::PathBuf;

use crate::cli::confirmation::{DryRunFlag, WriteMode};
use crate::cli::report_format::ReportFormat;
use crate::cli::{OutputFormat, StyleFlags};
use crate::problem::Exit;
use clap::{Args, Parser, Subcommand, ValueEnum};
use semver::Version;

/// Everything about the CRDs of a chart: show, compare, apply, migrate, save, restore.
#[derive(Debug, Parser)]
#[command(name = "helm-mural", bin_name = "helm mural", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The areas.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// CRDs: what is on the cluster, what a chart holds, what differs.
    #[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\nExit codes:\n{}", Exit::table()))]
    Crds(CrdsCli),
}

impl Cli {
    /// How text looks.
    #[must_use]
    pub fn style(&self) -> StyleFlags {
        let Command::Crds(crds) = &self.command;
        match &crds.command {
            None => crds.output.style,
            Some(CrdsCommand::List { output, .. } | CrdsCommand::Diff { output, .. }) => output.style,
            Some(CrdsCommand::Check(flags)) => flags.style,
            Some(CrdsCommand::Apply(flags)) => flags.output.style,
            Some(CrdsCommand::Migrate(flags)) => flags.output.style,
            Some(CrdsCommand::Save(flags)) => flags.output.style,
            Some(CrdsCommand::Restore(flags)) => flags.output.style,
        }
    }
}

const EXAMPLES: &str = "Examples:
  helm mural crds                                         what is on the cluster
  helm mural crds list oci://public.ecr.aws/mural/mural-crds --version 0.7.4
  helm mural crds diff ./mural-crds-0.7.4.tgz             a chart against the cluster
  helm mural crds check ./mural-crds-0.7.1.tgz ./mural-crds-0.7.4.tgz
  helm mural crds check ./mural-crds-0.7.4.tgz            against the cluster, live objects included
  helm mural crds apply ./mural-crds-0.7.4.tgz            only what differs, guarded and proved
  helm mural crds migrate                                 what is stored in an older version
  helm mural crds save ./before                           the product's CRDs and their objects, as files
  helm mural crds restore ./before                        and back again";

/// `helm mural crds`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CrdsCli {
    /// What to do; without one: what is on the cluster.
    #[command(subcommand)]
    pub command: Option<CrdsCommand>,
    /// Every CRD of the cluster, not only the product's groups.
    #[arg(short = 'a', long)]
    pub all: bool,
    /// The release of the CRD chart: what its record holds is what drift is told against.
    #[arg(long, value_name = "NAME", default_value = "mural-crds")]
    pub crds_release: String,
    /// How it is told.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// What can be done with CRDs.
#[derive(Debug, Subcommand)]
pub enum CrdsCommand {
    /// What a chart holds.
    List {
        /// The chart.
        #[command(flatten)]
        chart: ChartFlags,
        /// How it is told.
        #[command(flatten)]
        output: OutputFlags,
    },
    /// A chart against the cluster: what an apply would change, in the API server's own merge.
    Diff {
        /// The chart.
        #[command(flatten)]
        chart: ChartFlags,
        /// Exit with 2 where there are changes.
        #[arg(long)]
        exit_code: bool,
        /// How it is told.
        #[command(flatten)]
        output: OutputFlags,
    },
    /// What a change of CRDs breaks, for whom, and what to do: chart against chart, or chart against cluster with its live objects.
    Check(CheckFlags),
    /// The guarded apply, alone: only what differs, proved; no release is written.
    Apply(ApplyFlags),
    /// Move stored objects to the storage version, prove it, and trim storedVersions.
    Migrate(MigrateFlags),
    /// CRDs and their objects into a folder, one clean manifest a file.
    Save(BackupCrdsFlags),
    /// What `save` wrote back into a cluster: CRDs first, then objects. Nothing is ever deleted.
    Restore(RestoreFlags),
}

/// The forms of a CRD check.
const CHECK_FORMATS: [ReportFormat; 7] = [
    ReportFormat::Table,
    ReportFormat::Wide,
    ReportFormat::Json,
    ReportFormat::Yaml,
    ReportFormat::Markdown,
    ReportFormat::Sarif,
    ReportFormat::Junit,
];

/// `helm mural crds check`
#[derive(Debug, Args)]
pub struct CheckFlags {
    /// OLD and NEW, or NEW alone against the cluster: a CRD file, a folder of CRDs, a chart (folder, .tgz, oci://…), or `cluster`.
    #[arg(value_name = "OLD", required_unless_present = "explain")]
    pub left: Option<String>,
    /// What comes; without it OLD is what comes, and the cluster is what is there.
    #[arg(value_name = "NEW")]
    pub right: Option<String>,
    /// Version of the old chart, where it is in a registry.
    #[arg(long, value_name = "VERSION")]
    pub old_version: Option<Version>,
    /// Version of the new chart, where it is in a registry.
    #[arg(long, value_name = "VERSION")]
    pub version: Option<Version>,
    /// Custom resources from files, besides or instead of the live ones.
    #[arg(long, value_name = "PATH")]
    pub objects: Vec<PathBuf>,
    /// Which API server decides, like 1.35; default: the cluster's, else the newest known.
    #[arg(long, value_name = "VERSION")]
    pub server_version: Option<String>,
    /// What the status of an old CRD from a file says: NAME=v1,v1beta1.
    #[arg(long, value_name = "NAME=VERSIONS")]
    pub stored_versions: Vec<String>,
    /// Findings that somebody answers for; default: .mural-waivers.yaml where there is one.
    #[arg(long, value_name = "FILE")]
    pub waivers: Option<PathBuf>,
    /// Warnings count too: exit code 4.
    #[arg(long)]
    pub strict: bool,
    /// Show what hurts nobody, too.
    #[arg(long)]
    pub all: bool,
    /// Say what a check is, why, and where its rule comes from; `all` lists them.
    #[arg(long, value_name = "CHECK", conflicts_with_all = ["left", "right"])]
    pub explain: Option<String>,
    /// Speak plain http with the registry.
    #[arg(long)]
    pub plain_http: bool,
    /// Trust this certificate authority.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The answer's form.
    #[arg(short = 'o', long, value_parser = ReportFormat::parser(&CHECK_FORMATS), default_value = "table")]
    pub output: ReportFormat,
    /// How text looks.
    #[command(flatten)]
    pub style: StyleFlags,
}

/// Which CRDs of the cluster.
#[derive(Debug, Clone, Args)]
pub struct SelectFlags {
    /// Names of CRDs, like hubs.fleetconfig.open-cluster-management.io; without any: the product's.
    #[arg(value_name = "CRD")]
    pub crds: Vec<String>,
    /// Every CRD of the cluster, not only the product's groups.
    #[arg(short = 'a', long, conflicts_with = "crds")]
    pub all: bool,
}

/// Before a write.
#[derive(Debug, Clone, Args)]
pub struct WriteFlags {
    /// Go ahead without asking.
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Say what would be done, and write nothing.
    #[arg(long, value_enum, value_name = "client|server")]
    pub dry_run: Option<DryRunFlag>,
}

impl WriteFlags {
    /// Whether the command writes, and whether it asks first.
    #[must_use]
    pub const fn to_write_mode(&self) -> WriteMode {
        WriteMode::new(self.dry_run, self.yes)
    }
}

/// `helm mural crds apply`
#[derive(Debug, Args)]
pub struct ApplyFlags {
    /// The chart.
    #[command(flatten)]
    pub chart: ChartFlags,
    /// Move stored objects out of a version that the chart drops, before its CRD is applied; going back is partial from then on.
    #[arg(long)]
    pub migrate: bool,
    /// Allow the chart to go back to an older version.
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Allow CRDs of other projects (Flux, Open Cluster Management) to go back to an older state.
    #[arg(long)]
    pub allow_foreign_downgrade: bool,
    /// Findings that somebody answers for; default: .mural-waivers.yaml where there is one.
    #[arg(long, value_name = "FILE")]
    pub waivers: Option<PathBuf>,
    /// The release of the CRD chart.
    #[arg(long, value_name = "NAME", default_value = "mural-crds")]
    pub crds_release: String,
    /// The longest one wait may last.
    #[arg(long, value_name = "DURATION", default_value = "20m")]
    pub timeout: String,
    /// How long to wait for a lock that somebody else holds.
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub wait_for_lock: String,
    /// Before the write.
    #[command(flatten)]
    pub write: WriteFlags,
    /// How it is told.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// `helm mural crds save`
#[derive(Debug, Args)]
pub struct BackupCrdsFlags {
    /// The folder: new or empty.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Which CRDs.
    #[command(flatten)]
    pub select: SelectFlags,
    /// How it is told.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// `helm mural crds restore`
#[derive(Debug, Args)]
pub struct RestoreFlags {
    /// The folder that `save` wrote.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Replace objects and CRDs that are there already by what was saved; without it they stay as they are.
    #[arg(long)]
    pub overwrite: bool,
    /// Make the namespaces that are missing.
    #[arg(long)]
    pub create_namespace: bool,
    /// Before the write.
    #[command(flatten)]
    pub write: WriteFlags,
    /// How it is told.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// Who rewrites objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rewriter {
    /// The cluster where it does, else we.
    Auto,
    /// The cluster's own StorageVersionMigration.
    Cluster,
    /// We, with empty patches through the API.
    Us,
}

/// `helm mural crds migrate`
#[derive(Debug, Args)]
pub struct MigrateFlags {
    /// Names of CRDs, each of which is walked and proved; without any: those of the product that say something is left behind.
    #[arg(value_name = "CRD")]
    pub crds: Vec<String>,
    /// Every CRD of the cluster that says so, not only the product's groups.
    #[arg(short = 'a', long, conflicts_with = "crds")]
    pub all: bool,
    /// Who rewrites the objects. The end is proved alike.
    #[arg(long, value_enum, default_value = "auto")]
    pub by: Rewriter,
    /// How long the cluster's own controller may take to begin.
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub acts_within: String,
    /// The longest that one migration of the cluster's own may take.
    #[arg(long, value_name = "DURATION", default_value = "20m")]
    pub timeout: String,
    /// Before the write.
    #[command(flatten)]
    pub write: WriteFlags,
    /// How it is told.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// A chart, named as helm names it.
#[derive(Debug, Args)]
pub struct ChartFlags {
    /// oci://…, oci://…@sha256:…, a folder, a .tgz.
    #[arg(value_name = "CHART")]
    pub chart: String,
    /// The chart's version.
    #[arg(long)]
    pub version: Option<Version>,
    /// Speak plain http with the registry.
    #[arg(long)]
    pub plain_http: bool,
    /// Trust this certificate authority.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// How the answer is told.
#[derive(Debug, Clone, Args)]
pub struct OutputFlags {
    /// The answer's form.
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    pub output: OutputFormat,
    /// How text looks.
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
    fn bare_crds_asks_for_what_is_on_the_cluster() {
        let Command::Crds(crds) = Cli::try_parse_from(["helm-mural", "crds"]).unwrap().command;
        assert!(crds.command.is_none() && !crds.all);
    }
}
