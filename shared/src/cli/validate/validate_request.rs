//! The validated request of `kubectl mural validate`: flags, values files and baseline, read before any request to a cluster.

use std::path::PathBuf;
use std::time::Duration;

use crate::ask::expect::Expectations;
use crate::ask::waivers::Waivers;
use crate::ask::{Installation, RegistryAccess};
use crate::checks::health_check::HealthCheck;
use crate::checks::health_checks;
use crate::cli::files;
use crate::cli::report_format::ReportFile;
use crate::cluster;
use crate::diff::value_changes::merge_values;
use crate::model::chart::ChartRef;
use crate::model::secret::Hidden;
use crate::model::yaml::{self, ErrorDetail};
use crate::prepare::values_files::ValuesFileDefect;
use crate::prepare::waivers_file;
use crate::problem::Problem;
use crate::report::validate::{Baseline, ValidateReport};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::cli::validate::flags::Cli;
use crate::cli::validate::validate_error::ValidateError;

/// The validated flags and the files that they refer to.
pub(crate) struct ValidateRequest {
    /// The installation; its cluster is that of the first context.
    pub(crate) installation: Installation,
    /// The contexts of `--contexts` or `--all-contexts`.
    pub(crate) contexts: Option<Vec<String>>,
    /// Whether to skip a context without the installation: `--all-contexts`.
    pub(crate) skip_contexts_without_release: bool,
    pub(crate) checks: Vec<&'static HealthCheck>,
    pub(crate) expect: Expectations,
    /// The CRD chart and the application chart.
    pub(crate) charts: [Option<ChartRef>; 2],
    pub(crate) registry: RegistryAccess,
    pub(crate) baseline: Option<Vec<Baseline>>,
    pub(crate) save_baseline: Option<PathBuf>,
    pub(crate) report: Option<ReportFile>,
    /// The limit of `--wait` and of `--failure-grace`.
    pub(crate) wait: Option<(Duration, Duration)>,
    pub(crate) strict: bool,
    /// Whether every finding is listed: `--all`.
    pub(crate) all: bool,
    /// The findings that the operator accepts.
    pub(crate) waivers: Waivers,
}

impl ValidateRequest {
    /// Validates the flags and reads the files that they refer to.
    pub(crate) fn from_cli(cli: &Cli) -> Result<Self, Problem> {
        let checks = health_checks::select_checks(&cli.checks.only, &cli.checks.skip)?;
        let installation = cli.installation.to_installation(&cli.cluster)?;
        let expect = Expectations { values: read_values(&cli.expectations.values)?, ..cli.expectations.to_expect()? };
        let baseline = cli.expectations.baseline.as_deref().map(|file| files::read(file, "the baseline"));
        let baseline = baseline.transpose()?.map(|text| Baseline::read(&text)).transpose()?;
        if let Some(file) = &cli.expectations.save_baseline {
            files::check_writable(file, "the baseline")?;
        }
        Ok(Self {
            contexts: select_contexts(cli)?,
            skip_contexts_without_release: cli.clusters.all_contexts,
            charts: cli.expectations.parse_charts()?,
            registry: cli.expectations.to_registry_access(),
            save_baseline: cli.expectations.save_baseline.clone(),
            wait: cli.wait.to_limits()?,
            strict: cli.checks.strict,
            all: cli.checks.all,
            waivers: waivers_file::read_waivers(cli.checks.waivers.as_deref())?,
            installation,
            checks,
            expect,
            baseline,
            report: cli.to_report_file()?,
        })
    }

    /// Applies the waivers, then compares with the baseline.
    pub(crate) fn complete(&self, report: ValidateReport) -> ValidateReport {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let report = report.with_waivers(&self.waivers, today);
        match &self.baseline {
            Some(baseline) => report.with_baseline(baseline),
            None => report,
        }
    }

    /// A request for every check of one installation, without an expected state.
    pub(crate) fn for_installation(installation: Installation) -> Self {
        Self {
            installation,
            contexts: None,
            skip_contexts_without_release: false,
            checks: health_checks::HEALTH_CHECKS.iter().collect(),
            expect: Expectations::default(),
            charts: [None, None],
            registry: RegistryAccess::default(),
            baseline: None,
            save_baseline: None,
            report: None,
            wait: None,
            strict: false,
            all: false,
            waivers: Waivers::default(),
        }
    }

    /// The same installation in another context.
    pub(crate) fn installation_in_context(&self, context: &str) -> Installation {
        let mut installation = self.installation.clone();
        installation.cluster.context = Some(context.to_owned());
        installation
    }
}

fn select_contexts(cli: &Cli) -> Result<Option<Vec<String>>, Problem> {
    if !cli.clusters.all_contexts {
        return Ok((!cli.clusters.contexts.is_empty()).then(|| cli.clusters.contexts.clone()));
    }
    let all = cluster::list_contexts(&cli.cluster.to_access()?);
    if all.is_empty() {
        return Err(ValidateError::NoContexts.into());
    }
    Ok(Some(all))
}

/// Reads the values files and merges them in their order.
fn read_values(given: &[PathBuf]) -> Result<Option<Hidden<Value>>, Problem> {
    let mut all: Option<Value> = None;
    for file in given {
        let text = files::read(file, "the values file")?;
        let value = yaml::parse_document(&text, ErrorDetail::LocationOnly)
            .map_err(|error| ValuesFileDefect::Yaml(error).of(file))?;
        if !value.is_object() {
            return Err(ValuesFileDefect::NotAMap.of(file).into());
        }
        all = Some(all.map_or_else(|| value.clone(), |base| merge_values(&base, &value)));
    }
    Ok(all.map(Hidden::new))
}
