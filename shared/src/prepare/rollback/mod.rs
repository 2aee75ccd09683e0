//! Going back, and mending: what neither needs a chart for. Looked at, stated and guarded as an upgrade is.

mod backup_copy;
mod decided;
mod owner_check;
mod target;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::ask::Ask;
use crate::cluster::{Cluster, forecast};
use crate::model::crd::Crd;
use crate::model::dry_run::ServerAnswer;
use crate::model::release::ReleaseRecord;
use crate::model::view::ClusterView;
use crate::plan::back::{self, Back, Facts, Way};
use crate::plan::journal::{RunEntry, SavedCopy};
use crate::plan::repair::{self, Ailment, Mending};
use crate::plan::world::World;
use crate::prepare::crd_forecast;
use crate::prepare::evidence;
use crate::prepare::{Prepared, Stage, Surroundings, bare};
use crate::problem::{Exit, Problem};
use crate::report::event::Emit;

use backup_copy::{Copy, differing};
use decided::{Made, finished};
pub use target::{journal_of, to_resume, to_undo};

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
const OF_MENDING: [&str; 6] =
    ["tools-versions", "one-cluster", "owner-is-helm", "permissions", "crds-dry-run", "storage-migrating"];

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
    let uid = bare.view.hub.uid.clone().map_err(|not_seen| Problem::failed(not_seen.to_string()))?;
    let run = to_undo(&seen, &uid)?.clone();
    owner_check::helm_keeps_it(&run, &bare.view)?;
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
    let chain: Vec<&RunEntry> = run.ids().iter().filter_map(|id| seen.run(id)).collect();
    let facts = Facts {
        run: &run,
        chain: &chain,
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
    let Mending { ailments, steps, wanted } = repair::decide(&repair::Facts {
        namespace: &installation.namespace,
        releases: &releases,
        live: &live,
        journal: &seen,
        app: &installation.app_release,
        held: bare.view.flux.held().collect(),
    });
    let forecasts = crd_forecast::forecasts(&bare.cluster, &live, &wanted, true).await;
    let made = Made { steps, wanted, forecasts, guards: &OF_MENDING, undone: None };
    Ok((finished(ask, around, bare, made).await?, ailments))
}
