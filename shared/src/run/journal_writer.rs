//! Writes the journal of a run: to a Secret in the cluster, and to a file on this workstation.
//!
//! Owns the retries, and what must be written before what. The run does not start if the journal cannot be written. Later, the
//! start of a step is written before the step; its result may be missing, because a resumed run reads the cluster itself. The
//! model of the journal is in `plan/journal`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::journal_error::JournalError;
use super::local_journal::write_local_file;
use super::run_options::JournalOptions;
use crate::cluster::{Cluster, journal_secret};
use crate::model::backup_format::encode_file_name;
use crate::plan::Step;
use crate::plan::journal::{BackupRef, JournalSnapshot, RunEntry, RunState, StepPhase, build_secret, parse_journal};
use crate::plan::recorded_state::RecordedCrd;
use crate::plan::saved_plan::RecordedRequest;
use crate::prepare::prepared::{JournalBaseline, Prepared, ResumedRun};
use crate::prepare::state_dir::cluster_state_dir;
use crate::problem::Cause;
use crate::report::event::{Emit, Event};

/// How often a write is tried, against conflicts and a server that is briefly unavailable.
const MAX_ATTEMPTS: u32 = 6;
const RETRY_DELAY: Duration = Duration::from_millis(300);

/// The journal of one run.
pub struct Journal {
    cluster: Cluster,
    namespace: String,
    state: tokio::sync::Mutex<JournalState>,
    local_file: Option<PathBuf>,
    local_write_failed: AtomicBool,
    time_spent: Mutex<Duration>,
}

struct JournalState {
    /// The Secret as the server last returned it; `None` if there was none.
    secret: Option<Value>,
    entry: RunEntry,
    /// Earlier runs that this run replaces.
    replaced_runs: Vec<RunEntry>,
    /// All attempts of the last write failed to reach the server: the next write gives up sooner.
    server_unreachable: bool,
}

/// Earlier runs that are still open. This run holds the lock of the installation, so they are not running: they were interrupted.
/// Runs that this one rolls back are closed when the rollback is done.
fn supersede_open_runs(prepared: &Prepared, journal: &JournalSnapshot, entry: &RunEntry) -> Vec<RunEntry> {
    let rolled_back = prepared.work.rollback_target().map_or(&[][..], |target| &target.run_ids);
    let is_open = |run: &&RunEntry| run.is_unfinished() && run.run != entry.run && !rolled_back.contains(&run.run);
    let supersede = |run: &RunEntry| {
        let mut run = run.clone();
        run.supersede(RunState::Superseded, &entry.run);
        run
    };
    journal.runs.iter().filter(is_open).map(supersede).collect()
}

impl Journal {
    /// Opens the journal: reads it, and records what this run is about to do. The locks are held.
    ///
    /// # Errors
    /// It cannot be read or written, or another run has continued the run that this one resumes. The run does not start.
    pub async fn open(
        prepared: &Prepared,
        journal_options: &JournalOptions,
        emit: Emit<'_>,
    ) -> Result<Self, JournalError> {
        let (cluster, namespace) = (prepared.session.cluster.clone(), prepared.session.installation.namespace.clone());
        let not_opened = |cause| JournalError::NotOpened { namespace: namespace.clone(), cause };
        let before =
            journal_secret::read_secret(&cluster, &namespace).await.map_err(|error| not_opened(Cause::new(error)))?;
        let recorded_journal = parse_journal(before.as_ref());
        let earlier = find_interrupted_run(prepared, &recorded_journal)?;
        let Some(JournalBaseline { ask, recorded_state }) = prepared.work.journal_baseline() else {
            return Err(not_opened(Cause::new("internal error: this kind of run has no journal")));
        };
        let recorded_state = recorded_state.map_err(|failure| not_opened(Cause::new(failure)))?;
        let request = RecordedRequest::new(ask, &prepared.plan, &journal_options.working_dir);
        let (identity, steps) = (&prepared.session.lease_watcher.identity, &prepared.plan.steps);
        let mut entry = RunEntry::new(journal_options.task, identity, request, recorded_state, steps, Timestamp::now());
        entry.number = recorded_journal.next_number();
        entry.continue_command.clone_from(&journal_options.continue_command);
        if let Some(earlier) = earlier {
            entry = entry.resume_from(earlier);
        }
        if let Some(rollback) = prepared.work.rollback_target() {
            entry.earlier_runs.clone_from(&rollback.run_ids);
            entry.backup.clone_from(&rollback.backup);
        }
        let replaced_runs = supersede_open_runs(prepared, &recorded_journal, &entry);
        let local = journal_options.state_dir.as_deref().map(|state| cluster_state_dir(state, &cluster.context));
        let local = local.map(|folder| folder.join(format!("{}.json", encode_file_name(&entry.run))));
        let state = JournalState { secret: before, entry, replaced_runs, server_unreachable: false };
        let journal = Self {
            cluster,
            namespace,
            state: tokio::sync::Mutex::new(state),
            local_file: local,
            local_write_failed: AtomicBool::new(false),
            time_spent: Mutex::default(),
        };
        journal.write(|_| (), emit).await.map_err(|cause| journal.not_opened(cause))?;
        Ok(journal)
    }

    /// Records the backup. It is written with the first step's entry, before the first write to anything else; or at once if the
    /// operator's hook has run, because the hook can take long and must not run twice.
    ///
    /// # Errors
    /// It cannot be written: a backup that is not in the journal cannot be found again.
    pub async fn record_backup(&self, backup: BackupRef, at_once: bool, emit: Emit<'_>) -> Result<(), JournalError> {
        let note = |entry: &mut RunEntry| entry.backup = Some(backup);
        if !at_once {
            self.update_unwritten(note, emit).await;
            return Ok(());
        }
        self.write(note, emit).await.map_err(|cause| self.not_opened(cause))
    }

    fn not_opened(&self, cause: Cause) -> JournalError {
        JournalError::NotOpened { namespace: self.namespace.clone(), cause }
    }

    /// How long the run has waited for its journal so far.
    pub fn time_spent(&self) -> Duration {
        *self.time_spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds time that was spent on the journal.
    pub(super) fn add_time_spent(&self, since: Instant) {
        *self.time_spent.lock().unwrap_or_else(PoisonError::into_inner) += since.elapsed();
    }

    /// The backup of an earlier run that this one continues.
    pub async fn earlier_backup(&self) -> Option<BackupRef> {
        self.state.lock().await.entry.backup.clone()
    }

    /// The ids of the runs in the journal, this one included.
    pub async fn list_known_runs(&self) -> Vec<String> {
        let state = self.state.lock().await;
        let recorded = parse_journal(state.secret.as_ref()).runs.into_iter().flat_map(|run| run.run_ids());
        recorded.chain(state.entry.run_ids()).collect()
    }

    /// Records that a step is about to start.
    ///
    /// # Errors
    /// It cannot be written: then the step does not start.
    pub async fn begin_step(&self, step: &Step, emit: Emit<'_>) -> Result<(), JournalError> {
        let recorded = self.write(|entry| entry.begin_step(step.id, Timestamp::now()), emit).await;
        recorded.map_err(|cause| JournalError::StepNotRecorded { namespace: self.namespace.clone(), cause })
    }

    /// Records the result of a step, with the evidence. Success is written with the next entry or the end of the run: a resumed run
    /// reads the cluster itself. The state of CRDs, and a failure, are written at once; if that fails, a note reports it, and the
    /// next write contains them too.
    pub async fn end_step(&self, step: &Step, phase: StepPhase, detail: &str, found: StepEvidence, emit: Emit<'_>) {
        // The state of the CRDs later shows whether another client changed them, so it is written at once.
        let found_crds = !found.live_crds.is_empty();
        let note = |entry: &mut RunEntry| {
            entry.end_step(step.id, phase, detail, Timestamp::now());
            entry.crds_after_run.extend(found.live_crds);
            entry.revisions.extend(found.revision);
        };
        if phase == StepPhase::Done && !found_crds {
            return self.update_unwritten(note, emit).await;
        }
        if let Err(reason) = self.write(note, emit).await {
            emit_note(emit, format!("the result of {} is not written yet: {reason}", step.id));
        }
    }

    /// Records the end of the run.
    pub async fn end_run(&self, state: RunState, emit: Emit<'_>) {
        if let Err(reason) = self.write(|entry| entry.end_run(state, Timestamp::now()), emit).await {
            emit_note(emit, format!("the end of this run could not be written: {reason}"));
        }
    }

    /// Records that this run rolled back other runs.
    pub async fn record_rollback(&self, runs: &[String], emit: Emit<'_>) {
        let mut state = self.state.lock().await;
        let recorded_journal = parse_journal(state.secret.as_ref());
        let by = state.entry.run.clone();
        for run in recorded_journal.runs.into_iter().filter(|run| runs.contains(&run.run)) {
            let mut run = run;
            run.supersede(RunState::RolledBack, &by);
            state.replaced_runs.push(run);
        }
        drop(state);
        self.end_run(RunState::Done, emit).await;
    }

    /// Changes our entry; the next write sends it to the cluster.
    async fn update_unwritten(&self, change: impl FnOnce(&mut RunEntry), emit: Emit<'_>) {
        let began = Instant::now();
        let mut state = self.state.lock().await;
        change(&mut state.entry);
        self.write_local_copy(&state.entry, emit);
        self.add_time_spent(began);
    }

    /// Changes our entry and writes it. Entries of other runs stay as the server has them.
    async fn write(&self, change: impl FnOnce(&mut RunEntry), emit: Emit<'_>) -> Result<(), Cause> {
        let began = Instant::now();
        let written = self.write_with_retry(change, emit).await;
        self.add_time_spent(began);
        written
    }

    async fn write_with_retry(&self, change: impl FnOnce(&mut RunEntry), emit: Emit<'_>) -> Result<(), Cause> {
        let mut state = self.state.lock().await;
        change(&mut state.entry);
        self.write_local_copy(&state.entry, emit);
        let (mut last, mut away) = (Cause::new("it was not tried"), false);
        for attempt in 0..MAX_ATTEMPTS {
            let runs: Vec<&RunEntry> = state.replaced_runs.iter().chain([&state.entry]).collect();
            let wanted = build_secret(&self.namespace, state.secret.as_ref(), &runs)
                .ok_or_else(|| Cause::new("this run alone exceeds the size limit of the journal"))?;
            match journal_secret::write_secret(&self.cluster, &self.namespace, &wanted).await {
                Ok(written) => {
                    state.secret = Some(written);
                    state.replaced_runs.clear();
                    state.server_unreachable = false;
                    return Ok(());
                }
                Err(error) if error.is_forbidden() && !self.cluster.is_recovering() => return Err(Cause::new(error)),
                Err(error) if state.server_unreachable && error.is_unavailable() => return Err(Cause::new(error)),
                Err(error) => {
                    (last, away) = (Cause::new(&error), error.is_unavailable());
                    if !error.is_conflict() {
                        tokio::time::sleep(RETRY_DELAY * (attempt + 1)).await;
                    }
                    // The answer to our own write may have been lost, and other clients write here too.
                    if let Ok(now) = journal_secret::read_secret(&self.cluster, &self.namespace).await {
                        if let Some(ended) = find_recorded_end(&state.entry, &parse_journal(now.as_ref())) {
                            return ended;
                        }
                        state.secret = now;
                    }
                }
            }
        }
        state.server_unreachable = away;
        Err(last)
    }

    /// Writes the copy on this workstation. A full disk does not end an upgrade: it is reported once.
    fn write_local_copy(&self, entry: &RunEntry, emit: Emit<'_>) {
        let Some(file) = &self.local_file else { return };
        if let Err(error) = write_local_file(file, entry)
            && !self.local_write_failed.swap(true, Ordering::SeqCst)
        {
            emit_note(
                emit,
                format!("no local copy in {}: {error}; the journal in the cluster is complete", file.display()),
            );
        }
    }
}

/// Whether this run has ended in the journal already: by our own write whose answer was lost, which is a success; or by another
/// run that took over the locks. Its entry is not overwritten.
fn find_recorded_end(ours: &RunEntry, now: &JournalSnapshot) -> Option<Result<(), Cause>> {
    let recorded = now.run(&ours.run).filter(|recorded| recorded.state != RunState::Open)?;
    // Every attempt writes the same end time, so this recognizes our own end.
    Some(match ((recorded.state, recorded.finished_at) == (ours.state, ours.finished_at), &recorded.superseded_by) {
        (true, _) => Ok(()),
        (false, Some(by)) => Err(Cause::new(format!("run {by} has continued this run"))),
        (false, None) => Err(Cause::new(format!("another run has recorded this run as {}", recorded.state.as_str()))),
    })
}

fn emit_note(emit: Emit<'_>, detail: String) {
    emit(Event::StageDone { stage: "journal", detail, seconds: 0.0 });
}

/// The run that this one resumes, as it is in the journal now.
fn find_interrupted_run<'a>(
    prepared: &Prepared,
    recorded_journal: &'a JournalSnapshot,
) -> Result<Option<&'a RunEntry>, JournalError> {
    let Some(resumed) = find_resumed_run(prepared) else { return Ok(None) };
    let now = recorded_journal.unfinished_run().filter(|run| run.run == resumed.run.run);
    if now.is_none() && resumed.is_required {
        return Err(JournalError::Continued { run: resumed.run.run.clone() });
    }
    Ok(now)
}

fn find_resumed_run(prepared: &Prepared) -> Option<&ResumedRun> {
    prepared.work.as_upgrade()?.resumed.as_ref()
}

/// What the cluster shows after a step, as the journal records it.
#[derive(Default)]
pub struct StepEvidence {
    /// The CRDs after the step.
    pub live_crds: BTreeMap<String, RecordedCrd>,
    /// The newest revision of the release that the step wrote, with the release.
    pub revision: Option<(String, u64)>,
}

/// Records the end of a run if there is nothing left to do or to roll back.
pub async fn close_without_work(prepared: &Prepared, emit: Emit<'_>) {
    let (cluster, namespace) = (&prepared.session.cluster, &prepared.session.installation.namespace);
    let follows = find_resumed_run(prepared).map(|resumed| (vec![resumed.run.run.clone()], RunState::Done));
    let rolled_back = prepared.work.rollback_target().map(|target| (target.run_ids.clone(), RunState::RolledBack));
    let Some((ids, state)) = follows.or(rolled_back) else { return };
    let Ok(Some(before)) = journal_secret::read_secret(cluster, namespace).await else { return };
    let mut runs = parse_journal(Some(&before)).runs;
    runs.retain(|run| ids.contains(&run.run));
    runs.iter_mut().for_each(|run| run.end_run(state, Timestamp::now()));
    let Some(wanted) = build_secret(namespace, Some(&before), &runs.iter().collect::<Vec<_>>()) else { return };
    // A run that stays open is closed by the next run.
    if journal_secret::write_secret(cluster, namespace, &wanted).await.is_ok() {
        emit_note(emit, format!("run {} is recorded as {}: it has no remaining steps", ids.join(", "), state.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::journal::tests::entry;

    #[test]
    fn a_run_that_was_taken_over_does_not_overwrite_its_end() {
        let seen = |run: &RunEntry| JournalSnapshot { runs: vec![run.clone()], unreadable_runs: Vec::new() };
        let (ours, mut theirs) = (entry(), entry());
        assert_eq!(find_recorded_end(&ours, &seen(&theirs)), None);
        theirs.end_run(RunState::Done, Timestamp::UNIX_EPOCH);
        assert!(
            find_recorded_end(&ours, &seen(&theirs))
                .unwrap()
                .unwrap_err()
                .to_string()
                .contains("recorded this run as done")
        );
        assert_eq!(
            find_recorded_end(&theirs, &seen(&theirs)),
            Some(Ok(())),
            "the answer to our own last write was lost"
        );
        let mut later = ours.clone();
        later.end_run(RunState::Done, Timestamp::MAX);
        assert!(find_recorded_end(&later, &seen(&theirs)).unwrap().is_err(), "done, and not by us");
        theirs.supersede(RunState::Superseded, "20261126-9");
        assert!(find_recorded_end(&ours, &seen(&theirs)).unwrap().unwrap_err().to_string().contains("20261126-9"));
    }
}
