//! The command line. Flags are kubectl's own wherever it has one.

use std::path::PathBuf;
use std::time::Duration;

use crate::ask::expect::Expectations;
use crate::ask::{self, Installation, RegistryAccess};
use crate::cli::report_format::{ReportFile, ReportFormat};
use crate::cli::{ClusterFlags, StyleFlags, complete};
use crate::model::chart::ChartRef;
use crate::problem::{Exit, Problem};
use clap::{Args, Parser, Subcommand};
use semver::Version;

/// The forms of the answer.
const OUTPUT_FORMATS: [ReportFormat; 8] = [
    ReportFormat::Table,
    ReportFormat::Wide,
    ReportFormat::Json,
    ReportFormat::Yaml,
    ReportFormat::Junit,
    ReportFormat::Sarif,
    ReportFormat::Markdown,
    ReportFormat::Html,
];

const EXAMPLES: &str = "Examples:
  # is the installation healthy?
  kubectl mural validate

  # is it the version that was meant? for a pipeline
  kubectl mural validate --expect mural=1.1.0-rc.3 --expect crds=0.7.4 --strict -o junit > validate.xml

  # is what runs what this file and this chart say?
  kubectl mural validate --values values.yaml --crds-chart ./mural-crds-0.7.4.tgz

  # wait until it is healthy, and tell what for
  kubectl mural validate --wait 10m

  # a picture before the night, and what is new after it
  kubectl mural validate --save-baseline before.json
  kubectl mural validate --baseline before.json --report after.html

  # several hubs at once
  kubectl mural validate --contexts hub-a,hub-b

  # what support asks for first
  kubectl mural validate bundle mural.tar.gz

  # only the CRDs, every check shown
  kubectl mural validate --only crds -o wide

  # what does a check mean? needs no cluster
  kubectl mural validate --explain crd-stored-versions";

/// Say whether an installation of PaletteAI is healthy. Reads only; works on an installation that this suite never touched.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-mural-validate",
    bin_name = "kubectl mural validate",
    version,
    args_conflicts_with_subcommands = true
)]
#[command(after_help = format!("{EXAMPLES}\n\nExit codes:\n{}", Exit::table()))]
pub struct Cli {
    /// What to do besides looking.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Which checks.
    #[command(flatten)]
    pub checks: CheckFlags,
    /// Which installation.
    #[command(flatten)]
    pub installation: InstallationFlags,
    /// What it is held against.
    #[command(flatten)]
    pub expectations: ExpectationFlags,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// Which clusters, where it is more than one.
    #[command(flatten)]
    pub clusters: ClustersFlags,
    /// How long.
    #[command(flatten)]
    pub wait: WaitFlags,
    /// The form of the answer.
    #[arg(short, long, value_parser = ReportFormat::parser(&OUTPUT_FORMATS), default_value = "table", value_name = "FORM", help_heading = "Output")]
    pub output: ReportFormat,
    /// Keep the report in this file too: .json, .yaml, .xml (JUnit), .sarif, .md or .html.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// How text looks.
    #[command(flatten)]
    pub style: StyleFlags,
}

/// What can be done besides looking.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put the report, the objects, events, last log lines and versions into one file, secrets masked. Lists them and asks first.
    Bundle(Box<BundleFlags>),
    /// Print the JSON Schema of `-o json`. Needs no cluster.
    Schema,
}

/// `bundle`
#[derive(Debug, Args)]
pub struct BundleFlags {
    /// The file to write.
    #[arg(value_name = "FILE.tar.gz")]
    pub file: PathBuf,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Which installation.
    #[command(flatten)]
    pub installation: InstallationFlags,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// How text looks.
    #[command(flatten)]
    pub style: StyleFlags,
}

/// What the installation is held against.
#[derive(Debug, Args)]
#[command(next_help_heading = "Held against")]
pub struct ExpectationFlags {
    /// A version to find: mural=VERSION or crds=VERSION; may be given several times.
    #[arg(long, value_name = "CHART=VERSION")]
    pub expect: Vec<String>,
    /// A file of values: is what runs what it says? May be given several times, merged as helm does.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub values: Vec<PathBuf>,
    /// The application's chart: oci://…, a folder or a .tgz. From a registry at the expected version, else at the installed one.
    #[arg(long, value_name = "REF")]
    pub chart: Option<String>,
    /// The CRD chart, named as --chart.
    #[arg(long, value_name = "REF")]
    pub crds_chart: Option<String>,
    /// A report kept before: only what is new against it counts.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Keep the report as JSON, for --baseline.
    #[arg(long, value_name = "FILE")]
    pub save_baseline: Option<PathBuf>,
    /// Reach the registry without TLS, as helm does.
    #[arg(long)]
    pub plain_http: bool,
    /// The certificate authority of the registry.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// helm's registry configuration file.
    #[arg(long, value_name = "FILE")]
    pub registry_config: Option<PathBuf>,
}

/// Several clusters in one report.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several clusters")]
pub struct ClustersFlags {
    /// These contexts, with commas or given several times.
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "context", add = complete::context_candidates())]
    pub contexts: Vec<String>,
    /// Every context of the kubeconfig; one without the installation is skipped.
    #[arg(long, conflicts_with_all = ["context", "contexts"])]
    pub all_contexts: bool,
}

/// How long to wait.
#[derive(Debug, Args)]
#[command(next_help_heading = "Waiting")]
pub struct WaitFlags {
    /// Wait until it is healthy, at most so long, like 10m. Ends early where it cannot get better.
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["contexts", "all_contexts"])]
    pub wait: Option<String>,
    /// How long a reason that does not pass by itself may last before the wait ends.
    #[arg(long, value_name = "DURATION", default_value = "60s", requires = "wait")]
    pub failure_grace: String,
}

/// Which checks, and how they are judged.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checks")]
pub struct CheckFlags {
    /// Warnings alone end with exit code 4.
    #[arg(long)]
    pub strict: bool,
    /// Only these checks: ids or sections, with commas or given several times.
    #[arg(long, value_name = "ID|SECTION", value_delimiter = ',', add = complete::check_candidates())]
    pub only: Vec<String>,
    /// All but these checks.
    #[arg(long, value_name = "ID|SECTION", value_delimiter = ',', add = complete::check_candidates())]
    pub skip: Vec<String>,
    /// List every check, and end. Needs no cluster.
    #[arg(long, exclusive = true)]
    pub list_checks: bool,
    /// Explain one check, and end. Needs no cluster.
    #[arg(long, value_name = "ID", conflicts_with = "list_checks", add = complete::check_candidates())]
    pub explain: Option<String>,
    /// Print the JSON Schema of `-o json`, and end. Needs no cluster.
    #[arg(long, exclusive = true)]
    pub print_schema: bool,
}

/// Which installation.
#[derive(Debug, Args)]
#[command(next_help_heading = "Installation")]
pub struct InstallationFlags {
    /// The namespace of both releases.
    #[arg(short, long, default_value = "mural-system", value_name = "NAME")]
    pub namespace: String,
    /// The release of the application.
    #[arg(long, default_value = "mural", value_name = "NAME")]
    pub release: String,
    /// The release of the CRD chart.
    #[arg(long, default_value = "mural-crds", value_name = "NAME")]
    pub crds_release: String,
}

impl Cli {
    /// The file that keeps the report, where one is named.
    ///
    /// # Errors
    /// A usage problem: its ending tells no form, or it cannot be written.
    pub fn to_report_file(&self) -> Result<Option<ReportFile>, Problem> {
        ReportFile::from_flag(self.report.as_deref(), &OUTPUT_FORMATS)
    }
}

/// helm's own limit on a release's name; a namespace is a DNS label.
const MAX_RELEASE_NAME_LENGTH: usize = 53;
const MAX_NAMESPACE_LENGTH: usize = 63;

impl InstallationFlags {
    /// Which installation, validated.
    ///
    /// # Errors
    /// A name or a duration is none.
    pub fn to_installation(&self, cluster: &ClusterFlags) -> Result<Installation, Problem> {
        Ok(Installation {
            namespace: ask::parse_name("--namespace", &self.namespace, MAX_NAMESPACE_LENGTH)?,
            crds_release: ask::parse_name("--crds-release", &self.crds_release, MAX_RELEASE_NAME_LENGTH)?,
            app_release: ask::parse_name("--release", &self.release, MAX_RELEASE_NAME_LENGTH)?,
            cluster: cluster.to_access()?,
        })
    }
}

impl WaitFlags {
    /// How long to wait, and how long a reason that does not pass may last.
    ///
    /// # Errors
    /// One of them is no duration.
    pub fn to_limits(&self) -> Result<Option<(Duration, Duration)>, Problem> {
        let Some(wait) = &self.wait else { return Ok(None) };
        let grace = ask::parse_duration("--failure-grace", &self.failure_grace)?;
        Ok(Some((ask::parse_duration("--wait", wait)?, grace)))
    }
}

impl ExpectationFlags {
    /// The charts that are named.
    ///
    /// # Errors
    /// One of them is no chart reference.
    pub fn parse_charts(&self) -> Result<[Option<ChartRef>; 2], Problem> {
        let read = |text: &Option<String>| {
            let parsed = text.as_deref().map(ChartRef::parse);
            parsed.transpose().map_err(|error| Problem::usage(error.to_string()))
        };
        Ok([read(&self.crds_chart)?, read(&self.chart)?])
    }

    /// How the registry is reached.
    #[must_use]
    pub fn to_registry_access(&self) -> RegistryAccess {
        RegistryAccess {
            plain_http: self.plain_http,
            ca_file: self.ca_file.clone(),
            config: self.registry_config.clone(),
        }
    }

    /// What is expected, validated.
    ///
    /// # Errors
    /// An `--expect` is no `mural=VERSION` or `crds=VERSION`, or a chart is named twice.
    pub fn to_expect(&self) -> Result<Expectations, Problem> {
        let mut expect = Expectations::default();
        for text in &self.expect {
            let wrong = |why: &str| {
                Problem::usage(format!("--expect {text:?} {why}"))
                    .with_hint("write --expect mural=1.1.0-rc.3 --expect crds=0.7.4")
            };
            let (chart, version) = text.split_once('=').ok_or_else(|| wrong("names no version"))?;
            let version = Version::parse(version.trim_start_matches('v'))
                .map_err(|error| wrong("names no semantic version").with_source(error))?;
            let expected_version = match chart {
                "mural" => &mut expect.app_version,
                "crds" | "mural-crds" => &mut expect.crds_version,
                _ => return Err(wrong("names neither mural nor crds")),
            };
            if expected_version.replace(version).is_some() {
                return Err(wrong("names its chart a second time"));
            }
        }
        Ok(expect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse_args(args: &[&str]) -> Cli {
        Cli::try_parse_from(std::iter::once("validate").chain(args.iter().copied())).unwrap()
    }

    #[test]
    fn the_command_line_is_sound_and_tells_its_exit_codes() {
        Cli::command().debug_assert();
        let help = Cli::command().render_help().to_string();
        assert!(help.contains("64  usage error") && help.contains("kubectl mural validate --explain"), "{help}");
    }

    #[test]
    fn what_is_expected_is_read_or_refused() {
        let expect =
            parse_args(&["--expect", "mural=1.1.0-rc.3", "--expect", "crds=v0.7.4"]).expectations.to_expect().unwrap();
        assert_eq!(expect.crds_version, Some(Version::new(0, 7, 4)));
        for bad in ["mural", "mural=latest", "other=1.0.0"] {
            assert_eq!(parse_args(&["--expect", bad]).expectations.to_expect().unwrap_err().exit, Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn one_cluster_or_several_and_only_one_is_waited_for() {
        let refused =
            |args: &[&str]| Cli::try_parse_from(std::iter::once("validate").chain(args.iter().copied())).is_err();
        assert!(refused(&["--contexts", "a,b", "--context", "c"]) && refused(&["--all-contexts", "--wait", "1m"]));
        assert!(refused(&["--only", "crds", "bundle", "x.tar.gz"]));
        assert_eq!(parse_args(&["--contexts", "a,b"]).clusters.contexts, ["a", "b"]);
    }

    #[test]
    fn bad_names_are_wrong_usage() {
        let cli = parse_args(&["-n", "Not_A_Name"]);
        assert_eq!(cli.installation.to_installation(&cli.cluster).unwrap_err().exit, Exit::Usage);
        let soon = parse_args(&["--wait", "soon"]);
        assert_eq!(soon.wait.to_limits().unwrap_err().exit, Exit::Usage);
    }
}
