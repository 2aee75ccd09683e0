//! What was asked for, read and validated before anything is asked of a cluster.

use std::path::PathBuf;
use std::time::Duration;

use mural::ask::expect::Expect;
use mural::ask::{Installation, RegistryAccess};
use mural::checks::validate::{self, Check};
use mural::cli::files;
use mural::cluster;
use mural::diff::values::merged;
use mural::model::chart::ChartRef;
use mural::model::secret::Hidden;
use mural::model::yaml::{self, Quote};
use mural::problem::Problem;
use mural::report::validate::Baseline;
use serde_json::Value;

use crate::flags::{Cli, Output};

/// What was asked for.
pub(crate) struct Job {
    /// The installation; its cluster is that of the first context.
    pub(crate) installation: Installation,
    /// The contexts, where several are asked.
    pub(crate) contexts: Option<Vec<String>>,
    /// A context without the installation does not count.
    pub(crate) skip_empty: bool,
    pub(crate) checks: Vec<&'static Check>,
    pub(crate) expect: Expect,
    /// The CRD chart and the application's.
    pub(crate) charts: [Option<ChartRef>; 2],
    pub(crate) registry: RegistryAccess,
    pub(crate) baseline: Option<Vec<Baseline>>,
    pub(crate) save_baseline: Option<PathBuf>,
    pub(crate) report: Option<(PathBuf, Output)>,
    /// How long to wait, and the grace of a reason that does not pass.
    pub(crate) wait: Option<(Duration, Duration)>,
    pub(crate) strict: bool,
}

impl Job {
    /// Reads the flags and the files that they name.
    pub(crate) fn new(cli: &Cli) -> Result<Self, Problem> {
        let checks = validate::choose(&cli.checks.only, &cli.checks.skip)?;
        let installation = cli.place.installation(&cli.cluster)?;
        let expect = Expect { values: values(&cli.against.values)?, ..cli.against.expect()? };
        let baseline = cli.against.baseline.as_deref().map(|file| files::read(file, "the baseline"));
        let baseline = baseline.transpose()?.map(|text| Baseline::read(&text)).transpose()?;
        let report = cli.report.as_ref().map(|file| Output::by(file).map(|form| (file.clone(), form))).transpose()?;
        for (file, what) in [(&cli.report, "the report"), (&cli.against.save_baseline, "the baseline")] {
            file.as_deref().map_or(Ok(()), |file| files::writable(file, what))?;
        }
        Ok(Self {
            contexts: contexts(cli)?,
            skip_empty: cli.clusters.all_contexts,
            charts: cli.against.charts()?,
            registry: cli.against.registry(),
            save_baseline: cli.against.save_baseline.clone(),
            wait: cli.wait.limits()?,
            strict: cli.checks.strict,
            installation,
            checks,
            expect,
            baseline,
            report,
        })
    }

    /// Every check of one installation, held against nothing.
    pub(crate) fn only(installation: Installation) -> Self {
        Self {
            installation,
            contexts: None,
            skip_empty: false,
            checks: validate::ALL.iter().collect(),
            expect: Expect::default(),
            charts: [None, None],
            registry: RegistryAccess::default(),
            baseline: None,
            save_baseline: None,
            report: None,
            wait: None,
            strict: false,
        }
    }

    /// The same installation in another context.
    pub(crate) fn in_context(&self, context: &str) -> Installation {
        let mut installation = self.installation.clone();
        installation.cluster.context = Some(context.to_owned());
        installation
    }
}

fn contexts(cli: &Cli) -> Result<Option<Vec<String>>, Problem> {
    if !cli.clusters.all_contexts {
        return Ok((!cli.clusters.contexts.is_empty()).then(|| cli.clusters.contexts.clone()));
    }
    let all = cluster::contexts_of(cli.cluster.kubeconfig.as_deref());
    if all.is_empty() {
        return Err(Problem::usage("the kubeconfig has no contexts").hint("kubectl config get-contexts"));
    }
    Ok(Some(all))
}

/// The files of values, merged in their order.
fn values(given: &[PathBuf]) -> Result<Option<Hidden<Value>>, Problem> {
    let mut all: Option<Value> = None;
    for file in given {
        let wrong = || Problem::usage(format!("the values file {} cannot be used", file.display()));
        let text = files::read(file, "the values file")?;
        let value = yaml::document(&text, Quote::Nothing).map_err(|error| wrong().because(error))?;
        if !value.is_object() {
            return Err(wrong()
                .because("it is not a map of values")
                .hint("a values file begins with keys, like global:"));
        }
        all = Some(all.map_or_else(|| value.clone(), |under| merged(&under, &value)));
    }
    Ok(all.map(Hidden::new))
}
