//! The journal of a run: in the cluster, where anybody can go on from it, and beside it a file on this workstation.
//!
//! Before the first write it has to be written, or nothing is. Later, what a step means to do is written before it is begun;
//! what came of it may be missing, since whoever goes on looks at the cluster itself.

use crate::prepare::state_dir::folder_of;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::Run;
use crate::cluster::{Cluster, journal, look};
use crate::model::kept::file_name;
use crate::plan::journal::{JournalSeen, RunEntry, SECRET, SavedCopy, State, StepStands, Task, secret, seen};
use crate::plan::saved::Asked;
use crate::plan::world::LiveCrd;
use crate::plan::{Action, Step};
use crate::prepare::Prepared;
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};

/// How often a write is tried against others, and against a server that has a bad moment.
const TRIES: u32 = 6;
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// Local journals that are kept of one cluster.
const FILES: usize = 10;

/// How a run is kept.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// What it is for.
    pub task: Task,
    /// Where this workstation keeps what is ours (`$XDG_STATE_HOME/mural`); none where there is no such place.
    pub state: Option<PathBuf>,
    /// Where relative paths begin.
    pub folder: PathBuf,
    /// What is saved before the first write; none with `--no-save`.
    pub save: Option<super::save::SaveAsked>,
}

/// A run's journal.
pub struct Journal {
    cluster: Cluster,
    namespace: String,
    kept: tokio::sync::Mutex<Kept>,
    local: Option<PathBuf>,
    local_failed: AtomicBool,
    spent: Mutex<Duration>,
}

struct Kept {
    /// As the server last gave it; none where there was none.
    secret: Option<Value>,
    entry: RunEntry,
    /// Runs that this one stands for.
    over: Vec<RunEntry>,
    /// The server could not be reached in all the tries of the last write: the next one is not waited for as long.
    away: bool,
}

impl Journal {
    /// Opens it: reads what is there, and notes what this run is about to do. Written with the locks held.
    ///
    /// # Errors
    /// It cannot be read or written: nothing is done then. Somebody else went on from the run that is to be gone on from.
    pub async fn open(prepared: &Prepared, keeping: &Keeping, emit: Emit<'_>) -> Result<Self, Problem> {
        let (cluster, namespace) = (prepared.cluster.clone(), prepared.ask.installation.namespace.clone());
        let unopened = |error: crate::cluster::ApiError| unopened(&namespace).because(error);
        let before = journal::read(&cluster, &namespace).await.map_err(unopened)?;
        let seen = seen(before.as_ref());
        let earlier = earlier(prepared, &seen)?;
        let world = prepared.world.clone().map_err(|not_seen| unopened_as(&namespace, not_seen.to_string()))?;
        let asked = Asked::new(&prepared.ask, &prepared.plan, &keeping.folder);
        let (claim, steps) = (&prepared.turn.claim, &prepared.plan.steps);
        let mut entry = RunEntry::new(keeping.task, claim, asked, world, steps, Timestamp::now());
        entry.number = seen.next();
        let mut over = Vec::new();
        if let Some(earlier) = earlier {
            entry = entry.going_on(earlier);
        }
        if let Some(undone) = &prepared.back {
            entry.chain.clone_from(&undone.runs);
            entry.saved.clone_from(&undone.saved);
        }
        // What is undone is noted when that is done. With the installation's lock in our hands nobody else is at work: what is open was cut off.
        let undone = prepared.back.as_ref().map_or(&[][..], |undone| &undone.runs);
        let left = |run: &&RunEntry| run.unfinished() && run.run != entry.run && !undone.contains(&run.run);
        for run in seen.runs.iter().filter(left) {
            let mut run = run.clone();
            run.over(State::Replaced, &entry.run);
            over.push(run);
        }
        let local = keeping.state.as_deref().map(|state| folder_of(state, &cluster.context));
        let local = local.map(|folder| folder.join(format!("{}.json", file_name(&entry.run))));
        let kept = tokio::sync::Mutex::new(Kept { secret: before, entry, over, away: false });
        let journal =
            Self { cluster, namespace, kept, local, local_failed: AtomicBool::new(false), spent: Mutex::default() };
        journal.write(|_| (), emit).await.map_err(|reason| unopened_as(&journal.namespace, reason))?;
        Ok(journal)
    }

    /// Notes what was saved: with the first step's note, before the first write to anything else; at once where the operator's own
    /// program has saved too, which nobody likes to wait for twice.
    ///
    /// # Errors
    /// It cannot be written: a copy that nobody finds again is none.
    pub async fn saved(&self, copy: SavedCopy, at_once: bool, emit: Emit<'_>) -> Result<(), Problem> {
        let note = |entry: &mut RunEntry| entry.saved = Some(copy);
        if !at_once {
            self.later(note, emit).await;
            return Ok(());
        }
        self.write(note, emit).await.map_err(|reason| unopened_as(&self.namespace, reason))
    }

    /// How long the run has waited for its journal so far.
    pub fn spent(&self) -> Duration {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spend(&self, since: Instant) {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) += since.elapsed();
    }

    /// What an earlier run of the chain saved.
    pub async fn has_saved(&self) -> Option<SavedCopy> {
        self.kept.lock().await.entry.saved.clone()
    }

    /// Notes that a step is about to begin.
    ///
    /// # Errors
    /// It cannot be written: the step is not begun then.
    pub async fn begin(&self, step: &Step, emit: Emit<'_>) -> Result<(), Problem> {
        self.write(|entry| entry.begin(&step.id, Timestamp::now()), emit).await.map_err(|reason| {
            Problem::failed(format!("the journal (Secret {}/{SECRET}) cannot be written", self.namespace))
                .because(reason)
                .hint("this step was not begun: what is not in the journal is not done. Mend the reason, then: kubectl mural upgrade resume")
        })
    }

    /// Notes what came of a step, with the evidence. That it is done is written with the next note, the next step's or the
    /// run's end: who goes on after a kill looks at the cluster itself. How CRDs were left, and that a step failed, is written at
    /// once; where that cannot be, it is said, and the next write has it too.
    pub async fn end_step(&self, run: &Run<'_>, step: &Step, stands: StepStands, detail: &str) {
        let began = Instant::now();
        let found = evidence(run, step).await;
        self.spend(began);
        // How the CRDs were left tells later whose they are: that waits for nothing.
        let found_crds = !found.left.is_empty();
        let note = |entry: &mut RunEntry| {
            entry.end_step(&step.id, stands, detail, Timestamp::now());
            entry.left.extend(found.left);
            entry.revisions.extend(found.revision);
        };
        if stands == StepStands::Done && !found_crds {
            return self.later(note, run.emit).await;
        }
        if let Err(reason) = self.write(note, run.emit).await {
            said(run.emit, format!("what came of {} is not written yet: {reason}", step.id));
        }
    }

    /// Notes the end of the run.
    pub async fn end(&self, state: State, emit: Emit<'_>) {
        if let Err(reason) = self.write(|entry| entry.end(state, Timestamp::now()), emit).await {
            said(emit, format!("the end of this run could not be written: {reason}"));
        }
    }

    /// Notes that this run went back to what was before another one.
    pub async fn undone(&self, runs: &[String], emit: Emit<'_>) {
        let mut kept = self.kept.lock().await;
        let seen = seen(kept.secret.as_ref());
        let by = kept.entry.run.clone();
        for run in seen.runs.into_iter().filter(|run| runs.contains(&run.run)) {
            let mut run = run;
            run.over(State::RolledBack, &by);
            kept.over.push(run);
        }
        drop(kept);
        self.end(State::Done, emit).await;
    }

    /// Changes our entry, which the next write brings to the cluster.
    async fn later(&self, change: impl FnOnce(&mut RunEntry), emit: Emit<'_>) {
        let began = Instant::now();
        let mut kept = self.kept.lock().await;
        change(&mut kept.entry);
        self.beside(&kept.entry, emit);
        self.spend(began);
    }

    /// Changes our entry and writes it, over whatever others wrote meanwhile.
    async fn write(&self, change: impl FnOnce(&mut RunEntry), emit: Emit<'_>) -> Result<(), String> {
        let began = Instant::now();
        let written = self.tried(change, emit).await;
        self.spend(began);
        written
    }

    async fn tried(&self, change: impl FnOnce(&mut RunEntry), emit: Emit<'_>) -> Result<(), String> {
        let mut kept = self.kept.lock().await;
        change(&mut kept.entry);
        self.beside(&kept.entry, emit);
        let (mut last, mut away) = (String::new(), false);
        for attempt in 0..TRIES {
            let runs: Vec<&RunEntry> = kept.over.iter().chain([&kept.entry]).collect();
            let wanted = secret(&self.namespace, kept.secret.as_ref(), &runs)
                .ok_or("this run alone is larger than the journal may be")?;
            match journal::write(&self.cluster, &self.namespace, &wanted).await {
                Ok(written) => {
                    kept.secret = Some(written);
                    kept.over.clear();
                    kept.away = false;
                    return Ok(());
                }
                Err(error) if error.forbidden() && !self.cluster.is_just_back() => return Err(error.to_string()),
                Err(error) if kept.away && error.away() => return Err(error.to_string()),
                Err(error) => {
                    (last, away) = (error.to_string(), error.away());
                    if !error.conflict() {
                        tokio::time::sleep(AGAIN_AFTER * (attempt + 1)).await;
                    }
                    // An answer may have been lost on its way to us, and others write here too.
                    if let Ok(now) = journal::read(&self.cluster, &self.namespace).await {
                        if let Some(ended) = ended(&kept.entry, &seen(now.as_ref())) {
                            return ended;
                        }
                        kept.secret = now;
                    }
                }
            }
        }
        kept.away = away;
        Err(last)
    }

    /// The copy on this workstation. A disk that is full ends no upgrade: it is said once.
    fn beside(&self, entry: &RunEntry, emit: Emit<'_>) {
        let Some(file) = &self.local else { return };
        if let Err(error) = keep_file(file, entry)
            && !self.local_failed.swap(true, Ordering::SeqCst)
        {
            said(emit, format!("no copy of it in {}: {error}; the one in the cluster is kept", file.display()));
        }
    }
}

/// Whether this run has ended in the journal already: by our own write whose answer was lost, which is well; or by somebody
/// who took the locks over while we slept. Those notes are not written over.
fn ended(ours: &RunEntry, now: &JournalSeen) -> Option<Result<(), String>> {
    let noted = now.run(&ours.run).filter(|noted| noted.state != State::Open)?;
    // Our own end has our own time, in every try.
    Some(match ((noted.state, noted.ended) == (ours.state, ours.ended), &noted.by) {
        (true, _) => Ok(()),
        (false, Some(by)) => Err(format!("run {by} has gone on from it meanwhile")),
        (false, None) => Err(format!("somebody else found it {} meanwhile", noted.state.told())),
    })
}

fn said(emit: Emit<'_>, detail: String) {
    emit(Event::StageDone { stage: "journal", detail, seconds: 0.0 });
}

fn unopened(namespace: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        format!("the journal (Secret {namespace}/{SECRET}) cannot be kept; nothing was written"),
    )
    .hint(format!("get, create and update on secrets in namespace {namespace} are needed; helm needs them too"))
}

fn unopened_as(namespace: &str, reason: String) -> Problem {
    unopened(namespace).because(reason)
}

/// The run that this one goes on from, as it is now.
fn earlier<'a>(prepared: &Prepared, seen: &'a JournalSeen) -> Result<Option<&'a RunEntry>, Problem> {
    let Some(follows) = &prepared.follows else { return Ok(None) };
    let now = seen.unfinished().filter(|run| run.run == follows.run);
    if now.is_none() && prepared.resumes {
        let text = format!("run {} was gone on from by somebody else meanwhile", follows.run);
        return Err(Problem::new(Exit::Refused, text).hint("kubectl mural upgrade status says who, and how far it is"));
    }
    Ok(now)
}

/// What is seen after a step.
#[derive(Default)]
struct Evidence {
    left: BTreeMap<String, LiveCrd>,
    revision: Option<(String, u64)>,
}

async fn evidence(run: &Run<'_>, step: &Step) -> Evidence {
    let prepared = run.prepared;
    match &step.action {
        Action::ProveServed { .. } => Evidence { left: run.proved.left(), revision: None },
        Action::MigrateObjects { .. } => {
            let left = run.migrated().iter().map(|(name, crd)| (name.clone(), LiveCrd::of(crd))).collect();
            Evidence { left, revision: None }
        }
        Action::RecordRelease { release }
        | Action::UpgradeRelease { release }
        | Action::RollbackRelease { release, .. }
        | Action::UnlockRelease { release, .. } => {
            let newest = look::newest_revision(&prepared.cluster, &prepared.ask.installation.namespace, release).await;
            // Evidence that cannot be had is looked for by whoever goes on.
            Evidence { left: BTreeMap::new(), revision: newest.ok().flatten().map(|newest| (release.clone(), newest)) }
        }
        Action::KeepCrds { .. }
        | Action::UnkeepCrds { .. }
        | Action::ApplyCrds { .. }
        | Action::RestoreCrds { .. }
        | Action::RestoreObjects { .. }
        | Action::ForgetRuns { .. }
        | Action::HoldRelease { .. }
        | Action::MoveSource { .. }
        | Action::AwaitRelease { .. }
        | Action::AwaitApplication { .. }
        | Action::ApplyManifests { .. }
        | Action::LetReleaseGo { .. }
        | Action::Validate => Evidence::default(),
    }
}

/// Notes the end of a run of which nothing is left to do, or to undo.
pub async fn close(prepared: &Prepared, emit: Emit<'_>) {
    let (cluster, namespace) = (&prepared.cluster, &prepared.ask.installation.namespace);
    let follows = prepared.follows.as_ref().map(|run| (vec![run.run.clone()], State::Done));
    let undone = prepared.back.as_ref().map(|undone| (undone.runs.clone(), State::RolledBack));
    let Some((ids, state)) = follows.or(undone) else { return };
    let Ok(Some(before)) = journal::read(cluster, namespace).await else { return };
    let mut runs = seen(Some(&before)).runs;
    runs.retain(|run| ids.contains(&run.run));
    runs.iter_mut().for_each(|run| run.end(state, Timestamp::now()));
    let Some(wanted) = secret(namespace, Some(&before), &runs.iter().collect::<Vec<_>>()) else { return };
    // One that stays open is closed by the next run.
    if journal::write(cluster, namespace, &wanted).await.is_ok() {
        said(emit, format!("run {} is {}: nothing of it is left", ids.join(", "), state.told()));
    }
}

/// Whole or not at all, for its owner alone; older ones beyond the last ten go.
fn keep_file(file: &Path, entry: &RunEntry) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let temporary = tempfile::NamedTempFile::new_in(folder)?;
    put(temporary.as_file(), entry)?;
    temporary.persist(file).map_err(|error| error.error)?;
    let all = std::fs::read_dir(folder)?.flatten().map(|one| one.path());
    let mut all: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    all.sort();
    let old = all.len().saturating_sub(FILES);
    // One that cannot be removed does no harm.
    all.iter().take(old).filter(|old| *old != file).for_each(|old| drop(std::fs::remove_file(old)));
    Ok(())
}

/// Writes it all, or says why not.
fn put(mut file: &File, entry: &RunEntry) -> std::io::Result<()> {
    file.write_all(&serde_json::to_vec_pretty(entry)?)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::journal::tests::entry;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn who_was_taken_over_writes_nothing_more() {
        let seen = |run: &RunEntry| JournalSeen { runs: vec![run.clone()], unread: Vec::new() };
        let (ours, mut theirs) = (entry(), entry());
        assert_eq!(ended(&ours, &seen(&theirs)), None);
        theirs.end(State::Done, Timestamp::UNIX_EPOCH);
        assert!(ended(&ours, &seen(&theirs)).unwrap().unwrap_err().contains("found it done"));
        assert_eq!(ended(&theirs, &seen(&theirs)), Some(Ok(())), "the answer to our own last write was lost");
        let mut later = ours.clone();
        later.end(State::Done, Timestamp::MAX);
        assert!(ended(&later, &seen(&theirs)).unwrap().is_err(), "done, and not by us");
        theirs.over(State::Replaced, "20261126-9");
        assert!(ended(&ours, &seen(&theirs)).unwrap().unwrap_err().contains("20261126-9"));
    }

    /// `/dev/full` answers every write as a full disk does.
    #[test]
    fn a_full_disk_is_an_error() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = put(&full, &entry()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    #[test]
    fn the_copy_here_is_for_its_owner_alone_and_the_last_ten_are_kept() {
        let state = tempfile::tempdir().unwrap();
        let folder = folder_of(state.path(), "prod/hub");
        for at in 10..25 {
            keep_file(&folder.join(format!("20261123-{at}.json")), &entry()).unwrap();
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(folder.parent(), Some(state.path()), "a context is no path");
        assert_eq!((mode(&folder), mode(&folder.join("20261123-24.json"))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), FILES);
        let text = std::fs::read_to_string(folder.join("20261123-24.json")).unwrap();
        assert_eq!(serde_json::from_str::<RunEntry>(&text).unwrap(), entry());
    }
}
