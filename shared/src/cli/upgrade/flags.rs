//! The command line. Flags are kubectl's and helm's own wherever they have one.

mod flag_conversions;
mod owner_flags;
mod subcommands;

use std::path::PathBuf;

use crate::cli::confirmation::{DryRunFlag, WriteMode};
use crate::cli::report_format::{ReportFile, ReportFormat};
use crate::cli::run_limits::RunLimits;
use crate::cli::{ClusterFlags, OutputFormat, StyleFlags, complete};
use crate::problem::{Exit, Problem};
use clap::{Args, Parser, Subcommand, ValueEnum};
use semver::Version;

pub use owner_flags::{ApplianceFlags, FluxManifestsFlags, OwnerFlags, SignatureFlags};
pub use subcommands::{BackupFlags, JournalLocationFlags, RepairFlags, ResumeFlags, RollbackFlags, StatusFlags};

/// The forms of a file that keeps the report.
const REPORT_FORMATS: [ReportFormat; 3] = [ReportFormat::Json, ReportFormat::Yaml, ReportFormat::Markdown];

const EXAMPLES: &str = "Examples:
  # look, plan, show, ask, do, prove
  kubectl mural upgrade --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml

  # decide only; exit code 2 says that there are changes
  kubectl mural upgrade plan --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml -o json

  # agree to a plan now, and do exactly that later
  kubectl mural upgrade plan --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml --save plan.json
  kubectl mural upgrade apply plan.json -f values.yaml

  # go on where a run was cut off, also from another workstation; or go back
  kubectl mural upgrade resume -f values.yaml
  kubectl mural upgrade rollback

  # charts from files, for an air gap
  kubectl mural upgrade --chart ./mural-1.1.0-rc.3.tgz --crds-chart ./mural-crds-0.7.4.tgz -f values.yaml";

/// Plan, guard, perform and prove an upgrade of PaletteAI: its CRDs first, then the application.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-mural-upgrade",
    bin_name = "kubectl mural upgrade",
    version,
    args_conflicts_with_subcommands = true
)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\nExit codes:\n{}", Exit::table()))]
pub struct Cli {
    /// What to do; without one: everything, to the end.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The upgrade.
    #[command(flatten)]
    pub upgrade: UpgradeFlags,
}

/// What can be done besides a whole upgrade.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Decide only: show what would be done. Exit code 2 where there are changes.
    Plan(Box<PlanFlags>),
    /// Do exactly what a saved plan says; refuse where the world has moved since.
    Apply(Box<ApplyFlags>),
    /// Write the four manifests of the Flux path, in which Flux itself keeps the order; or apply them, guarded and proved.
    FluxManifests(Box<FluxManifestsFlags>),
    /// Say who is upgrading, at which step, since when; what the releases are, and which runs there were.
    Status(Box<StatusFlags>),
    /// Go on where a run was cut off, failed or was stopped: what is proved done is not done again.
    Resume(Box<ResumeFlags>),
    /// Say what can go back to what was before the last run, and what cannot and why; then ask, and do it.
    Rollback(Box<RollbackFlags>),
    /// Name what was left behind (a pending release, a mark, a damaged journal), show what mends it, ask, and mend it.
    Repair(Box<RepairFlags>),
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanFlags {
    /// Keep the plan in this file, for apply. Values are not in it.
    #[arg(long, value_name = "FILE", help_heading = "What")]
    pub save: Option<PathBuf>,
    /// The upgrade.
    #[command(flatten)]
    pub upgrade: UpgradeFlags,
}

/// `apply`
#[derive(Debug, Args)]
pub struct ApplyFlags {
    /// The file that plan --save made.
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
    /// The same values that the plan was given.
    #[command(flatten)]
    pub values: ValueFlags,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// The registry.
    #[command(flatten)]
    pub registry: RegistryFlags,
    /// What is saved.
    #[command(flatten)]
    pub backup: BackupFlags,
    /// The appliance.
    #[command(flatten)]
    pub appliance: ApplianceFlags,
    /// The manner.
    #[command(flatten)]
    pub run_flags: RunFlags,
}

/// Everything that names an upgrade.
#[derive(Debug, Args)]
pub struct UpgradeFlags {
    /// Version of the application's chart.
    #[arg(long, value_name = "VERSION", help_heading = "What")]
    pub to: Option<Version>,
    /// Version of the CRD chart.
    #[arg(long, value_name = "VERSION", help_heading = "What")]
    pub crds: Option<Version>,
    /// The application's chart: oci://…, oci://…@sha256:…, a folder, a .tgz.
    #[arg(long, value_name = "REF", default_value = "oci://public.ecr.aws/mural/mural", help_heading = "What")]
    pub chart: String,
    /// The CRD chart.
    #[arg(long, value_name = "REF", default_value = "oci://public.ecr.aws/mural/mural-crds", help_heading = "What")]
    pub crds_chart: String,
    /// Allow a chart to go back to an older version.
    #[arg(long, help_heading = "What")]
    pub allow_downgrade: bool,
    /// Allow CRDs of other projects (Flux, Open Cluster Management) to go back to an older state.
    #[arg(long, help_heading = "What")]
    pub allow_foreign_downgrade: bool,
    /// Allow a release to be upgraded to a chart with another name.
    #[arg(long, help_heading = "What")]
    pub allow_chart_change: bool,
    /// Allow helm to delete claims, namespaces, custom resources or all workloads that leave a release.
    #[arg(long, help_heading = "What")]
    pub allow_removals: bool,
    /// Annotate CRDs that helm would delete helm.sh/resource-policy=keep, before helm writes anything.
    #[arg(long, help_heading = "What")]
    pub keep_crds: bool,
    /// Move stored objects out of a version that a chart drops, before its CRD is applied; going back is partial from then on.
    #[arg(long, help_heading = "What")]
    pub migrate: bool,
    /// The values.
    #[command(flatten)]
    pub values: ValueFlags,
    /// Other owners.
    #[command(flatten)]
    pub owners: OwnerFlags,
    /// Signatures.
    #[command(flatten)]
    pub signature: SignatureFlags,
    /// The place.
    #[command(flatten)]
    pub installation: InstallationFlags,
    /// The registry.
    #[command(flatten)]
    pub registry: RegistryFlags,
    /// helm.
    #[command(flatten)]
    pub helm: HelmFlags,
    /// What is saved.
    #[command(flatten)]
    pub backup: BackupFlags,
    /// The manner.
    #[command(flatten)]
    pub run_flags: RunFlags,
}

/// The application's values, exactly as helm reads them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Values, as helm reads them")]
pub struct ValueFlags {
    /// A file of values; may be given several times.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub values: Vec<PathBuf>,
    /// A value: key=value,…
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A value that is always text.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set_string: Vec<String>,
    /// A value as JSON.
    #[arg(long, value_name = "KEY=JSON")]
    pub set_json: Vec<String>,
    /// A value from a file.
    #[arg(long, value_name = "KEY=FILE")]
    pub set_file: Vec<String>,
    /// Keep the release's values and lay the given ones over them.
    #[arg(long, conflicts_with_all = ["reset_values", "reset_then_reuse_values"])]
    pub reuse_values: bool,
    /// Forget the release's values.
    #[arg(long, conflicts_with = "reset_then_reuse_values")]
    pub reset_values: bool,
    /// Take the new chart's defaults, then the release's values, then the given ones.
    #[arg(long)]
    pub reset_then_reuse_values: bool,
}

/// Which installation, on which cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
pub struct InstallationFlags {
    /// The installation's namespace.
    #[arg(short = 'n', long, default_value = "mural-system")]
    pub namespace: String,
    /// The application's release.
    #[arg(long, default_value = "mural")]
    pub release: String,
    /// The CRD chart's release.
    #[arg(long, default_value = "mural-crds")]
    pub crds_release: String,
    /// Insist on an owner; another one found is refused.
    #[arg(long, value_enum, default_value = "auto")]
    pub mode: ModeFlag,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

/// How the registry is reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry, as helm reaches it")]
pub struct RegistryFlags {
    /// Speak plain http.
    #[arg(long)]
    pub plain_http: bool,
    /// Trust this certificate authority.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// helm's registry configuration file.
    #[arg(long, value_name = "FILE", env = "HELM_REGISTRY_CONFIG")]
    pub registry_config: Option<PathBuf>,
    /// Do not look from here whether the new chart's images are there.
    #[arg(long, env = "MURAL_SKIP_IMAGES", value_parser = clap::builder::BoolishValueParser::new())]
    pub skip_images: bool,
}

/// What goes to helm as it is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Passed on to helm")]
pub struct HelmFlags {
    /// Let helm take over objects that are there already and belong to no release.
    #[arg(long)]
    pub take_ownership: bool,
    /// What changes the application's manifest before helm writes it: a program for helm 3, a plugin's name for helm 4.
    #[arg(long, value_name = "PROGRAM")]
    pub post_renderer: Option<String>,
    /// An argument of the post-renderer; may be given several times.
    #[arg(long, value_name = "ARGUMENT", requires = "post_renderer", allow_hyphen_values = true)]
    pub post_renderer_args: Vec<String>,
    /// Run no hooks.
    #[arg(long)]
    pub no_hooks: bool,
    /// How many revisions are kept of each release; 0 keeps all.
    #[arg(long, value_name = "COUNT")]
    pub history_max: Option<u32>,
    /// Whether the API server merges what helm writes (helm 4).
    #[arg(long, value_enum, value_name = "WHETHER")]
    pub server_side: Option<ServerSideFlag>,
    /// Take over fields that another manager has set (helm 4).
    #[arg(long)]
    pub force_conflicts: bool,
}

/// `--server-side`
#[derive(Debug, Clone, Copy, ValueEnum)]
#[expect(missing_docs, reason = "the names are the values")]
pub enum ServerSideFlag {
    Auto,
    True,
    False,
}

/// How it is done and told.
#[derive(Debug, Args)]
#[command(next_help_heading = "How")]
pub struct RunFlags {
    /// Do not ask.
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Write nothing: client asks the server for no dry-runs, server does.
    #[arg(long, value_enum, value_name = "WHERE")]
    pub dry_run: Option<DryRunFlag>,
    /// The longest that one wait may last.
    #[arg(long, value_name = "DURATION", default_value = "20m")]
    pub timeout: String,
    /// How long a reason that does not pass by itself may last before the wait ends.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub failure_grace: String,
    /// How long to wait where somebody else is upgrading; without it, say who and end.
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub wait_for_lock: String,
    /// The answer's form.
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    pub output: OutputFormat,
    /// What goes on, on standard error: lines for a person, or one JSON document a line.
    #[arg(long, value_enum, default_value = "human")]
    pub events: EventsFlag,
    /// Keep the report in this file: .json, .yaml or .md.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Findings about CRDs that somebody answers for; .mural-waivers.yaml where there is one.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub waivers: Option<PathBuf>,
    /// Explain a guard and end.
    #[arg(long, value_name = "ID", add = complete::check_candidates())]
    pub explain: Option<String>,
    /// How text looks.
    #[command(flatten)]
    pub style: StyleFlags,
}

/// `--mode`
#[derive(Debug, Clone, Copy, ValueEnum)]
#[expect(missing_docs, reason = "the names are the values")]
pub enum ModeFlag {
    Auto,
    Helm,
    Flux,
    Appliance,
}

/// `--events`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are the values")]
pub enum EventsFlag {
    Human,
    Json,
}

impl RunFlags {
    /// The file that keeps the report, where one is named.
    ///
    /// # Errors
    /// A usage problem: its ending tells no form, or it cannot be written.
    pub fn to_report_file(&self) -> Result<Option<ReportFile>, Problem> {
        ReportFile::from_flag(self.report.as_deref(), &REPORT_FORMATS)
    }

    /// How long the run waits, and for what.
    ///
    /// # Errors
    /// A usage problem that names the flag with no duration.
    pub fn to_limits(&self) -> Result<RunLimits, Problem> {
        RunLimits::parse(&self.timeout, &self.failure_grace, &self.wait_for_lock)
    }

    /// Whether the run writes, and whether it asks first.
    #[must_use]
    pub const fn to_write_mode(&self) -> WriteMode {
        WriteMode::new(self.dry_run, self.yes)
    }
}

impl Cli {
    /// How text looks.
    #[must_use]
    pub fn style(&self) -> StyleFlags {
        match &self.command {
            Some(Command::Status(flags)) => flags.style,
            _ => self.run_flags().style,
        }
    }

    /// How it is done and told, where it is about an upgrade.
    #[must_use]
    pub fn run_flags(&self) -> &RunFlags {
        match &self.command {
            Some(Command::Plan(flags)) => &flags.upgrade.run_flags,
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
