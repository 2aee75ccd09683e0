//! Look, render, forecast, judge, decide: everything before the first write.

pub mod appliance_registry;
pub mod crd_forecast;
mod crd_verdicts;
pub(crate) mod flux;
pub mod flux_follow;
mod forecast;
mod forecast_app;
pub mod handover;
pub mod judge;
pub mod lease_watcher;
pub mod local_run_locks;
pub mod manifest_files;
mod next_values;
pub mod only_crds;
pub mod picture;
mod plan_baseline;
pub mod record_state;
pub mod render;
pub mod rollback;
mod session;
mod stage;
pub mod state_dir;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use forecast::forecast_all;
use plan_baseline::{Drift, PlanBaseline, PlanInputs};
use session::{Connection, Inventory, complete_identity, connect, read_inventory};
use tempfile::TempDir;

use crate::ask::UpgradeSpec;
use crate::ask::expect::Expectations;
use crate::cluster::Cluster;
use crate::model::cluster_view::{ClusterView, Observed};
use crate::model::crd::Crd;
use crate::model::health_inputs::HealthInputs;
use crate::model::lease::{HeldLock, HolderIdentity};
use crate::model::secret::{Hidden, Secrets};
use crate::model::tool_versions::ToolVersions;
use crate::plan;
use crate::plan::Plan;
use crate::plan::drift::DriftItem;
use crate::plan::flux::FluxRoutes;
use crate::plan::journal::{JournalSnapshot, RunEntry};
use crate::plan::recorded_state::RecordedState;
use crate::plan::saved_plan::SavedPlan;
use crate::prepare::flux::AdaptedAsk;
use crate::prepare::judge::{CommandBuilder, Forecast};
use crate::prepare::lease_watcher::LeaseWatcher;
use crate::prepare::local_run_locks::LocalRunLocks;
use crate::prepare::render::RenderedCharts;
use crate::prepare::rollback::RollbackTarget;
use crate::problem::Problem;
use crate::report::event::Emit;
use crate::tools::chart_fetch::FetchedChart;
use crate::tools::helm::Helm;
use crate::tools::kubectl::Kubectl;
use crate::tools::program_paths::Programs;

pub(crate) use session::{Session, open_session};
pub(crate) use stage::Stage;

pub use crate::prepare::render::RenderedChart;

/// What the environment gives, read at the edge.
#[derive(Debug, Clone)]
pub struct Environment {
    /// helm and kubectl.
    pub programs: Programs,
    /// helm's own registry configuration, for a static login.
    pub helm_registry_config: Option<PathBuf>,
    /// The run's id.
    pub run_id: String,
    /// Another text in every run, for seals of values.
    pub salt: String,
    /// Who we are, for those who want the same locks.
    pub identity: HolderIdentity,
    /// How long a run that will write waits for a lock that somebody holds; none for one that only looks.
    pub wait_for_lock: Option<Duration>,
    /// Where signs of life are kept on this workstation; none where there is no such place.
    pub local_locks: Option<LocalRunLocks>,
    /// Whether custom resources are saved before the first write: then they must be listed.
    pub backup_enabled: bool,
    /// Where this workstation keeps what is ours: journals and saved copies.
    pub state_dir: Option<PathBuf>,
    /// A program of ours that starts others so that they end with us; none where the kernel has no such thing.
    pub starter: Option<PathBuf>,
}

/// Everything that a run needs, and the plan that it follows.
pub struct Prepared {
    /// What was asked for.
    pub ask: UpgradeSpec,
    /// The cluster.
    pub cluster: Cluster,
    /// helm.
    pub helm: Helm,
    /// kubectl.
    pub kubectl: Kubectl,
    /// helm's and kubectl's versions.
    pub tools: ToolVersions,
    /// The cluster as it was read.
    pub view: ClusterView,
    /// What stood around the releases before the first write; none in a run that will not write.
    pub health_inputs: Option<HealthInputs>,
    /// The CRD chart, where it moves.
    pub crds: Option<RenderedChart>,
    /// The application, where it moves.
    pub app: Option<RenderedChart>,
    /// Every CRD of the charts, as rendered.
    pub desired_crds: BTreeMap<String, Crd>,
    /// Live CRDs that leave the manifest of a release: helm must find them marked.
    pub removed_crds: Vec<String>,
    /// What is to be done.
    pub plan: Plan,
    /// The way through Flux; empty where Flux makes none of the releases.
    pub flux: FluxRoutes,
    /// Flux's manifests, where the releases are handed over to it.
    pub flux_manifests: Hidden<Vec<serde_json::Value>>,
    /// The user's values of the application's next revision.
    pub config: Hidden<serde_json::Value>,
    /// What may be shown nowhere.
    pub secrets: Secrets,
    /// What the plan was made from, for a file and for the journal.
    pub recorded_state: Observed<RecordedState>,
    /// The run that was cut off, and that this one goes on from.
    pub interrupted_run: Option<RunEntry>,
    /// Whether it was asked to go on from it: then it does that or nothing.
    pub is_resume: bool,
    /// The run that is undone; none where nothing goes back.
    pub rollback: Option<RollbackTarget>,
    /// Who we are, for those who want the same locks, and what was seen of them.
    pub lease_watcher: LeaseWatcher,
    /// What else the environment gave.
    pub env: Environment,
    /// Holds the charts and value files; gone when this is dropped.
    pub(crate) private_dir: Option<TempDir>,
}

/// Prepares an upgrade. Reads, renders and dry-runs; writes nothing.
///
/// # Errors
/// A problem that names what is missing: a cluster that cannot be read, a chart that is none, values that helm refuses.
/// What a guard refuses is no error: the plan says it.
pub async fn prepare(ask: UpgradeSpec, env: Environment, emit: Emit<'_>) -> Result<Prepared, Problem> {
    prepare_from(ask, PlanBaseline::Fresh, env, emit).await
}

/// As [`prepare`], for a run that was cut off, and what was asked for in it: what somebody else has moved since is refused.
///
/// # Errors
/// As [`prepare`].
pub async fn prepare_resume(
    ask: UpgradeSpec,
    run: &RunEntry,
    env: Environment,
    emit: Emit<'_>,
) -> Result<Prepared, Problem> {
    prepare_from(ask, PlanBaseline::InterruptedRun(run), env, emit).await
}

/// As [`prepare`], for a plan that was saved, and what was asked for in it: what has moved since is refused, and so are other steps.
///
/// # Errors
/// As [`prepare`]; the steps are not the saved ones though nothing moved.
pub async fn prepare_saved_plan(
    ask: UpgradeSpec,
    saved: &SavedPlan,
    env: Environment,
    emit: Emit<'_>,
) -> Result<Prepared, Problem> {
    let prepared = prepare_from(ask, PlanBaseline::SavedPlan(saved), env, emit).await?;
    if !prepared.plan.is_refused() && !prepared.plan.is_undetermined() {
        saved.ensure_same_steps(&prepared.plan)?;
    }
    Ok(prepared)
}

async fn prepare_from(
    ask: UpgradeSpec,
    baseline: PlanBaseline<'_>,
    env: Environment,
    emit: Emit<'_>,
) -> Result<Prepared, Problem> {
    let private = create_private_dir()?;
    let Connection { mut helm, kubectl, tools, cluster, mut lease_watcher, locks, journal } =
        connect(&ask, &env, emit).await?;
    // Who owns the releases says where their charts and values come from: that is asked before they are fetched.
    let AdaptedAsk { ask, flux, values } = flux::adapt_to_flux(ask, &mut helm, &cluster, private.path(), &env).await?;
    let inventory = read_inventory(&cluster, &helm, &kubectl, &ask, flux, private.path(), &env, emit).await?;
    let Inventory { view, charts, cluster_uids } = inventory;

    let rendered = render_all((&helm, &kubectl), &ask, &view, &cluster, charts, private.path(), &env, emit).await?;
    let (rendered, health_inputs, routes) = plan_flux_routes(&ask, &view, rendered, values);
    let forecast = forecast_all((&cluster, &helm, private.path()), &ask, &view, &rendered, &tools, &env, emit).await;

    let inputs = PlanInputs { ask: &ask, view: &view, rendered: &rendered, crd_answers: &forecast.crd_answers };
    let Drift { recorded_state, items: drift_items, interrupted_run } =
        inputs.compute_drift(baseline, journal.as_ref().ok(), &env.salt);
    let observations = build_observations(
        (&view, &tools, &journal, &routes),
        cluster_uids,
        forecast,
        locks,
        (drift_items, interrupted_run.as_ref()),
    );
    let plan = judge::build_plan(
        CommandBuilder { ask: &ask, helm: &helm, kubectl: &kubectl, run_id: &env.run_id },
        &observations,
        &rendered,
    )?;
    lease_watcher.identity = complete_identity(lease_watcher.identity, &ask, &view);
    Ok(Prepared {
        removed_crds: judge::list_removed_crds(&ask, &observations, &rendered),
        secrets: collect_secrets(&ask, &view, &rendered),
        ask,
        cluster,
        helm,
        kubectl,
        tools,
        view,
        health_inputs,
        crds: rendered.crds,
        app: rendered.app,
        desired_crds: rendered.desired_crds,
        plan,
        flux: routes,
        flux_manifests: Hidden::new(Vec::new()),
        config: rendered.config,
        recorded_state,
        interrupted_run,
        is_resume: matches!(baseline, PlanBaseline::InterruptedRun(_)),
        rollback: None,
        lease_watcher,
        env,
        private_dir: Some(private),
    })
}

/// What the charts make, and the picture to compare with afterwards.
#[expect(clippy::too_many_arguments, reason = "one stage, asked for in one place")]
async fn render_all(
    tools: (&Helm, &Kubectl),
    ask: &UpgradeSpec,
    view: &ClusterView,
    cluster: &Cluster,
    charts: (Option<FetchedChart>, Option<FetchedChart>),
    private: &Path,
    env: &Environment,
    emit: Emit<'_>,
) -> Result<(RenderedCharts, Option<HealthInputs>), Problem> {
    let stage = Stage::begin(emit, "render", "what each chart makes");
    let rendering = render::render_both(tools, ask, view, cluster, charts, private);
    let (rendered, health_inputs) = tokio::join!(rendering, read_health_inputs_before(cluster, ask, env, view));
    let rendered = rendered?;
    stage.finish(rendered.summary());
    Ok((rendered, health_inputs))
}

/// The picture to compare with afterwards, in a run that will write: while helm renders, it costs no time.
async fn read_health_inputs_before(
    cluster: &Cluster,
    ask: &UpgradeSpec,
    env: &Environment,
    view: &ClusterView,
) -> Option<HealthInputs> {
    env.wait_for_lock?;
    Some(picture::read_health_inputs(cluster, &ask.installation, view, &Expectations::default()).await)
}

fn build_observations<'a>(
    (view, tools, journal, flux): (&'a ClusterView, &'a ToolVersions, &'a Observed<JournalSnapshot>, &'a FluxRoutes),
    (helm_cluster_uid, kubectl_cluster_uid): (Observed<String>, Observed<String>),
    forecast: Forecast,
    locks: Observed<Vec<HeldLock>>,
    (drift_items, interrupted_run): (Option<Observed<Vec<DriftItem>>>, Option<&RunEntry>),
) -> judge::Observations<'a> {
    let has_unverified_crds = interrupted_run.is_some_and(RunEntry::has_unverified_crds);
    judge::Observations {
        view,
        tools,
        helm_cluster_uid,
        kubectl_cluster_uid,
        forecast,
        locks,
        journal,
        has_unverified_crds,
        drift: drift_items,
        flux,
    }
}

/// The way of each chart through Flux.
fn plan_flux_routes(
    ask: &UpgradeSpec,
    view: &ClusterView,
    (rendered, vitals): (RenderedCharts, Option<HealthInputs>),
    values: Option<Hidden<serde_json::Value>>,
) -> (RenderedCharts, Option<HealthInputs>, FluxRoutes) {
    let charts = [&rendered.crds, &rendered.app].map(|rendered_chart| {
        rendered_chart
            .as_ref()
            .map(|rendered_chart| (rendered_chart.fetched.chart.version.to_string(), &rendered_chart.fetched.digest))
    });
    let routes = plan::flux::find_routes(ask, &view.flux, charts, values);
    (rendered, vitals, routes)
}

/// Every secret text that values and rendered Secrets hold.
fn collect_secrets(ask: &UpgradeSpec, view: &ClusterView, rendered: &render::RenderedCharts) -> Secrets {
    let stored =
        view.newest_revision(&ask.installation.app_release).ok().flatten().map(|record| record.config.reveal());
    let values: Vec<&serde_json::Value> = stored.into_iter().chain([rendered.config.reveal()]).collect();
    Secrets::from_values(&values, rendered.app.as_ref().map_or(&[], |rendered_chart| &rendered_chart.rendered))
}

/// A folder that nobody else may read; gone when it is dropped.
pub(crate) fn create_private_dir() -> Result<TempDir, Problem> {
    let created = tempfile::Builder::new().prefix("mural-").tempdir();
    created.map_err(|error| Problem::failure("cannot make a private folder").with_source(error))
}
