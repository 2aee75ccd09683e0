//! Look, render, forecast, judge, decide: everything before the first write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::back::Undone;
use super::flux::{self, Adapted};
use super::foresee;
use super::judge::{Commands, Forecast};
use super::render::Rendered;
use super::turn::{self, Turn};
use super::workstation::Workstation;
use super::world::world;
use super::{bridge, evidence, judge, ready, render, values};
use crate::ask::{Ask, HelmOptions};
use crate::checks::guards::ServerAnswer;
use crate::checks::guards::saved_plan_holds::Moved;
use crate::checks::seen::Expect;
use crate::cluster::{Cluster, journal, look};
use crate::diff;
use crate::model::crd::Crd;
use crate::model::flux::FluxView;
use crate::model::lease::{Claim, LockSeen};
use crate::model::owner::Owner;
use crate::model::pending::made_by;
use crate::model::secret::{Hidden, Secrets};
use crate::model::tools::{OLDEST_HELM, OLDEST_KUBECTL, ToolsSeen};
use crate::model::view::{ClusterView, Looked, NotSeen};
use crate::model::vitals::Vitals;
use crate::plan::flux::Ways;
use crate::plan::journal::since::{Now, moved as moved_since};
use crate::plan::journal::{JournalSeen, RunEntry, Task};
use crate::plan::saved::SavedPlan;
use crate::plan::world::{World, moved};
use crate::plan::{self, Plan};
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};
use crate::tools::chart::Fetched;
use crate::tools::error::ToolError;
use crate::tools::find::Programs;
use crate::tools::helm::Helm;
use crate::tools::kubectl::Kubectl;

pub use super::render::Side;

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
    pub(super) _private: Option<TempDir>,
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

/// What was agreed to before, and is followed.
#[derive(Clone, Copy)]
enum Follow<'a> {
    Nothing,
    Saved(&'a SavedPlan),
    Run(&'a RunEntry),
}

async fn prepare_as(ask: Ask, follow: Follow<'_>, around: Surroundings, emit: Emit<'_>) -> Result<Prepared, Problem> {
    let private = private_folder()?;
    let Begun { mut helm, kubectl, tools, cluster, mut turn, locks, journal } = begin(&ask, &around, emit).await?;
    // Who owns the releases says where their charts and values come from: that is asked before they are fetched.
    let Adapted { ask, flux, values } = flux::adapted(ask, &mut helm, &cluster, private.path(), &around).await?;
    let looked = look_at(&cluster, &helm, &kubectl, &ask, flux, private.path(), &around, emit).await?;
    let First { view, charts, sees } = looked;

    let rendered = render_all(&helm, &ask, &view, &cluster, charts, private.path(), &around, emit).await?;
    let (rendered, vitals, ways) = flux_ways(&ask, &view, rendered, values);
    let forecast = forecast_all(&cluster, &ask, &view, &rendered, &tools, &around, emit).await;

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
        _private: Some(private),
    })
}

/// What the charts make, and the picture to compare with afterwards.
#[expect(clippy::too_many_arguments, reason = "one stage, asked for in one place")]
async fn render_all(
    helm: &Helm,
    ask: &Ask,
    view: &ClusterView,
    cluster: &Cluster,
    charts: (Option<Fetched>, Option<Fetched>),
    private: &Path,
    around: &Surroundings,
    emit: Emit<'_>,
) -> Result<(Rendered, Option<Vitals>), Problem> {
    let stage = Stage::begin(emit, "render", "what each chart makes");
    let rendering = render::both(helm, ask, view, cluster, charts, private);
    let (rendered, vitals) = tokio::join!(rendering, picture_before(cluster, ask, around, view));
    let rendered = rendered?;
    stage.done(rendered.told());
    Ok((rendered, vitals))
}

/// The picture to compare with afterwards, in a run that will write: while helm renders, it costs no time.
async fn picture_before(cluster: &Cluster, ask: &Ask, around: &Surroundings, view: &ClusterView) -> Option<Vitals> {
    around.wait_for_lock?;
    Some(ready::picture(cluster, &ask.installation, view, &Expect::default()).await)
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

/// What stands before the first reading.
struct Begun {
    helm: Helm,
    kubectl: Kubectl,
    tools: ToolsSeen,
    cluster: Cluster,
    turn: Turn,
    locks: Looked<Vec<LockSeen>>,
    journal: Looked<JournalSeen>,
}

/// Values files that can be read, tools that fit, a cluster, and who holds its locks.
async fn begin(ask: &Ask, around: &Surroundings, emit: Emit<'_>) -> Result<Begun, Problem> {
    values::check_files(&ask.values)?;
    let (helm, kubectl) = programs(ask, around);
    let tools = versions(&helm, &kubectl, &ask.helm).await?;
    let cluster = Cluster::connect(&ask.installation.cluster).await?;
    let mut turn = Turn::new(around.claim.clone(), around.workstation.clone());
    // Before anything is read: what somebody is changing right now would be read in vain.
    let locks = turn::first_look(&mut turn, &cluster, &ask.installation.namespace, around.wait_for_lock, emit).await?;
    // After the locks: what a run that lives writes meanwhile would be read too early.
    let journal = journal::look(&cluster, &ask.installation.namespace).await;
    Ok(Begun { helm, kubectl, tools, cluster, turn, locks, journal })
}

/// What the plan is made from.
struct Known<'a> {
    ask: &'a Ask,
    view: &'a ClusterView,
    rendered: &'a render::Rendered,
    forecasts: &'a BTreeMap<String, ServerAnswer>,
}

/// What the plan is made from, as it is kept, and what of it has moved since a plan was saved or a run was cut off.
struct Since {
    world: Looked<World>,
    moved: Option<Looked<Vec<Moved>>>,
    follows: Option<RunEntry>,
}

impl Known<'_> {
    fn since(&self, follow: Follow<'_>, journal: Option<&JournalSeen>, salt: &str) -> Since {
        match follow {
            Follow::Saved(saved) => {
                let world = self.world(&saved.world.values.salt);
                let moved = Some(world.as_ref().map(|now| moved(&saved.world, now)).map_err(Clone::clone));
                let follows = journal.and_then(|journal| self.went_before(journal));
                Since { world, moved, follows }
            }
            Follow::Run(run) => {
                let (world, moved) = self.since_run(run);
                Since { world, moved: Some(moved), follows: Some(run.clone()) }
            }
            Follow::Nothing => {
                let follows = journal.and_then(|journal| self.went_before(journal));
                Since { world: self.world(salt), moved: None, follows }
            }
        }
    }

    fn world(&self, salt: &str) -> Looked<World> {
        world(self.ask, self.view, self.rendered, &judge::gone(self.ask, self.view, self.rendered), salt)
    }

    fn since_run(&self, run: &RunEntry) -> (Looked<World>, Looked<Vec<Moved>>) {
        let world = self.world(&run.world.values.salt);
        let more = self.now();
        let moved = world.as_ref().map(|now| moved_since(run, now, &more)).map_err(Clone::clone);
        (world, moved)
    }

    /// The run that was cut off in this very upgrade, where nobody has moved anything since: the same command again goes on
    /// from it, and what was there before it is what a rollback goes back to.
    fn went_before(&self, journal: &JournalSeen) -> Option<RunEntry> {
        let run = journal.unfinished().filter(|run| run.task == Task::Upgrade)?;
        self.since_run(run).1.is_ok_and(|moved| moved.is_empty()).then(|| run.clone())
    }

    fn now(&self) -> Now {
        let live = self.view.crds.as_ref().ok();
        let same = |name: &String, answer: &ServerAnswer| {
            let (live, next) = (live?.get(name)?, answer.as_ref().ok()?);
            diff::same(live.json(), next.json()).then(|| name.clone())
        };
        let makers = self
            .view
            .releases
            .iter()
            .filter_map(|(release, records)| Some((release.clone(), made_by(records.as_ref().ok()?)?.to_owned())));
        let others =
            |release: &&String| !matches!(self.view.owners.get(*release), None | Some(Owner::Helm | Owner::Nobody));
        let wanted = |release: &String| {
            let installation = &self.ask.installation;
            let is_crds = *release == installation.crds_release;
            let side = if is_crds { &self.rendered.crds } else { &self.rendered.app };
            let newest = self.view.newest(release).ok().flatten()?;
            // helm-controller appends the digest: 1.2.3+abc.
            let version = newest.chart_version.split('+').next().unwrap_or_default();
            Some(version == side.as_ref()?.fetched.chart.version.to_string())
        };
        Now {
            through_owner: self
                .view
                .releases
                .keys()
                .filter(others)
                .filter(|one| wanted(one) == Some(true))
                .cloned()
                .collect(),
            as_wanted: self.forecasts.iter().filter_map(|(name, answer)| same(name, answer)).collect(),
            made_by: makers.collect(),
        }
    }
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
pub(super) fn private_folder() -> Result<TempDir, Problem> {
    let made = tempfile::Builder::new().prefix("mural-").tempdir();
    made.map_err(|error| Problem::failed("cannot make a private folder").because(error))
}

/// What one look at everything gives.
struct First {
    view: ClusterView,
    charts: (Option<Fetched>, Option<Fetched>),
    /// The uid of `kube-system` as helm sees it, and as kubectl does.
    sees: (Looked<String>, Looked<String>),
}

#[expect(clippy::too_many_arguments, reason = "one reading of everything, asked for in one place")]
async fn look_at(
    cluster: &Cluster,
    helm: &Helm,
    kubectl: &Kubectl,
    ask: &Ask,
    flux: FluxView,
    private: &Path,
    around: &Surroundings,
    emit: Emit<'_>,
) -> Result<First, Problem> {
    let stage = Stage::begin(emit, "look", "the cluster, the releases, the charts");
    // A cluster that cannot be read ends this at once, and is told before a chart that cannot be had.
    let rest = async {
        Ok(tokio::join!(
            render::fetch_both(helm, ask, private, around.helm_registry_config.as_deref()),
            helm.cluster_uid(private),
            kubectl.cluster_uid(),
        ))
    };
    let (view, (charts, helm_sees, kubectl_sees)) =
        tokio::try_join!(look::look_with(cluster, &ask.installation, std::future::ready(flux)), rest)?;
    let charts = charts?;
    stage.done(looked(&view));
    let sees = |who: &str, uid: Result<String, ToolError>| uid.map_err(|error| not_seen(who, &error));
    Ok(First { view, charts, sees: (sees("helm", helm_sees), sees("kubectl", kubectl_sees)) })
}

/// One look at everything, where no chart is needed.
pub(super) struct Bare {
    pub(super) helm: Helm,
    pub(super) kubectl: Kubectl,
    pub(super) tools: ToolsSeen,
    pub(super) cluster: Cluster,
    pub(super) turn: Turn,
    pub(super) locks: Looked<Vec<LockSeen>>,
    pub(super) journal: Looked<JournalSeen>,
    pub(super) view: ClusterView,
    pub(super) helm_sees: Looked<String>,
    pub(super) kubectl_sees: Looked<String>,
    pub(super) private: TempDir,
}

/// Looks.
///
/// # Errors
/// As [`prepare`].
pub(super) async fn bare(ask: &Ask, around: &Surroundings, emit: Emit<'_>) -> Result<Bare, Problem> {
    let private = private_folder()?;
    let Begun { helm, kubectl, tools, cluster, mut turn, locks, journal } = begin(ask, around, emit).await?;
    let stage = Stage::begin(emit, "look", "the cluster, the releases, the journal");
    let (view, helm_sees, kubectl_sees) =
        tokio::join!(look::look(&cluster, &ask.installation), helm.cluster_uid(private.path()), kubectl.cluster_uid(),);
    let view = view?;
    stage.done(looked(&view));
    turn.claim = claim(turn.claim, ask, &view);
    let sees = |who: &str, uid: Result<String, ToolError>| uid.map_err(|error| not_seen(who, &error));
    let (helm_sees, kubectl_sees) = (sees("helm", helm_sees), sees("kubectl", kubectl_sees));
    Ok(Bare { helm, kubectl, tools, cluster, turn, locks, journal, view, helm_sees, kubectl_sees, private })
}

/// Who we are, with what only the cluster and the flags can tell.
fn claim(ours: Claim, ask: &Ask, view: &ClusterView) -> Claim {
    let installation = format!("{}/{}", ask.installation.namespace, ask.installation.app_release);
    Claim { installation, as_user: view.hub.user.clone().unwrap_or_default(), ..ours }
}

/// The server's word on everything that would be written, and what stands around it.
async fn forecast_all(
    cluster: &Cluster,
    ask: &Ask,
    view: &ClusterView,
    rendered: &Rendered,
    tools: &ToolsSeen,
    around: &Surroundings,
    emit: Emit<'_>,
) -> Forecast {
    let stage = Stage::begin(emit, "forecast", "the server's own answer to each CRD and object");
    let helm_major = tools.helm.as_ref().map_or(3, |version| version.major);
    let (forecasts, application, surroundings, record_sizes, images, bundle) = tokio::join!(
        forecasts(cluster, ask, view, &rendered.wanted),
        foresee::application(cluster, ask, view, rendered, helm_major),
        foresee::around(cluster, ask, rendered),
        foresee::record_sizes(ask, rendered),
        foresee::images(ask, view, rendered, around.helm_registry_config.as_deref()),
        foresee::bundle(ask, rendered),
    );
    let (verdicts, waiver_notes) = evidence::verdicts(cluster, ask, view, &forecasts).await;
    let objects = application.as_ref().map_or(0, |application| application.foreseen.len());
    stage.done(if ask.server_dry_runs {
        format!("{} dry-runs", forecasts.len() + objects)
    } else {
        "none asked for".to_owned()
    });
    let grants = foresee::grants(cluster, ask, view, rendered, &forecasts, application.as_ref(), around.saves).await;
    Forecast {
        forecasts,
        verdicts,
        waiver_notes,
        application,
        surroundings,
        record_sizes,
        grants,
        images,
        token_ends: cluster.token_ends,
        bundle,
    }
}

/// What the server says of each CRD; without it, each chart's CRD stands for itself.
async fn forecasts(
    cluster: &Cluster,
    ask: &Ask,
    view: &ClusterView,
    wanted: &BTreeMap<String, Crd>,
) -> BTreeMap<String, ServerAnswer> {
    if !ask.server_dry_runs {
        return wanted.iter().map(|(name, crd)| (name.clone(), Ok(crd.clone()))).collect();
    }
    let nobody = BTreeMap::new();
    bridge::forecasts(cluster, view.crds.as_ref().unwrap_or(&nobody), wanted, ask.allowed.migrate).await
}

fn programs(ask: &Ask, around: &Surroundings) -> (Helm, Kubectl) {
    let cluster = ask.installation.cluster.clone();
    let helm = Helm {
        program: around.programs.helm.clone(),
        cluster: cluster.clone(),
        registry: ask.registry.clone(),
        namespace: ask.installation.namespace.clone(),
    };
    (helm, Kubectl { program: around.programs.kubectl.clone(), cluster })
}

/// Both versions, before anything is asked of them that an old one does not know.
async fn versions(helm: &Helm, kubectl: &Kubectl, passed: &HelmOptions) -> Result<ToolsSeen, Problem> {
    let (helm_version, kubectl_version) = tokio::join!(helm.version(), kubectl.version());
    let failed = |name: &str, error: ToolError| {
        error.problem(format!("{name} does not tell its version")).hint(format!("does {name} version work by itself?"))
    };
    let found = (
        helm_version.map_err(|error| failed("helm", error))?,
        kubectl_version.map_err(|error| failed("kubectl", error))?,
    );
    let asked =
        [("helm", &found.0, OLDEST_HELM, &helm.program), ("kubectl", &found.1, OLDEST_KUBECTL, &kubectl.program)];
    for (name, version, oldest, program) in asked {
        if *version < oldest {
            return Err(Problem::new(Exit::Refused, format!("{name} {version} ({}) is too old", program.display()))
                .hint(format!("install {name} {oldest} or newer and put it first on PATH")));
        }
    }
    passed.known_to(&found.0)?;
    Ok(ToolsSeen { helm: Ok(found.0), kubectl: Ok(found.1) })
}

fn not_seen(who: &str, error: &ToolError) -> NotSeen {
    NotSeen { what: "namespace kube-system".to_owned(), reason: format!("{who}: {error}") }
}

fn looked(view: &ClusterView) -> String {
    let crds: Looked<usize> = view.crds.as_ref().map(std::collections::BTreeMap::len).map_err(Clone::clone);
    let crds = crds.map_or_else(|not_seen| not_seen.to_string(), |count| format!("{count} CRDs"));
    format!("{} {}, {crds}", view.hub.context, view.hub.version)
}

/// One stage before the first write, told when it begins and when it is done.
pub(super) struct Stage<'a> {
    emit: Emit<'a>,
    stage: &'static str,
    began: Instant,
}

impl<'a> Stage<'a> {
    pub(super) fn begin(emit: Emit<'a>, stage: &'static str, detail: &str) -> Self {
        emit(Event::StageStarted { stage, detail: detail.to_owned() });
        Self { emit, stage, began: Instant::now() }
    }

    pub(super) fn done(self, detail: String) {
        (self.emit)(Event::StageDone { stage: self.stage, detail, seconds: self.began.elapsed().as_secs_f64() });
    }
}
