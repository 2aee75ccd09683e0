//! Look, render, forecast, judge, decide: everything before the first write.

pub mod appliance;
pub mod crd_forecast;
mod drift;
mod evidence;
pub(crate) mod flux;
pub mod flux_follow;
pub mod flux_manifests;
mod forecast;
mod forecast_app;
pub mod judge;
pub mod lease_watcher;
mod look;
pub mod manifests;
pub mod only_crds;
pub mod picture;
pub mod recorded_state;
pub mod render;
pub mod rollback;
mod stage;
pub mod state_dir;
mod values;
pub mod workstation;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drift::{Follow, Known, Since};
use forecast::forecast_all;
use look::{Begun, First, begin, claim, look_at};
use tempfile::TempDir;

use crate::ask::Ask;
use crate::ask::expect::Expect;
use crate::cluster::Cluster;
use crate::model::crd::Crd;
use crate::model::lease::{Claim, LockSeen};
use crate::model::secret::{Hidden, Secrets};
use crate::model::tools::ToolsSeen;
use crate::model::view::{ClusterView, Looked};
use crate::model::vitals::Vitals;
use crate::plan;
use crate::plan::Plan;
use crate::plan::drift::Moved;
use crate::plan::flux::Ways;
use crate::plan::journal::{JournalSeen, RunEntry};
use crate::plan::saved::SavedPlan;
use crate::plan::world::World;
use crate::prepare::flux::Adapted;
use crate::prepare::judge::{Commands, Forecast};
use crate::prepare::lease_watcher::Turn;
use crate::prepare::render::Rendered;
use crate::prepare::rollback::Undone;
use crate::prepare::workstation::Workstation;
use crate::problem::Problem;
use crate::report::event::Emit;
use crate::tools::chart::Fetched;
use crate::tools::find::Programs;
use crate::tools::helm::Helm;
use crate::tools::kubectl::Kubectl;

pub(crate) use look::{Bare, bare};
pub(crate) use stage::Stage;

pub use crate::prepare::render::Side;

/// What the environment gives, read at the edge.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// helm and kubectl.
    pub programs: Programs,
    /// helm's own registry configuration, for a static login.
    pub helm_registry_config: Option<PathBuf>,
    /// The run's id.
    pub run: String,
    /// Another text in every run, for seals of values.
    pub salt: String,
    /// Who we are, for those who want the same locks.
    pub claim: Claim,
    /// How long a run that will write waits for a lock that somebody holds; none for one that only looks.
    pub wait_for_lock: Option<Duration>,
    /// Where signs of life are kept on this workstation; none where there is no such place.
    pub workstation: Option<Workstation>,
    /// Whether custom resources are saved before the first write: then they must be listed.
    pub saves: bool,
    /// Where this workstation keeps what is ours: journals and saved copies.
    pub state: Option<PathBuf>,
    /// A program of ours that starts others so that they end with us; none where the kernel has no such thing.
    pub starter: Option<PathBuf>,
}

/// Everything that a run needs, and the plan that it follows.
pub struct Prepared {
    /// What was asked for.
    pub ask: Ask,
    /// The cluster.
    pub cluster: Cluster,
    /// helm.
    pub helm: Helm,
    /// kubectl.
    pub kubectl: Kubectl,
    /// helm's and kubectl's versions.
    pub tools: ToolsSeen,
    /// The cluster as it was read.
    pub view: ClusterView,
    /// What stood around the releases before the first write; none in a run that will not write.
    pub vitals: Option<Vitals>,
    /// The CRD chart, where it moves.
    pub crds: Option<Side>,
    /// The application, where it moves.
    pub app: Option<Side>,
    /// Every CRD of the charts, as rendered.
    pub wanted: BTreeMap<String, Crd>,
    /// Live CRDs that leave the manifest of a release: helm must find them marked.
    pub leaving: Vec<String>,
    /// What is to be done.
    pub plan: Plan,
    /// The way through Flux; empty where Flux makes none of the releases.
    pub flux: Ways,
    /// Flux's manifests, where the releases are handed over to it.
    pub manifests: Hidden<Vec<serde_json::Value>>,
    /// The user's values of the application's next revision.
    pub config: Hidden<serde_json::Value>,
    /// What may be shown nowhere.
    pub secrets: Secrets,
    /// What the plan was made from, for a file and for the journal.
    pub world: Looked<World>,
    /// The run that was cut off, and that this one goes on from.
    pub follows: Option<RunEntry>,
    /// Whether it was asked to go on from it: then it does that or nothing.
    pub resumes: bool,
    /// The run that is undone; none where nothing goes back.
    pub back: Option<Undone>,
    /// Who we are, for those who want the same locks, and what was seen of them.
    pub turn: Turn,
    /// What else the environment gave.
    pub around: Surroundings,
    /// Holds the charts and value files; gone when this is dropped.
    pub(crate) private: Option<TempDir>,
}

/// Prepares an upgrade. Reads, renders and dry-runs; writes nothing.
///
/// # Errors
/// A problem that names what is missing: a cluster that cannot be read, a chart that is none, values that helm refuses.
/// What a guard refuses is no error: the plan says it.
pub async fn prepare(ask: Ask, around: Surroundings, emit: Emit<'_>) -> Result<Prepared, Problem> {
    prepare_as(ask, Follow::Nothing, around, emit).await
}

/// As [`prepare`], for a run that was cut off, and what was asked for in it: what somebody else has moved since is refused.
///
/// # Errors
/// As [`prepare`].
pub async fn prepare_resumed(
    ask: Ask,
    run: &RunEntry,
    around: Surroundings,
    emit: Emit<'_>,
) -> Result<Prepared, Problem> {
    prepare_as(ask, Follow::Run(run), around, emit).await
}

/// As [`prepare`], for a plan that was saved, and what was asked for in it: what has moved since is refused, and so are other steps.
///
/// # Errors
/// As [`prepare`]; the steps are not the saved ones though nothing moved.
pub async fn prepare_saved(
    ask: Ask,
    saved: &SavedPlan,
    around: Surroundings,
    emit: Emit<'_>,
) -> Result<Prepared, Problem> {
    let prepared = prepare_as(ask, Follow::Saved(saved), around, emit).await?;
    if !prepared.plan.refused() && !prepared.plan.undetermined() {
        saved.same_steps(&prepared.plan)?;
    }
    Ok(prepared)
}

async fn prepare_as(ask: Ask, follow: Follow<'_>, around: Surroundings, emit: Emit<'_>) -> Result<Prepared, Problem> {
    let private = private_folder()?;
    let Begun { mut helm, kubectl, tools, cluster, mut turn, locks, journal } = begin(&ask, &around, emit).await?;
    // Who owns the releases says where their charts and values come from: that is asked before they are fetched.
    let Adapted { ask, flux, values } = flux::adapted(ask, &mut helm, &cluster, private.path(), &around).await?;
    let looked = look_at(&cluster, &helm, &kubectl, &ask, flux, private.path(), &around, emit).await?;
    let First { view, charts, sees } = looked;

    let rendered = render_all((&helm, &kubectl), &ask, &view, &cluster, charts, private.path(), &around, emit).await?;
    let (rendered, vitals, ways) = flux_ways(&ask, &view, rendered, values);
    let forecast = forecast_all((&cluster, &helm, private.path()), &ask, &view, &rendered, &tools, &around, emit).await;

    let known = Known { ask: &ask, view: &view, rendered: &rendered, forecasts: &forecast.forecasts };
    let Since { world, moved, follows } = known.since(follow, journal.as_ref().ok(), &around.salt);
    let seen = facets((&view, &tools, &journal, &ways), sees, forecast, locks, (moved, follows.as_ref()));
    let plan = judge::plan(Commands { ask: &ask, helm: &helm, kubectl: &kubectl, run: &around.run }, &seen, &rendered)?;
    turn.claim = claim(turn.claim, &ask, &view);
    Ok(Prepared {
        leaving: judge::leaving(&ask, &seen, &rendered),
        secrets: secrets(&ask, &view, &rendered),
        ask,
        cluster,
        helm,
        kubectl,
        tools,
        view,
        vitals,
        crds: rendered.crds,
        app: rendered.app,
        wanted: rendered.wanted,
        plan,
        flux: ways,
        manifests: Hidden::new(Vec::new()),
        config: rendered.config,
        world,
        follows,
        resumes: matches!(follow, Follow::Run(_)),
        back: None,
        turn,
        around,
        private: Some(private),
    })
}

/// What the charts make, and the picture to compare with afterwards.
#[expect(clippy::too_many_arguments, reason = "one stage, asked for in one place")]
async fn render_all(
    tools: (&Helm, &Kubectl),
    ask: &Ask,
    view: &ClusterView,
    cluster: &Cluster,
    charts: (Option<Fetched>, Option<Fetched>),
    private: &Path,
    around: &Surroundings,
    emit: Emit<'_>,
) -> Result<(Rendered, Option<Vitals>), Problem> {
    let stage = Stage::begin(emit, "render", "what each chart makes");
    let rendering = render::both(tools, ask, view, cluster, charts, private);
    let (rendered, vitals) = tokio::join!(rendering, picture_before(cluster, ask, around, view));
    let rendered = rendered?;
    stage.done(rendered.told());
    Ok((rendered, vitals))
}

/// The picture to compare with afterwards, in a run that will write: while helm renders, it costs no time.
async fn picture_before(cluster: &Cluster, ask: &Ask, around: &Surroundings, view: &ClusterView) -> Option<Vitals> {
    around.wait_for_lock?;
    Some(picture::picture(cluster, &ask.installation, view, &Expect::default()).await)
}

fn facets<'a>(
    (view, tools, journal, flux): (&'a ClusterView, &'a ToolsSeen, &'a Looked<JournalSeen>, &'a Ways),
    (helm_sees, kubectl_sees): (Looked<String>, Looked<String>),
    forecast: Forecast,
    locks: Looked<Vec<LockSeen>>,
    (moved, follows): (Option<Looked<Vec<Moved>>>, Option<&RunEntry>),
) -> judge::Facets<'a> {
    let unproved = follows.is_some_and(RunEntry::unproved);
    judge::Facets { view, tools, helm_sees, kubectl_sees, forecast, locks, journal, unproved, moved, flux }
}

/// The way of each chart through Flux.
fn flux_ways(
    ask: &Ask,
    view: &ClusterView,
    (rendered, vitals): (Rendered, Option<Vitals>),
    values: Option<Hidden<serde_json::Value>>,
) -> (Rendered, Option<Vitals>, Ways) {
    let charts = [&rendered.crds, &rendered.app]
        .map(|side| side.as_ref().map(|side| (side.fetched.chart.version.to_string(), &side.fetched.digest)));
    let ways = plan::flux::ways(ask, &view.flux, charts, values);
    (rendered, vitals, ways)
}

/// Every secret text that values and rendered Secrets hold.
fn secrets(ask: &Ask, view: &ClusterView, rendered: &render::Rendered) -> Secrets {
    let stored = view.newest(&ask.installation.app_release).ok().flatten().map(|record| record.config.reveal());
    let values: Vec<&serde_json::Value> = stored.into_iter().chain([rendered.config.reveal()]).collect();
    Secrets::of(&values, rendered.app.as_ref().map_or(&[], |side| &side.rendered))
}

/// A folder that nobody else may read; gone when it is dropped.
pub(crate) fn private_folder() -> Result<TempDir, Problem> {
    let made = tempfile::Builder::new().prefix("mural-").tempdir();
    made.map_err(|error| Problem::failed("cannot make a private folder").because(error))
}
