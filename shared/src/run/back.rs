//! Going back, and mending: what neither needs a chart for. Looked at, stated and guarded as an upgrade is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::journal::folder_of;
use super::prepare::{Bare, Prepared, Stage, Surroundings, bare};
use super::render::Rendered;
use super::save::{SUMS, sums};
use super::{evidence, judge, ready};
use crate::ask::{Ask, Installation};
use crate::checks::Checked;
use crate::checks::guards::ServerAnswer;
use crate::checks::seen::Expect;
use crate::cluster::snapshot::Snapshot;
use crate::cluster::{Cluster, application, around, forecast, grants, journal};
use crate::model::crd::Crd;
use crate::model::kept::file_name;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::secret::{Hidden, Secrets};
use crate::model::view::{ClusterView, NotSeen};
use crate::plan::back::restored::restored;
use crate::plan::back::{self, Back, Facts, Way};
use crate::plan::flux::Ways;
use crate::plan::journal::{JournalSeen, RunEntry, SECRET, SavedCopy, State, Task};
use crate::plan::needs::{Work, Written, needs};
use crate::plan::repair::{self, Ailment};
use crate::plan::seal::digest;
use crate::plan::world::World;
use crate::plan::{API_VERSION, Action, Plan, Step, order};
use crate::problem::{Exit, Problem};
use crate::report::event::Emit;

/// The guards that a way back has to pass: the others ask about charts.
const OF_A_WAY_BACK: [&str; 9] = [
    "tools-versions",
    "one-cluster",
    "owner-is-helm",
    "permissions",
    "journal-readable",
    "crds-dry-run",
    "storage-migrating",
    "webhooks-alive",
    "login-restarts",
];
/// What mending has to pass.
const OF_MENDING: [&str; 4] = ["tools-versions", "one-cluster", "owner-is-helm", "permissions"];

/// The run that is undone.
pub struct Undone {
    /// It, and those that it went on from.
    pub runs: Vec<String>,
    /// What was there before.
    pub world: World,
    /// What was saved.
    pub saved: Option<SavedCopy>,
    /// Where the copy is on this workstation.
    pub folder: Option<PathBuf>,
    /// What goes back, and what does not.
    pub statement: Back,
}

/// The journal of an installation, and the uid of its cluster.
///
/// # Errors
/// The cluster or the journal cannot be read, or a run in it cannot.
pub async fn journal_of(installation: &Installation) -> Result<(JournalSeen, String), Problem> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    let system = cluster.get("/api/v1/namespaces/kube-system").await;
    let uid = system.map_err(|error| error.problem(&cluster.context))?;
    let uid = uid["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let seen = journal::look(&cluster, &installation.namespace).await;
    let seen = seen.map_err(|not_seen| Problem::failed(not_seen.to_string()))?;
    match seen.unread.first() {
        None => Ok((seen, uid)),
        Some(unread) => {
            let hint = match unread.newer {
                true => "use the version that wrote it, or a newer one",
                false => "kubectl mural upgrade repair shows it and sets it aside",
            };
            let text = format!(
                "run {} in the journal (Secret {}/{SECRET}) cannot be read",
                unread.run, installation.namespace
            );
            Err(Problem::new(Exit::Refused, text).because(unread.reason.clone()).hint(hint))
        }
    }
}

/// The run that `resume` goes on from.
///
/// # Errors
/// A refusal: there is none, it is a rollback, or the journal is of another cluster.
pub fn to_resume(seen: &JournalSeen, uid: &str) -> Result<RunEntry, Problem> {
    let refused = |text: String| Problem::new(Exit::Refused, text);
    let Some(run) = seen.unfinished() else {
        let last = seen.runs.last().map_or_else(
            || "no run of ours is in the journal".to_owned(),
            |last| format!("the last run, {}, is {}", last.run, last.state.told()),
        );
        return Err(refused(format!("there is nothing to resume: {last}"))
            .hint("kubectl mural upgrade status says where everything stands"));
    };
    same_cluster(run, uid)?;
    match run.task {
        Task::Upgrade => Ok(run.clone()),
        Task::Rollback | Task::Repair => {
            let text = format!("run {} was going back: it is not gone on from by going forward", run.run);
            Err(refused(text).hint("kubectl mural upgrade rollback goes on with it; a new upgrade begins anew"))
        }
    }
}

fn same_cluster(run: &RunEntry, uid: &str) -> Result<(), Problem> {
    if run.world.cluster == uid {
        return Ok(());
    }
    let text = format!("run {} in the journal was made on another cluster: the uid of kube-system differs", run.run);
    Err(Problem::new(Exit::Refused, text)
        .hint("was the namespace restored from a backup? kubectl delete secret mural-journal removes what only the other cluster can use"))
}

/// The run that `rollback` undoes.
///
/// # Errors
/// A refusal: there is none, or the journal is of another cluster.
pub fn to_undo<'a>(seen: &'a JournalSeen, uid: &str) -> Result<&'a RunEntry, Problem> {
    let Some(run) = back::target(seen) else {
        let undone = seen.runs.iter().rev().find(|run| run.state == State::RolledBack);
        let last = match (undone, seen.runs.last()) {
            (Some(undone), _) => {
                let by = undone.by.as_ref().map_or_else(String::new, |by| format!(" by run {by}"));
                format!("run {} was rolled back{by} already", undone.run)
            }
            (None, Some(last)) => format!("the last run, {}, is {}", last.run, last.state.told()),
            (None, None) => "no run of ours is in the journal".to_owned(),
        };
        return Err(Problem::new(Exit::Refused, format!("there is nothing to go back from: {last}"))
            .hint("what helm itself can go back to: helm history mural"));
    };
    same_cluster(run, uid)?;
    Ok(run)
}

/// Prepares a rollback: reads, judges, states; writes nothing.
///
/// # Errors
/// There is nothing to go back from; somebody else has upgraded since; the saved copy was changed; the cluster cannot be read.
pub async fn prepare_back(
    ask: Ask,
    overwrite: bool,
    around: Surroundings,
    emit: Emit<'_>,
) -> Result<Prepared, Problem> {
    let bare = bare(&ask, &around, emit).await?;
    let seen = bare.journal.clone().map_err(|not_seen| Problem::failed(not_seen.to_string()))?;
    let elsewhere = |(_, owner): &(&String, &Owner)| !matches!(owner, Owner::Helm | Owner::Nobody);
    if let Some((release, owner)) = bare.view.owners.iter().find(elsewhere) {
        let text = format!("release {release} is kept by {owner}: it would put back what we take back");
        let hint = "go back through the owner: kubectl mural upgrade --to OLDER --crds OLDER --allow-downgrade";
        return Err(Problem::new(Exit::Refused, text).hint(hint));
    }
    let uid = bare.view.hub.uid.clone().map_err(|not_seen| Problem::failed(not_seen.to_string()))?;
    let run = to_undo(&seen, &uid)?.clone();
    let stage = Stage::begin(emit, "saved", "what was saved before the run");
    let copy = Copy::of(&run, &bare, &around)?;
    stage.done(copy.told());
    let live = bare.view.crds.clone().map_err(|not_seen| Problem::failed(not_seen.to_string()))?;
    let stage = Stage::begin(emit, "judge", "what going back does to each CRD and its objects");
    let wanted = differing(&run, &live, &copy);
    let forecasts = forecasts(&bare.cluster, &wanted).await;
    let (verdicts, _) = evidence::verdicts(&bare.cluster, &ask, &bare.view, &forecasts).await;
    stage.done(format!("{} CRDs differ", wanted.len()));
    let releases = records(&bare.view)?;
    let facts = Facts {
        run: &run,
        earlier: &back::begun(&seen, &run),
        releases: &releases,
        live: &live,
        saved: copy.crds.as_ref().map_err(String::as_str),
        forecasts: &forecasts,
        verdicts: &verdicts,
        overwrite,
    };
    let (statement, steps) = back::decide(&facts).map_err(|by| moved(&by))?;
    overwritable(&statement, &copy)?;
    let wanted = wanted.into_iter().filter(|(name, _)| goes_back(&statement, name)).collect();
    let forecasts = forecasts.into_iter().filter(|(name, _)| goes_back(&statement, name)).collect();
    let undone =
        Undone { runs: run.ids(), world: run.world.clone(), saved: run.saved.clone(), folder: copy.folder, statement };
    finished(ask, around, bare, Made { steps, wanted, forecasts, guards: &OF_A_WAY_BACK, undone: Some(undone) }).await
}

fn goes_back(statement: &Back, name: &str) -> bool {
    statement.crds.iter().any(|crd| crd.name == name && crd.way == Way::GoesBack)
}

fn moved(moved: &back::Moved) -> Problem {
    let hint = format!("helm history {0}; to go back by hand: helm rollback {0} REVISION", moved.release);
    Problem::new(Exit::Refused, format!("{moved}: going back would undo that too")).hint(hint)
}

/// Saved objects stand in for live ones only where their CRD can hold them.
fn overwritable(statement: &Back, copy: &Copy) -> Result<(), Problem> {
    if statement.objects == back::Objects::Stay {
        return Ok(());
    }
    if let Err(why) = &copy.crds {
        return Err(Problem::new(Exit::Refused, format!("--overwrite has nothing to write: {why}")));
    }
    let saved = copy.crds.as_ref().ok();
    let stays = |name: &String| statement.crds.iter().find(|crd| crd.name == *name && crd.way == Way::Stays);
    match saved.and_then(|saved| saved.keys().find_map(stays)) {
        None => Ok(()),
        Some(crd) => Err(Problem::new(Exit::Refused, format!("--overwrite: CRD {} stays: {}", crd.name, crd.because))
            .hint("its saved objects may not fit it; without --overwrite all objects stay as they are now")),
    }
}

/// What was saved, as far as this workstation has it.
struct Copy {
    folder: Option<PathBuf>,
    /// The CRDs; why there are none.
    crds: Result<BTreeMap<String, Crd>, String>,
}

impl Copy {
    /// # Errors
    /// It is here, and is not as it was written.
    fn of(run: &RunEntry, bare: &Bare, around: &Surroundings) -> Result<Self, Problem> {
        let none = |why: String| Ok(Self { folder: None, crds: Err(why) });
        let Some(saved) = &run.saved else {
            return none("nothing was saved before the run (--no-save, or it was forgotten)".to_owned());
        };
        let first = run.ids().into_iter().next().unwrap_or_default();
        // Where we would have put it, too: the folder may have come here with a home folder that machines share.
        let ours = around.state.as_deref().map(|state| folder_of(state, &bare.cluster.context).join(file_name(&first)));
        let places = [Some(PathBuf::from(&saved.folder)), ours];
        let Some(folder) = places.into_iter().flatten().find(|folder| folder.join(SUMS).is_file()) else {
            return none(format!("the saved copy is on {}, in {}", saved.host, saved.folder));
        };
        unchanged(&folder, saved)?;
        let crds = crds(&folder)?;
        Ok(Self { folder: Some(folder), crds: Ok(crds) })
    }

    fn told(&self) -> String {
        match (&self.crds, &self.folder) {
            (Ok(crds), Some(folder)) => format!("{} CRDs in {}", crds.len(), folder.display()),
            (Ok(_), None) => String::new(),
            (Err(why), _) => why.clone(),
        }
    }
}

/// Compares every file with the list that the journal knows by its digest.
fn unchanged(folder: &Path, saved: &SavedCopy) -> Result<(), Problem> {
    let edited = |what: String| {
        Problem::new(Exit::Refused, format!("the saved copy {} is not as it was written: {what}", folder.display()))
            .hint("bring the copy back as it was; or move it away: then CRDs stay, and the application alone goes back")
    };
    let listed = std::fs::read(folder.join(SUMS)).map_err(|error| edited(error.to_string()))?;
    let listed: Map<String, Value> =
        serde_json::from_slice(&listed).map_err(|_| edited(format!("{SUMS} is no list of files")))?;
    let listed = Value::Object(listed);
    if digest(&listed) != saved.digest {
        return Err(edited(format!("{SUMS} is another one")));
    }
    let (now, _) = sums(folder).map_err(|error| edited(error.to_string()))?;
    let (Some(listed), Some(now)) = (listed.as_object(), now.as_object()) else { return Ok(()) };
    let names: BTreeSet<&String> = listed.keys().chain(now.keys()).collect();
    match names.into_iter().find(|name| listed.get(*name) != now.get(*name)) {
        Some(name) => Err(edited(format!("{name} was changed, added or removed"))),
        None => Ok(()),
    }
}

fn crds(folder: &Path) -> Result<BTreeMap<String, Crd>, Problem> {
    let unreadable = |reason: String| Problem::new(Exit::Refused, "the saved copy cannot be read").because(reason);
    let (snapshot, index) = Snapshot::open(folder).map_err(|error| unreadable(error.to_string()))?;
    let mut all = BTreeMap::new();
    for kept in &index.crds {
        let document = Snapshot::read(&snapshot.crd_file(&kept.name)).map_err(|error| unreadable(error.to_string()))?;
        let crd = Crd::new(document).map_err(|_| unreadable(format!("{} is no CRD", kept.name)))?;
        all.insert(kept.name.clone(), crd);
    }
    Ok(all)
}

/// The saved CRDs that the live ones differ from, as they would be applied.
fn differing(run: &RunEntry, live: &BTreeMap<String, Crd>, copy: &Copy) -> BTreeMap<String, Crd> {
    let saved = copy.crds.as_ref().ok().into_iter().flatten();
    let differs = |name: &String, now: &Crd| {
        let before = run.world.crds.get(name).and_then(Option::as_ref);
        before.is_some_and(|before| before.spec != digest(&now.json()["spec"]))
    };
    saved
        .filter_map(|(name, saved)| Some((name, saved, live.get(name)?)))
        .filter(|(name, _, now)| differs(name, now))
        .map(|(name, saved, now)| (name.clone(), restored(saved, now)))
        .collect()
}

async fn forecasts(cluster: &Cluster, wanted: &BTreeMap<String, Crd>) -> BTreeMap<String, ServerAnswer> {
    let asked: Vec<Crd> = wanted.values().cloned().collect();
    let answers = forecast::crds(cluster, &asked).await.into_iter();
    answers.map(|one| (one.name, one.answer.map_err(|error| error.to_string()))).collect()
}

fn records(view: &ClusterView) -> Result<BTreeMap<String, Vec<ReleaseRecord>>, Problem> {
    let unseen = |not_seen: &crate::model::view::NotSeen| Problem::new(Exit::ChecksFailed, not_seen.to_string());
    view.releases
        .iter()
        .map(|(release, records)| Ok((release.clone(), records.as_ref().map_err(unseen)?.clone())))
        .collect()
}

/// Prepares a repair: names what somebody left behind, and decides what mends it.
///
/// # Errors
/// The cluster cannot be read, or somebody is upgrading.
pub async fn prepare_repair(
    ask: Ask,
    around: Surroundings,
    emit: Emit<'_>,
) -> Result<(Prepared, Vec<Ailment>), Problem> {
    let bare = bare(&ask, &around, emit).await?;
    let seen = bare.journal.clone().map_err(|not_seen| Problem::failed(not_seen.to_string()))?;
    let live = bare.view.crds.clone().map_err(|not_seen| Problem::failed(not_seen.to_string()))?;
    let installation = &ask.installation;
    let releases = records(&bare.view)?;
    let (ailments, steps) = repair::decide(&repair::Facts {
        namespace: &installation.namespace,
        releases: &releases,
        live: &live,
        journal: &seen,
        app: &installation.app_release,
        held: bare.view.flux.held().map(|(named, run)| (named, run.to_owned())).collect(),
    });
    let (wanted, forecasts) = (BTreeMap::new(), BTreeMap::new());
    let made = Made { steps, wanted, forecasts, guards: &OF_MENDING, undone: None };
    Ok((finished(ask, around, bare, made).await?, ailments))
}

/// What was decided.
struct Made {
    steps: Vec<Step>,
    wanted: BTreeMap<String, Crd>,
    forecasts: BTreeMap<String, ServerAnswer>,
    guards: &'static [&'static str],
    undone: Option<Undone>,
}

/// Guards it, and puts it into the form that every run has.
async fn finished(ask: Ask, around: Surroundings, bare: Bare, mut made: Made) -> Result<Prepared, Problem> {
    order::check(&made.steps)
        .map_err(|error| Problem::failed("the plan breaks a rule of its own: please report this").because(error))?;
    made.steps = commands(&ask, &bare, made.steps);
    let nothing = Expect::default();
    let picture = ready::picture(&bare.cluster, &ask.installation, &bare.view, &nothing);
    let (plan, vitals) = tokio::join!(planned(&ask, &bare, &made), picture);
    let Made { wanted, undone, .. } = made;
    let world = match &undone {
        Some(undone) => Ok(undone.world.clone()),
        None => Err(NotSeen { what: "a world".to_owned(), reason: "none is kept of a repair".to_owned() }),
    };
    let leaving = undone.as_ref().map(|undone| undone.statement.kept.clone()).unwrap_or_default();
    let Bare { helm, kubectl, tools, cluster, turn, view, private, .. } = bare;
    Ok(Prepared {
        ask,
        cluster,
        helm,
        kubectl,
        tools,
        secrets: secrets(&view),
        view,
        vitals: Some(vitals),
        crds: None,
        app: None,
        wanted,
        leaving,
        plan,
        flux: Ways::default(),
        manifests: Hidden::new(Vec::new()),
        config: Hidden::new(Value::Object(Map::new())),
        world,
        follows: None,
        resumes: false,
        back: undone,
        turn,
        around,
        _private: Some(private),
    })
}

async fn planned(ask: &Ask, bare: &Bare, made: &Made) -> Plan {
    Plan {
        api_version: API_VERSION,
        kind: "UpgradePlan",
        hub: bare.view.hub.clone(),
        mode: ask.mode,
        locks: bare.locks.clone(),
        charts: Vec::new(),
        crds: Vec::new(),
        objects: Vec::new(),
        values: Vec::new(),
        guards: guarded(ask, bare, made).await,
        steps: made.steps.clone(),
        left_alone: Vec::new(),
    }
}

async fn guarded(ask: &Ask, bare: &Bare, made: &Made) -> Vec<Checked> {
    let grants = granted(ask, bare, &made.steps, &made.forecasts).await;
    let config = Hidden::new(Value::Object(Map::new()));
    let rendered = Rendered { crds: None, app: None, wanted: made.wanted.clone(), config };
    let surroundings = around::look(&bare.cluster, &ask.installation.namespace, &BTreeSet::new()).await;
    let forecast = judge::Forecast {
        forecasts: made.forecasts.clone(),
        verdicts: BTreeMap::new(),
        waiver_notes: Vec::new(),
        application: None,
        surroundings,
        record_sizes: Vec::new(),
        grants,
        images: None,
        token_ends: bare.cluster.token_ends,
        bundle: None,
    };
    let seen = judge::Facets {
        view: &bare.view,
        tools: &bare.tools,
        helm_sees: bare.helm_sees.clone(),
        kubectl_sees: bare.kubectl_sees.clone(),
        forecast,
        locks: bare.locks.clone(),
        journal: &bare.journal,
        unproved: false,
        moved: None,
        flux: &Ways::default(),
    };
    judge::guards(ask, &seen, &rendered, made.guards)
}

/// Every secret text that the stored values hold.
fn secrets(view: &ClusterView) -> Secrets {
    let records = view.releases.values().filter_map(|records| records.as_ref().ok()).flatten();
    let values: Vec<&Value> = records.map(|record| record.config.reveal()).collect();
    Secrets::of(&values, &[])
}

/// The exact command of each step that runs one.
fn commands(ask: &Ask, bare: &Bare, steps: Vec<Step>) -> Vec<Step> {
    let one = |mut step: Step| {
        step.command = match &step.action {
            Action::KeepCrds { names } => bare.kubectl.keep_call(names, ask.timeout).shown(),
            Action::RestoreCrds { .. } => bare.kubectl.apply_call(ask.timeout).shown(),
            Action::RollbackRelease { release, revision, wait } => {
                let (revision, wait, timeout) = (*revision, *wait, ask.timeout);
                let back = crate::tools::helm::Rollback { release, revision, wait, timeout, passed: ask.helm.words() };
                bare.helm.rollback_call(&back).shown()
            }
            _ => Vec::new(),
        };
        step
    };
    steps.into_iter().map(one).collect()
}

async fn granted(
    ask: &Ask,
    bare: &Bare,
    steps: &[Step],
    forecasts: &BTreeMap<String, ServerAnswer>,
) -> crate::model::grants::Grants {
    let writes_crds = steps.iter().any(|step| {
        matches!(step.action, Action::RestoreCrds { .. } | Action::KeepCrds { .. } | Action::UnkeepCrds { .. })
    });
    let app = steps.iter().find_map(|step| match &step.action {
        Action::RollbackRelease { release, revision, wait: true } => manifests(&bare.view, release, *revision),
        _ => None,
    });
    let kinds = if app.is_some() { application::kinds(&bare.cluster).await.ok() } else { None };
    let judged: Vec<&Crd> = forecasts.values().filter_map(|answer| answer.as_ref().ok()).collect();
    let work = Work {
        namespace: &ask.installation.namespace,
        crds: if writes_crds { Written::Changed } else { Written::None },
        app: app.as_ref().map(|(old, new)| (old.as_slice(), new.as_slice())),
        judged: &judged,
        kinds: kinds.as_ref(),
        brought: &[],
        patched: &[],
    };
    grants::look(&bare.cluster, &needs(&work)).await
}

/// The objects that are there and those that helm goes back to.
fn manifests(view: &ClusterView, release: &str, revision: u64) -> Option<(Vec<Value>, Vec<Value>)> {
    let records = view.releases.get(release)?.as_ref().ok()?;
    let target = records.iter().find(|record| record.revision == revision)?;
    let newest = records.last()?;
    Some((newest.objects().ok()?, target.objects().ok()?))
}
