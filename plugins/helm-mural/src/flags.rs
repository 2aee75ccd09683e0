//! The command line of `helm mural`.
//!
//! helm takes its own global flags (`--namespace`, `--kube-context`, `--kubeconfig`, `--registry-config`, …) off the line
//! before it calls a plugin and hands them over as environment: so they are no flags here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use mural::cli::{LookFlags, Output};
use mural::problem::Exit;
use semver::Version;

/// Everything about the CRDs of a chart: show, compare.
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

const EXAMPLES: &str = "Examples:
  helm mural crds                                         what is on the cluster
  helm mural crds list oci://public.ecr.aws/mural/mural-crds --version 0.7.4
  helm mural crds diff ./mural-crds-0.7.4.tgz             a chart against the cluster";

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
    pub output: Output,
    /// How text looks.
    #[command(flatten)]
    pub look: LookFlags,
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
