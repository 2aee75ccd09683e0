//! The command line. Flags are kubectl's and helm's own wherever they have one.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mural::ask::{self, Allowed, Ask, Installation, Mode, RegistryAccess, StoredValues, Target, ValueFlag, Values};
use mural::cli::{ClusterFlags, LookFlags, Output, complete};
use mural::model::chart::ChartRef;
use mural::model::secret::Hidden;
use mural::plan::saved::SavedPlan;
use mural::problem::{Exit, Problem};
use mural::run::manifests;
use semver::Version;

const EXAMPLES: &str = "Examples:
  # look, plan, show, ask, do, prove
  kubectl mural upgrade --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml

  # decide only; exit code 2 says that there are changes
  kubectl mural upgrade plan --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml -o json

  # agree to a plan now, and do exactly that later
  kubectl mural upgrade plan --to 1.1.0-rc.3 --crds 0.7.4 -f values.yaml --save plan.json
  kubectl mural upgrade apply plan.json -f values.yaml

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
    /// The manner.
    #[command(flatten)]
    pub manner: MannerFlags,
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
    /// Annotate CRDs that helm would delete helm.sh/resource-policy=keep, before helm writes anything.
    #[arg(long, help_heading = "What")]
    pub keep_crds: bool,
    /// Move stored objects out of a version that a chart drops, before its CRD is applied; going back is partial from then on.
    #[arg(long, help_heading = "What")]
    pub migrate: bool,
    /// Let helm take over objects that are there already and belong to no release, as helm's own flag does.
    #[arg(long, help_heading = "What")]
    pub take_ownership: bool,
    /// The values.
    #[command(flatten)]
    pub values: ValueFlags,
    /// The place.
    #[command(flatten)]
    pub place: PlaceFlags,
    /// The registry.
    #[command(flatten)]
    pub registry: RegistryFlags,
    /// The manner.
    #[command(flatten)]
    pub manner: MannerFlags,
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
pub struct PlaceFlags {
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
}

/// How it is done and told.
#[derive(Debug, Args)]
#[command(next_help_heading = "How")]
pub struct MannerFlags {
    /// Do not ask.
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Write nothing: client asks the server for no dry-runs, server does.
    #[arg(long, value_enum, value_name = "WHERE")]
    pub dry_run: Option<DryRun>,
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
    pub output: Output,
    /// What goes on, on standard error: lines for a person, or one JSON document a line.
    #[arg(long, value_enum, default_value = "human")]
    pub events: Events,
    /// Keep the report in this file: .json, .yaml or .md.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Findings about CRDs that somebody answers for; .mural-waivers.yaml where there is one.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub waivers: Option<PathBuf>,
    /// Explain a guard and end.
    #[arg(long, value_name = "ID", add = complete::checks())]
    pub explain: Option<String>,
    /// How text looks.
    #[command(flatten)]
    pub look: LookFlags,
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

/// `--dry-run`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are the values")]
pub enum DryRun {
    Client,
    Server,
}

/// `--events`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are the values")]
pub enum Events {
    Human,
    Json,
}

impl Cli {
    /// How it is done and told, whatever is done.
    #[must_use]
    pub fn manner(&self) -> &MannerFlags {
        match &self.command {
            Some(Command::Plan(flags)) => &flags.upgrade.manner,
            Some(Command::Apply(flags)) => &flags.manner,
            None => &self.upgrade.manner,
        }
    }
}

impl UpgradeFlags {
    /// What the user wants, validated.
    ///
    /// # Errors
    /// A usage problem that names the flag.
    pub fn ask(&self) -> Result<Ask, Problem> {
        let place = &self.place;
        let chart = |flag: &str, text: &str| {
            ChartRef::parse(text).map_err(|error| {
                Problem::usage(format!("{flag} {error}"))
                    .hint("give oci://host/path, oci://host/path@sha256:…, a folder, or a .tgz file")
            })
        };
        // helm allows 53 characters for a release, the API server 63 for a namespace.
        let crds_release = ask::name("--crds-release", &place.crds_release, 53)?;
        let app_release = ask::name("--release", &place.release, 53)?;
        let namespace = ask::name("--namespace", &place.namespace, 63)?;
        let installation = Installation {
            namespace,
            crds_release: crds_release.clone(),
            app_release: app_release.clone(),
            cluster: place.cluster.access()?,
        };
        Ok(Ask {
            crds: Target {
                release: crds_release,
                chart: chart("--crds-chart", &self.crds_chart)?,
                version: self.crds.clone(),
            },
            app: Target { release: app_release, chart: chart("--chart", &self.chart)?, version: self.to.clone() },
            installation,
            mode: place.mode(),
            values: self.values.values(),
            registry: self.registry.access(),
            timeout: ask::duration("--timeout", &self.manner.timeout)?,
            allowed: self.allowed(),
            server_dry_runs: self.manner.server_dry_runs(),
            waivers: manifests::waivers(self.manner.waivers.as_deref())?,
        })
    }

    const fn allowed(&self) -> Allowed {
        Allowed {
            downgrade: self.allow_downgrade,
            foreign_downgrade: self.allow_foreign_downgrade,
            keep_crds: self.keep_crds,
            migrate: self.migrate,
            take_ownership: self.take_ownership,
        }
    }
}

impl ApplyFlags {
    /// What a saved plan asked for, with what is given anew.
    ///
    /// # Errors
    /// A usage problem that names the flag.
    pub fn ask(&self, saved: &SavedPlan) -> Result<Ask, Problem> {
        let timeout = ask::duration("--timeout", &self.manner.timeout)?;
        let (cluster, registry) = (self.cluster.access()?, self.registry.access());
        let waivers = manifests::waivers(self.manner.waivers.as_deref())?;
        Ok(saved.ask(cluster, registry, self.values.values(), timeout, self.manner.server_dry_runs(), waivers))
    }
}

impl MannerFlags {
    fn server_dry_runs(&self) -> bool {
        self.dry_run != Some(DryRun::Client)
    }
}

impl PlaceFlags {
    const fn mode(&self) -> Mode {
        match self.mode {
            ModeFlag::Auto => Mode::Auto,
            ModeFlag::Helm => Mode::Helm,
            ModeFlag::Flux => Mode::Flux,
            ModeFlag::Appliance => Mode::Appliance,
        }
    }
}

impl RegistryFlags {
    fn access(&self) -> RegistryAccess {
        RegistryAccess {
            plain_http: self.plain_http,
            ca_file: self.ca_file.clone(),
            config: self.registry_config.clone(),
        }
    }
}

impl ValueFlags {
    fn values(&self) -> Values {
        let hidden = |all: &[String], make: fn(Hidden<String>) -> ValueFlag| -> Vec<ValueFlag> {
            all.iter().map(|text| make(Hidden::new(text.clone()))).collect()
        };
        // helm merges files first, then JSON, --set, --set-string and --set-file, whatever their order on the line.
        let files = self.values.iter().map(|file| ValueFlag::File(file.clone()));
        let flags = files
            .chain(hidden(&self.set_json, ValueFlag::SetJson))
            .chain(hidden(&self.set, ValueFlag::Set))
            .chain(hidden(&self.set_string, ValueFlag::SetString))
            .chain(hidden(&self.set_file, ValueFlag::SetFile))
            .collect();
        let stored = match (self.reuse_values, self.reset_values, self.reset_then_reuse_values) {
            (true, _, _) => StoredValues::Reuse,
            (_, true, _) => StoredValues::Reset,
            (_, _, true) => StoredValues::ResetThenReuse,
            _ => StoredValues::HelmDefault,
        };
        Values { flags, stored }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn flags_become_an_ask() {
        let line =
            ["x", "--to", "1.1.0-rc.3", "--crds", "0.7.4", "-f", "v.yaml", "--set", "a=canary", "--reuse-values"];
        let ask = Cli::try_parse_from(line).unwrap().upgrade.ask().unwrap();
        assert_eq!(ask.app.version.as_ref().map(ToString::to_string).as_deref(), Some("1.1.0-rc.3"));
        assert_eq!((ask.values.flags.len(), ask.values.stored), (2, StoredValues::Reuse));
        assert!(!format!("{ask:?}").contains("canary"));
    }

    #[test]
    fn names_that_begin_with_a_dash_are_refused() {
        assert!(Cli::try_parse_from(["x", "--release", "-x"]).is_err());
        let smuggled = Cli::try_parse_from(["x", "--release=-x"]).unwrap();
        assert_eq!(smuggled.upgrade.ask().unwrap_err().exit, Exit::Usage);
    }
}
