//! EFFECTS: runs a plan: acquires the locks, opens the journal, backs up, then for each step: guard, act, verify, record.
//!
//! Owns every write to the cluster, and the order of these four. It decides nothing: the plan does. It stops at the first step that
//! fails or cannot be verified. Input: [`Prepared`] with a plan that no guard refuses. Output: events and an [`UpgradeReport`].

pub mod act;
mod action_error;
mod adopt_objects;
pub mod backup;
mod clock_skew;
pub mod context;
pub mod delete_backup;
mod final_check;
pub mod flux;
pub mod journal_error;
pub mod journal_writer;
mod local_journal;
pub mod lock;
pub mod migration_error;
mod object_migration;
mod probe;
mod release_error;
mod replaced_objects;
pub mod run_backup;
mod run_backup_error;
pub mod run_options;
mod served_schema_error;
mod state_after_failure;
mod step_error;
mod step_evidence;
pub mod step_guard;
pub mod step_guard_error;
pub mod storage_version_migration;
mod unlock;
pub mod upgrade_status;
mod verified_crds;
mod verify_release;
mod verify_served_schema;
mod wait_details;
mod wait_for_release;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use context::Run;
use journal_writer::Journal;
use run_options::RunOptions;
use step_error::{Interruption, StepError, format_problem};
use verified_crds::VerifiedCrds;

use crate::model::command::ProcessGuard;
use crate::model::lease::LEASE_DURATION;
use crate::plan::Step;
use crate::plan::journal::{RunState, StepPhase};
use crate::prepare::local_run_locks::RunLockFile;
use crate::prepare::prepared::Prepared;
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};
use crate::report::upgrade_report::{FinalCheck, Outcome, StepOutcome, StepState, UpgradeReport};

/// Runs a plan that no guard refuses, to its end or to the first failure. Acquires the locks and releases them.
///
/// # Errors
/// The locks cannot be acquired, or the journal or the backup cannot be written. A step's failure is part of the report.
pub async fn run(prepared: &Prepared, options: &RunOptions, emit: Emit<'_>) -> Result<UpgradeReport, Problem> {
    let secrets = &prepared.session.secrets;
    run_with_lock(prepared, options, &|event: Event| emit(event.mask(secrets))).await
}

async fn run_with_lock(prepared: &Prepared, options: &RunOptions, emit: Emit<'_>) -> Result<UpgradeReport, Problem> {
    let session = &prepared.session;
    let identity = &session.lease_watcher.identity;
    let lock_file = session.env.local_locks.as_ref().and_then(|locks| locks.create_lock_file(identity));
    let process_guard =
        ProcessGuard { starter: session.env.starter.clone(), lock_file: lock_file.as_ref().map(RunLockFile::file) };
    let began = Instant::now();
    let locks = lock::acquire(prepared, lock_file.as_ref(), options, emit).await?;
    let spent = |journal: &Option<Journal>| journal.as_ref().map_or(Duration::ZERO, Journal::time_spent);
    session.cluster.enable_retries();
    // Another run held the lock and may have written.
    let waited = began.elapsed() >= crate::prepare::lease_watcher::POLL_INTERVAL;
    let unchanged = if waited { step_guard::check_all_unchanged(prepared).await } else { Ok(()) };
    let opened = match unchanged {
        Ok(()) => open_journal_and_back_up(prepared, options, emit).await,
        Err(changed) => Err(changed.into()),
    };
    let report = match opened {
        Ok(journal) => {
            let before = began.elapsed().saturating_sub(spent(&journal));
            let (verified_crds, migrated_crds) = (VerifiedCrds::default(), Mutex::default());
            let (locks, process_guard) = (&locks, &process_guard);
            let run = Run { prepared, options, emit, locks, process_guard, journal, verified_crds, migrated_crds };
            let report = run_and_record(&run).await;
            Ok(UpgradeReport { overhead_seconds: (before + spent(&run.journal)).as_secs_f64(), ..report })
        }
        Err(problem) => Err(problem),
    };
    if let Err(error) = locks.release().await {
        let detail = format!("could not be released ({error}): it expires within {}s", LEASE_DURATION.as_secs());
        emit(Event::StageDone { stage: "lock", detail, seconds: 0.0 });
        lock_file.iter().for_each(RunLockFile::keep_on_drop);
    }
    report
}

/// Opens the journal, then backs up. A run without a journal backs up only what it deletes.
async fn open_journal_and_back_up(
    prepared: &Prepared,
    options: &RunOptions,
    emit: Emit<'_>,
) -> Result<Option<Journal>, Problem> {
    let Some(journal_options) = &options.journal_options else {
        run_backup::back_up_before_loss(prepared, options, emit).await?;
        return Ok(None);
    };
    let journal = Journal::open(prepared, journal_options, emit).await?;
    if let Some(backup_options) = &journal_options.backup
        && let Err(problem) =
            run_backup::back_up_before_run(prepared, options, journal_options, backup_options, &journal, emit).await
    {
        // Nothing was written; a run that this one resumes stays open.
        journal.end_run(RunState::Interrupted, emit).await;
        return Err(problem);
    }
    Ok(Some(journal))
}

/// Runs the steps, and records the end of the run in the journal.
async fn run_and_record(run: &Run<'_>) -> UpgradeReport {
    let report = run_steps(run).await;
    let Some(journal) = &run.journal else { return report };
    match (report.outcome, run.prepared.work.rollback_target()) {
        (Outcome::Succeeded, Some(rollback)) => journal.record_rollback(&rollback.run_ids, run.emit).await,
        (Outcome::Succeeded, None) => journal.end_run(RunState::Done, run.emit).await,
        _ if report.exit_code == Exit::Interrupted.code() => journal.end_run(RunState::Interrupted, run.emit).await,
        _ => journal.end_run(RunState::Failed, run.emit).await,
    }
    report
}

async fn run_steps(run: &Run<'_>) -> UpgradeReport {
    let (prepared, options) = (run.prepared, run.options);
    let mut outcomes: Vec<StepOutcome> = Vec::new();
    let mut validate = None;
    let mut exit = Exit::Success;
    for step in &prepared.plan.steps {
        if exit != Exit::Success {
            outcomes.push(build_step_outcome(step, StepState::NotStarted, String::new(), Duration::ZERO));
            continue;
        }
        match run_step(run, step, &mut validate).await {
            Ok(done) => outcomes.push(done),
            Err((failed, code)) => {
                // Exit code 5 means "refused; nothing was written". It is wrong after a step that has written.
                let is_refusal = code == Exit::Refused && !has_written(&prepared.plan.steps, &outcomes);
                exit = if code == Exit::Refused && !is_refusal { Exit::Failed } else { code };
                outcomes.push(failed);
            }
        }
    }
    if let (Some(flux_note), Some(failed)) = (
        flux::resume_after_failure(run, &outcomes, exit).await,
        outcomes.iter_mut().find(|outcome| outcome.state == StepState::Failed),
    ) {
        failed.detail.push_str(&prepared.session.secrets.mask(&format!("\n→ {flux_note}")));
    }
    let ended = if exit == Exit::Success { Outcome::Succeeded } else { Outcome::Failed };
    let seconds = options.started.elapsed().as_secs_f64();
    let after_failure = match ended {
        Outcome::Failed => Some(state_after_failure::read_state(run).await),
        _ => None,
    };
    let report = prepared.build_report(ended, exit, seconds);
    UpgradeReport { steps: outcomes, final_check: validate, after_failure, ..report }
}

/// Whether a step that writes is done.
fn has_written(steps: &[Step], outcomes: &[StepOutcome]) -> bool {
    let mut pairs = steps.iter().zip(outcomes);
    pairs.any(|(step, outcome)| step.action.is_write() && outcome.state == StepState::Done)
}

async fn run_step(
    run: &Run<'_>,
    step: &Step,
    validate: &mut Option<FinalCheck>,
) -> Result<StepOutcome, (StepOutcome, Exit)> {
    let began = Instant::now();
    let (id, title, command) = (step.id.to_string(), step.title.clone(), step.command.clone());
    (run.emit)(Event::StepStarted { step: id.clone(), title, command });
    let result = guard_and_execute(run, step, validate).await.map_err(|error| error.into_problem(run, step));
    let seconds = began.elapsed().as_secs_f64();
    match result {
        Ok(detail) => {
            let detail = run.prepared.session.secrets.mask(&detail);
            record_step_end(run, step, StepPhase::Done, &detail).await;
            (run.emit)(Event::StepDone { step: id, detail: detail.clone(), seconds });
            Ok(build_step_outcome(step, StepState::Done, detail, began.elapsed()))
        }
        Err(problem) => {
            // The API server and helm quote what they refuse, which can contain secrets.
            let reason = run.prepared.session.secrets.mask(&format_problem(&problem));
            record_step_end(run, step, StepPhase::Failed, &reason).await;
            (run.emit)(Event::StepFailed { step: id, reason: reason.clone(), seconds });
            Err((build_step_outcome(step, StepState::Failed, reason, began.elapsed()), problem.exit))
        }
    }
}

async fn record_step_end(run: &Run<'_>, step: &Step, phase: StepPhase, detail: &str) {
    if let Some(journal) = &run.journal {
        let began = Instant::now();
        let evidence = step_evidence::read_step_evidence(run, step).await;
        journal.add_time_spent(began);
        journal.end_step(step, phase, detail, evidence, run.emit).await;
    }
}

async fn guard_and_execute(run: &Run<'_>, step: &Step, validate: &mut Option<FinalCheck>) -> Result<String, StepError> {
    if run.options.stop.is_requested() {
        return Err(Problem::from(Interruption::BeforeStep).into());
    }
    run.locks.begin_step(step.id.as_str()).await?;
    step_guard::check_before_step(run.prepared, &run.migrated_crds(), step).await?;
    flux::check_unchanged(run, step).await?;
    verify_served_schema::check_crds_stable(run, step).await?;
    if let Some(journal) = &run.journal {
        journal.begin_step(step, run.emit).await?;
    }
    Ok(act::act(run, step, validate).await?)
}

fn build_step_outcome(step: &Step, state: StepState, detail: String, took: Duration) -> StepOutcome {
    StepOutcome { step: step.id, state, detail, seconds: took.as_secs_f64() }
}
