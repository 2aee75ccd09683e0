//! Prepares an upgrade: the stages look, render, forecast, judge and decide, in this order.

use jiff::Timestamp;

use crate::ask::UpgradeSpec;
use crate::ask::expect::Expectations;
use crate::model::fetched_chart::FetchedChart;
use crate::model::health_inputs::HealthInputs;
use crate::model::secret::Hidden;
use crate::plan;
use crate::plan::flux::FluxRoutes;
use crate::plan::journal::RunEntry;
use crate::plan::saved_plan::SavedPlan;
use crate::prepare::collect_secrets::collect_upgrade_secrets;
use crate::prepare::flux::AdaptedAsk;
use crate::prepare::forecast::forecast_all;
use crate::prepare::inventory::{Inventory, read_inventory};
use crate::prepare::judge::{self, Observations};
use crate::prepare::plan_baseline::{Drift, PlanBaseline, PlanInputs};
use crate::prepare::plan_commands::ToolCommands;
use crate::prepare::prepared::{Environment, Prepared, ResumedRun, UpgradeWork, Work};
use crate::prepare::rendered_charts::RenderedCharts;
use crate::prepare::session::{Connection, UpgradeContext, connect};
use crate::prepare::stage::Stage;
use crate::prepare::{flux, picture, render, values_files};
use crate::problem::Problem;
use crate::report::event::{Emit, Event};

/// Prepares an upgrade. Reads, renders and dry-runs; writes nothing.
///
/// # Errors
/// The cluster cannot be read, a chart is invalid, or helm rejects the values.
/// A guard that refuses is no error: the plan has it.
pub async fn prepare(ask: UpgradeSpec, env: Environment, emit: Emit<'_>) -> Result<Prepared, Problem> {
    prepare_from(ask, PlanBaseline::Fresh, env, emit).await
}

/// As [`prepare`], for an interrupted run and its request. Drift since then is refused.
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

/// As [`prepare`], for a saved plan and its request. Drift since then is refused, and so are other steps.
///
/// # Errors
/// As [`prepare`]; or the steps differ from the saved ones without any drift.
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
    warn_of_values(&ask, emit)?;
    let mut connection = connect(&ask.session_spec(), env, emit).await?;
    // The owners decide where charts and values come from, so they are read before anything is fetched.
    let AdaptedAsk { ask, flux, values } = flux::adapt_to_flux(ask, &mut connection).await?;
    let Inventory { view, charts, cluster_uids } = read_inventory(&connection, &ask, flux, emit).await?;

    let context = UpgradeContext { connection: &connection, ask: &ask, view: &view, emit };
    let (charts, health_inputs) = render_all(&context, charts).await?;
    let flux = find_flux_routes(&context, &charts, values);
    let forecast = forecast_all(&context, &charts).await;

    let inputs = PlanInputs { ask: &ask, view: &view, rendered: &charts, crd_answers: &forecast.crd_answers };
    let Drift { recorded_state, items: drift, interrupted_run } =
        inputs.compute_drift(baseline, connection.journal.as_ref().ok(), &connection.env.salt);
    let observations = Observations {
        now: Timestamp::now(),
        view: &view,
        tools: &connection.tools,
        cluster_uids,
        forecast,
        backup: connection.env.backup,
        locks: &connection.locks,
        journal: &connection.journal,
        has_unverified_crds: interrupted_run.as_ref().is_some_and(RunEntry::has_unverified_crds),
        has_failed_release: interrupted_run.as_ref().is_some_and(RunEntry::has_failed_release),
        drift,
        flux: &flux,
    };
    let Connection { helm, kubectl, env, .. } = &connection;
    let commands = ToolCommands { ask: &ask, helm, kubectl, run_id: &env.run_id };
    let plan = judge::build_plan(&ask, &observations, &charts, &commands)?;
    let removed_crds = judge::list_removed_crds(&ask, &observations, &charts);
    let secrets = collect_upgrade_secrets(&ask, &view, &charts);
    let is_required = matches!(baseline, PlanBaseline::InterruptedRun(_));
    let resumed = interrupted_run.map(|run| ResumedRun { run, is_required });
    let session = connection.into_session(&ask.installation, view, health_inputs, secrets);
    let work = UpgradeWork { ask, charts, removed_crds, flux, handover_manifests: None, recorded_state, resumed };
    Ok(Prepared { session, plan, work: Work::Upgrade(Box::new(work)) })
}

/// Reports what the values files repeat or misspell.
fn warn_of_values(ask: &UpgradeSpec, emit: Emit<'_>) -> Result<(), Problem> {
    let messages = values_files::check_files(&ask.values)?.into_iter();
    for message in messages.chain(values_files::check_files(&ask.crds_values)?) {
        emit(Event::Warning { stage: "values", message });
    }
    Ok(())
}

/// What the charts render to, and what the health checks read before the first write.
async fn render_all(
    context: &UpgradeContext<'_>,
    charts: (Option<FetchedChart>, Option<FetchedChart>),
) -> Result<(RenderedCharts, Option<HealthInputs>), Problem> {
    let stage = Stage::begin(context.emit, "render", "manifests of each chart");
    let (rendered, health_inputs) =
        tokio::join!(render::render_both(context, charts), read_health_inputs_before(context));
    let rendered = rendered?;
    stage.finish(rendered.summary());
    Ok((rendered, health_inputs))
}

/// What the final check compares with. Only a run that writes has one; it is read while helm renders.
async fn read_health_inputs_before(context: &UpgradeContext<'_>) -> Option<HealthInputs> {
    if !context.connection.env.mode.writes() {
        return None;
    }
    let (cluster, installation) = (&context.connection.cluster, &context.ask.installation);
    Some(picture::read_health_inputs(cluster, installation, context.view, &Expectations::default()).await)
}

/// The route of each chart through Flux.
fn find_flux_routes(
    context: &UpgradeContext<'_>,
    charts: &RenderedCharts,
    values: Option<Hidden<serde_json::Value>>,
) -> FluxRoutes {
    let charts = [&charts.crds, &charts.app].map(|rendered| {
        rendered.as_ref().map(|rendered| (rendered.fetched.chart.version.to_string(), &rendered.fetched.digest))
    });
    plan::flux::find_routes(context.ask, &context.view.flux, charts, values)
}
