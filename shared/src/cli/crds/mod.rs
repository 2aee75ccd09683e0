//! The command `helm mural crds`: list, diff, check, fit, apply, migrate, back up and restore CRDs.
//!
//! `list`, `diff` and the list of the cluster are here; every other sub-command has a file. Input: the flags and the
//! environment variables of helm (`helm_env`). Output: a report on standard output.

mod apply_crds;
mod backup_crds;
mod check_crds;
mod crds_error;
mod fit_objects;
pub mod flags;
mod helm_env;
mod migrate_crds;
mod restore_crds;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::cli::runtime::block_on;
use crate::cli::{Stream, StyleFlags, style_for, verbose};
use crate::cluster::{Cluster, crd_dry_run, view_reader};
use crate::diff;
use crate::model::chart::ChartRef;
use crate::model::cluster_view::current_record;
use crate::model::crd::Crd;
use crate::model::fetched_chart::FetchedChart;
use crate::model::release_inventory::is_product_crd;
use crate::model::secret::Hidden;
use crate::plan::{self, API_VERSION};
use crate::prepare::missing_crds::MissingCrdsError;
use crate::problem::{Exit, Problem};
use crate::report::crd_report::{CrdDiff, CrdList};
use crate::report::event::Event;
use crate::report::human::HumanRenderer;
use crate::tools::chart_fetch::fetch_chart;
use crate::tools::helm::{Helm, TemplateArgs, TemplateLookups};
use crate::tools::private_files::{PrivateFileError, create_private_dir, write_private_file};

use crds_error::CrdsError;
use flags::{ChartFlags, Cli, Command, CrdsCli, CrdsCommand, SelectFlags};
use helm_env::HelmEnv;

/// The Kubernetes version for which a chart is rendered without a cluster: the newest known one.
const NEWEST_KUBERNETES_VERSION: &str = "v1.37.2";

/// Runs the command and returns its exit code.
///
/// # Errors
/// The reason why the command failed, with its exit code.
pub fn run_command(parsed: &Cli) -> Result<Exit, Problem> {
    verbose::enable(parsed.style());
    let Command::Crds(crds) = &parsed.command;
    block_on(run(crds))
}

async fn run(crds: &CrdsCli) -> Result<Exit, Problem> {
    let helm_env = HelmEnv::read(&crds.cluster)?;
    match &crds.command {
        None => {
            let list = list_cluster_crds(&helm_env, crds).await?;
            Stream::Stdout.write(&crds.output.output.render(&list, || list.render_table())?);
            Ok(Exit::Success)
        }
        Some(CrdsCommand::List { chart, output }) => {
            let (fetched, wanted) = read_chart_crds(&helm_env, chart, &RenderTarget::without_cluster()).await?;
            // A chart without CRDs has an empty list; one whose values suppress them has a mistake.
            let missing = wanted.is_empty().then(|| MissingCrdsError::of_named_chart(&fetched));
            if let Some(error) = missing.filter(MissingCrdsError::is_suppressed) {
                return Err(error.into());
            }
            let list = CrdList::new(chart_label(&fetched), wanted.values());
            Stream::Stdout.write(&output.output.render(&list, || list.render_table())?);
            Ok(Exit::Success)
        }
        Some(CrdsCommand::Diff { chart, crds_release, exit_code, output }) => {
            let diff = diff_with_cluster(&helm_env, chart, crds_release).await?;
            let style = style_for(Stream::Stdout, output.style);
            Stream::Stdout.write(&output.output.render(&diff, || diff.render_table(style))?);
            Ok(if *exit_code && diff.has_changes() { Exit::ChangesFound } else { Exit::Success })
        }
        Some(CrdsCommand::Check(flags)) => check_crds::run(&helm_env, flags).await,
        Some(CrdsCommand::Fit(flags)) => fit_objects::run(&helm_env, flags).await,
        Some(CrdsCommand::Apply(flags)) => apply_crds::run(&helm_env, flags).await,
        Some(CrdsCommand::Migrate(flags)) => migrate_crds::run(&helm_env, flags).await,
        Some(CrdsCommand::Save(flags)) => backup_crds::run(&helm_env, flags).await,
        Some(CrdsCommand::Restore(flags)) => restore_crds::run(&helm_env, flags).await,
    }
}

async fn list_cluster_crds(helm_env: &HelmEnv, flags: &CrdsCli) -> Result<CrdList, Problem> {
    crate::cli::require_readable_releases()?;
    let cluster = Cluster::connect(&helm_env.cluster).await?;
    let release = &flags.crds_release;
    let (live, released) =
        tokio::join!(read_live_crds(&cluster), view_reader::read_released_crds(&cluster, &helm_env.namespace, release));
    let live = live?;
    let list = CrdList::new(cluster.context.clone(), live.values().filter(|crd| flags.all || is_product_crd(crd)));
    match released {
        Ok(released) => {
            let both = released.iter().filter_map(|(name, chart)| Some((name, chart, live.get(name)?)));
            let changes =
                both.map(|(name, chart, live)| (name.clone(), diff::compare_crds(chart.json(), live.json()).len()));
            Ok(list.with_drift(&changes.collect(), release))
        }
        Err(read_failure) => {
            Stream::Stderr.write(&format!("warning: drift is unknown: {read_failure}\n"));
            Ok(list)
        }
    }
}

/// The CRDs of the cluster that the flags select.
async fn select_crds(cluster: &Cluster, select: &SelectFlags) -> Result<Vec<Crd>, CrdsError> {
    let mut live = read_live_crds(cluster).await?;
    if select.crds.is_empty() {
        return Ok(live.into_values().filter(|crd| select.all || is_product_crd(crd)).collect());
    }
    let names: BTreeSet<&String> = select.crds.iter().collect();
    let found = names.into_iter().map(|name| live.remove(name).ok_or_else(|| CrdsError::UnknownCrd(name.clone())));
    found.collect()
}

/// Prints events as lines on standard error.
fn build_event_printer(style: StyleFlags) -> impl Fn(Event) + Send + Sync {
    let human = Mutex::new(HumanRenderer::new(style_for(Stream::Stderr, style)));
    move |event| {
        for line in human.lock().unwrap_or_else(PoisonError::into_inner).render_event(&event) {
            Stream::Stderr.write(&(line + "\n"));
        }
    }
}

async fn read_live_crds(cluster: &Cluster) -> Result<BTreeMap<String, Crd>, CrdsError> {
    view_reader::read_live_crds(cluster).await.map_err(CrdsError::Unreadable)
}

/// For what a chart is rendered.
struct RenderTarget {
    /// `v1.37.2`
    kube_version: String,
    /// The values that the release of the CRD chart stores, if a cluster has one.
    stored_values: Option<Hidden<Value>>,
}

impl RenderTarget {
    fn without_cluster() -> Self {
        Self { kube_version: NEWEST_KUBERNETES_VERSION.to_owned(), stored_values: None }
    }

    /// Writes the stored values into a private file; helm reads it before the flags.
    fn write_stored_values(&self, private: &Path) -> Result<Option<PathBuf>, PrivateFileError> {
        let Some(values) = &self.stored_values else { return Ok(None) };
        let file = private.join("stored-values.json");
        // JSON is YAML.
        write_private_file(&file, values.reveal().to_string()).map_err(PrivateFileError::File)?;
        Ok(Some(file))
    }
}

/// The values that a release stores. If its records cannot be read, a note says so and the chart's own values are used.
async fn read_stored_values(cluster: &Cluster, namespace: &str, release: &str) -> Option<Hidden<Value>> {
    match view_reader::read_release_records(cluster, namespace, release).await {
        Ok(records) => current_record(&records).map(|record| record.config.clone()),
        Err(read_failure) => {
            Stream::Stderr.write(&format!("the stored values of {release} are not used: {read_failure}\n"));
            None
        }
    }
}

/// Fetches and renders a chart. Returns its CRDs from the `crds/` folders and from the templates.
async fn read_chart_crds(
    helm_env: &HelmEnv,
    flags: &ChartFlags,
    target: &RenderTarget,
) -> Result<(FetchedChart, BTreeMap<String, Crd>), Problem> {
    let private = create_private_dir()?;
    let reference = ChartRef::parse(&flags.chart).map_err(CrdsError::ChartRef)?;
    let helm = Helm {
        program: helm_env.find_helm()?,
        cluster: helm_env.cluster.clone(),
        registry: helm_env.registry_access(flags.plain_http, flags.ca_file.clone()),
        namespace: helm_env.namespace.clone(),
    };
    let fetched =
        fetch_chart(&helm, &reference, flags.version.as_ref(), private.path(), helm_env.registry_config.as_deref())
            .await?;
    let (stored_values, values) = (target.write_stored_values(private.path())?, flags.values.to_flags());
    let template = TemplateArgs {
        release: &fetched.chart.name,
        chart: &fetched.file,
        values_files: stored_values.as_slice(),
        values: &values,
        kube_version: &target.kube_version,
        api_versions: &[],
        include_crds: true,
        is_upgrade: false,
        lookups: TemplateLookups::Nothing,
        extra_args: &[],
    };
    let rendered = helm
        .template(&template)
        .await
        .map_err(|error| error.into_failure(format!("the chart {} does not render", flags.chart)))?;
    let wanted = rendered.objects.into_iter().filter_map(|document| Crd::new(document).ok());
    Ok((fetched, wanted.map(|crd| (crd.name().to_owned(), crd)).collect()))
}

async fn diff_with_cluster(helm_env: &HelmEnv, flags: &ChartFlags, crds_release: &str) -> Result<CrdDiff, Problem> {
    let cluster = Cluster::connect(&helm_env.cluster).await?;
    let version = cluster.get("/version").await.map_err(|error| error.in_context(&cluster.context))?;
    let kube_version = version["gitVersion"].as_str().unwrap_or(NEWEST_KUBERNETES_VERSION).to_owned();
    let stored_values = read_stored_values(&cluster, &helm_env.namespace, crds_release).await;
    let target = RenderTarget { kube_version, stored_values };
    let (live, chart_crds) = tokio::join!(read_live_crds(&cluster), read_chart_crds(helm_env, flags, &target));
    let (live, (fetched, wanted)) = (live?, chart_crds?);
    if wanted.is_empty() {
        return Err(MissingCrdsError::of_named_chart(&fetched).into());
    }
    let all: Vec<Crd> = wanted.into_values().collect();
    let answers = crd_dry_run::dry_run_crds(&cluster, &all).await;
    let forecasts = answers.into_iter().map(|one| (one.name, one.answer)).collect();
    Ok(CrdDiff {
        api_version: API_VERSION,
        kind: "CrdDiff",
        chart: chart_label(&fetched),
        cluster: cluster.context.clone(),
        crds: plan::crd_plan::plan_crds(&live, &forecasts, &BTreeMap::new(), &[], &BTreeMap::new()),
    })
}

fn chart_label(fetched: &FetchedChart) -> String {
    format!("{} {} ({})", fetched.chart.name, fetched.chart.version, fetched.digest.short())
}
