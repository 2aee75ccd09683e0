//! The command line of `kubectl mural validate`.
//!
//! If kubectl has a flag for the same purpose, the flag has the same name and meaning here. The methods at the end validate
//! the flags and convert them into the types of `ask`.

use std::path::PathBuf;
use std::time::Duration;

use crate::ask::expect::Expectations;
use crate::ask::{self, Installation, RegistryAccess};
use crate::cli::build_version::version_text;
use crate::cli::report_format::{ReportFile, ReportFormat};
use crate::cli::{ClusterFlags, StyleFlags, complete};
use crate::model::chart::ChartRef;
use crate::model::chart_version::ChartVersion;
use crate::problem::{Cause, Problem};
use clap::{Args, Parser, Subcommand};

use crate::cli::validate::validate_error::{ExpectDefect, ValidateError};

/// The output formats of the report.
const OUTPUT_FORMATS: [ReportFormat; 10] = [
    ReportFormat::Table,
    ReportFormat::Wide,
    ReportFormat::Json,
    ReportFormat::Yaml,
    ReportFormat::Junit,
    ReportFormat::Sarif,
    ReportFormat::Markdown,
    ReportFormat::Html,
    ReportFormat::Prometheus,
    ReportFormat::Github,
];

/// Check whether an installation of PaletteAI is healthy. Write nothing.
///
/// Also works on an installation that these plugins never changed.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-mural-validate",
    bin_name = "kubectl mural validate",
    version = version_text(),
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// The sub-command; without one, the checks run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The checks to run.
    #[command(flatten)]
    pub checks: CheckFlags,
    /// The installation.
    #[command(flatten)]
    pub installation: InstallationFlags,
    /// The expected state.
    #[command(flatten)]
    pub expectations: ExpectationFlags,
    /// Access to the cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// The contexts, for several clusters.
    #[command(flatten)]
    pub clusters: ClustersFlags,
    /// Time limits of `--wait`.
    #[command(flatten)]
    pub wait: WaitFlags,
    /// Output format.
    #[arg(short, long, value_parser = ReportFormat::parser(&OUTPUT_FORMATS), default_value = "table", value_name = "FORMAT", help_heading = "Output")]
    pub output: ReportFormat,
    /// Also write the report to this file. The extension selects the format: .json, .yaml, .xml (JUnit), .sarif, .md, .html or .prom (Prometheus).
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// Colour and marks.
    #[command(flatten)]
    pub style: StyleFlags,
}

/// The sub-commands of `kubectl mural validate`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a support bundle: report, objects, events, last log lines and versions. Secrets are masked.
    ///
    /// Shows the content and asks for confirmation before it writes the file.
    Bundle(Box<BundleFlags>),
    /// Print the JSON Schema of `-o json`. Needs no cluster.
    Schema,
}

/// The flags of `bundle`.
#[derive(Debug, Args)]
pub struct BundleFlags {
    /// File to write.
    #[arg(value_name = "FILE.tar.gz")]
    pub file: PathBuf,
    /// Skip the confirmation.
    #[arg(short, long)]
    pub yes: bool,
    /// The installation.
    #[command(flatten)]
    pub installation: InstallationFlags,
    /// Access to the cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// Colour and marks.
    #[command(flatten)]
    pub style: StyleFlags,
}

/// The expected state, which the checks compare with the installation.
#[derive(Debug, Args)]
#[command(next_help_heading = "Expected state")]
pub struct ExpectationFlags {
    /// Require a version: mural=VERSION or crds=VERSION; repeatable.
    #[arg(long, value_name = "CHART=VERSION")]
    pub expect: Vec<String>,
    /// Values file to compare with the values of the release; repeatable, merged as in helm.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub values: Vec<PathBuf>,
    /// Application chart to compare with: oci://…, a chart folder or a .tgz file.
    ///
    /// For a registry chart, the version of --expect applies, else the installed version.
    #[arg(long, value_name = "REF")]
    pub chart: Option<String>,
    /// CRD chart to compare with: the same forms as --chart.
    #[arg(long, value_name = "REF")]
    pub crds_chart: Option<String>,
    /// Earlier report (.json). Only new findings affect the exit code.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write the report as JSON to this file, for --baseline.
    #[arg(long, value_name = "FILE")]
    pub save_baseline: Option<PathBuf>,
    /// Use HTTP instead of HTTPS for the registry.
    #[arg(long)]
    pub plain_http: bool,
    /// CA certificate that verifies the registry.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// helm's registry configuration file, with the logins.
    #[arg(long, value_name = "FILE")]
    pub registry_config: Option<PathBuf>,
}

/// Several clusters in one report.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several clusters")]
pub struct ClustersFlags {
    /// Contexts of the kubeconfig, separated by commas; repeatable.
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "context", add = complete::context_candidates())]
    pub contexts: Vec<String>,
    /// All contexts of the kubeconfig. A cluster without the installation is skipped.
    #[arg(long, conflicts_with_all = ["context", "contexts"])]
    pub all_contexts: bool,
}

/// Time limits of `--wait`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Waiting")]
pub struct WaitFlags {
    /// Wait until the installation is healthy, at most this time, for example 10m. End early on a terminal reason.
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["contexts", "all_contexts"])]
    pub wait: Option<String>,
    /// Time that a terminal reason (for example ImagePullBackOff) may last before the wait ends.
    #[arg(long, value_name = "DURATION", default_value = "60s", requires = "wait")]
    pub failure_grace: String,
}

/// The checks to run, and the effect of warnings.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checks")]
pub struct CheckFlags {
    /// Exit with code 4 if there are warnings only.
    #[arg(long)]
    pub strict: bool,
    /// List every finding of a check, not only the first ones.
    #[arg(long)]
    pub all: bool,
    /// File with accepted (waived) findings, each with a reason and an expiry date. Default: .mural-waivers.yaml if it exists.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub waivers: Option<PathBuf>,
    /// Run only these checks: ids or sections, separated by commas; repeatable.
    #[arg(long, value_name = "ID|SECTION", value_delimiter = ',', add = complete::check_candidates())]
    pub only: Vec<String>,
    /// Skip these checks: ids or sections, separated by commas; repeatable.
    #[arg(long, value_name = "ID|SECTION", value_delimiter = ',', add = complete::check_candidates())]
    pub skip: Vec<String>,
    /// List all checks, and exit. Needs no cluster.
    #[arg(long, exclusive = true)]
    pub list_checks: bool,
    /// Explain a check, and exit. Needs no cluster.
    #[arg(long, value_name = "ID", conflicts_with = "list_checks", add = complete::check_candidates())]
    pub explain: Option<String>,
    /// Print the JSON Schema of `-o json`, and exit. Needs no cluster.
    #[arg(long, exclusive = true)]
    pub print_schema: bool,
}

/// The names of the installation.
#[derive(Debug, Args)]
#[command(next_help_heading = "Installation")]
pub struct InstallationFlags {
    /// Namespace of the installation.
    #[arg(short, long, default_value = ask::DEFAULT_NAMESPACE, value_name = "NAME")]
    pub namespace: String,
    /// Name of the application's release.
    #[arg(long, default_value = ask::DEFAULT_APP_RELEASE, value_name = "NAME")]
    pub release: String,
    /// Name of the CRD chart's release.
    #[arg(long, default_value = ask::DEFAULT_CRDS_RELEASE, value_name = "NAME")]
    pub crds_release: String,
}

impl Cli {
    /// The file of `--report`, or `None` without the flag.
    ///
    /// # Errors
    /// A usage error if the extension selects no format or the file is not writable.
    pub fn to_report_file(&self) -> Result<Option<ReportFile>, Problem> {
        ReportFile::from_flag(self.report.as_deref(), &OUTPUT_FORMATS)
    }
}

/// helm's limit for a release name, in characters. A namespace is a DNS label with its own limit.
const MAX_RELEASE_NAME_LENGTH: usize = 53;
const MAX_NAMESPACE_LENGTH: usize = 63;

impl InstallationFlags {
    /// The installation, with validated names.
    ///
    /// # Errors
    /// A usage error if a name or a duration is invalid.
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
    /// The limit of the wait and of a terminal reason; `None` without `--wait`.
    ///
    /// # Errors
    /// A usage error if a value is not a duration.
    pub fn to_limits(&self) -> Result<Option<(Duration, Duration)>, Problem> {
        let Some(wait) = &self.wait else { return Ok(None) };
        let grace = ask::parse_duration("--failure-grace", &self.failure_grace)?;
        Ok(Some((ask::parse_duration("--wait", wait)?, grace)))
    }
}

impl ExpectationFlags {
    /// The CRD chart and the application chart of the flags.
    ///
    /// # Errors
    /// A usage error if a value is not a chart reference.
    pub fn parse_charts(&self) -> Result<[Option<ChartRef>; 2], ValidateError> {
        let read = |text: &Option<String>| {
            let parsed = text.as_deref().map(ChartRef::parse);
            parsed.transpose().map_err(ValidateError::ChartRef)
        };
        Ok([read(&self.crds_chart)?, read(&self.chart)?])
    }

    /// The access to the registry.
    #[must_use]
    pub fn to_registry_access(&self) -> RegistryAccess {
        RegistryAccess {
            plain_http: self.plain_http,
            ca_file: self.ca_file.clone(),
            config: self.registry_config.clone(),
        }
    }

    /// The expected versions.
    ///
    /// # Errors
    /// A usage error if an `--expect` is neither `mural=VERSION` nor `crds=VERSION`, or if a chart occurs twice.
    pub fn to_expect(&self) -> Result<Expectations, ValidateError> {
        let mut expect = Expectations::default();
        for text in &self.expect {
            let invalid = |defect| ValidateError::Expect { text: text.clone(), defect, cause: None };
            let (chart, version) = text.split_once('=').ok_or_else(|| invalid(ExpectDefect::NoVersion))?;
            let version = version.parse::<ChartVersion>().map_err(|error| ValidateError::Expect {
                text: text.clone(),
                defect: ExpectDefect::NoVersion,
                cause: Some(Cause::new(error)),
            })?;
            let expected_version = match chart {
                "mural" => &mut expect.app_version,
                "crds" | "mural-crds" => &mut expect.crds_version,
                _ => return Err(invalid(ExpectDefect::UnknownChart)),
            };
            if expected_version.replace(version).is_some() {
                return Err(invalid(ExpectDefect::SecondVersion));
            }
        }
        Ok(expect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Exit, Explain};
    use clap::CommandFactory;

    fn parse_args(args: &[&str]) -> Cli {
        Cli::try_parse_from(std::iter::once("validate").chain(args.iter().copied())).unwrap()
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn expected_versions_are_parsed_or_refused() {
        let expect =
            parse_args(&["--expect", "mural=1.1.0-rc.3", "--expect", "crds=v0.7.4"]).expectations.to_expect().unwrap();
        assert_eq!(expect.crds_version, "v0.7.4".parse().ok());
        for bad in ["mural", "mural=latest", "other=1.0.0"] {
            assert_eq!(
                parse_args(&["--expect", bad]).expectations.to_expect().unwrap_err().exit(),
                Exit::Usage,
                "{bad}"
            );
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
