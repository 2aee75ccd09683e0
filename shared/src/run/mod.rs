//! EFFECTS: the loop. Prepare (look, render, forecast, judge, decide), then step by step: guard, act, prove, next; stops at the first doubt.

pub mod act;
mod bridge;
mod clock;
pub mod flux;
pub mod forget;
pub mod guard;
pub mod journal;
pub mod keep;
pub mod lock;
pub mod migrate;
mod more;
mod probe;
mod prove;
mod ready;
mod released;
pub mod save;
pub mod status;
mod unlock;
mod wait;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use journal::Journal;

use crate::cluster::lock::{Locks, NotHeld};
use crate::model::crd::Crd;
use crate::model::lease::HOLDS_FOR;
use crate::plan::Step;
use crate::plan::journal::{State, StepStands};
use crate::prepare::Prepared;
use crate::prepare::workstation::Sign;
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};
use crate::report::upgrade::{LastLook, Outcome, StepOutcome, StepState, UpgradeReport};
use crate::tools::call::Leash;
use crate::tools::spawn::Stop;

/// How a run behaves, besides what it does.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The run's id: the label on the release.
    pub run: String,
    /// The longest one wait may last.
    pub timeout: Duration,
    /// How long a reason that does not pass by itself may last before a wait ends.
    pub failure_grace: Duration,
    /// How long to wait for a lock that somebody else holds.
    pub wait_for_lock: Duration,
    /// Asked by Ctrl-C, and when a lock is lost: what waits ends, what takes a moment is done first.
    pub stop: Stop,
    /// Asked when a lock is lost: nothing may go on.
    pub at_once: Stop,
    /// When the run began.
    pub began: Instant,
    /// How it is kept: a journal, and a copy of what is there before. None for a run that writes CRDs alone.
    pub keeping: Option<journal::Keeping>,
}

/// What the steps of one run share.
pub struct Run<'a> {
    /// What was prepared.
    pub prepared: &'a Prepared,
    /// How it behaves.
    pub manner: &'a Manner,
    /// Where events go.
    pub emit: Emit<'a>,
    /// What says that it is our turn.
    pub locks: &'a Locks,
    /// What keeps helm and kubectl from outliving us.
    pub leash: &'a Leash,
    /// What is noted of it.
    pub journal: Option<Journal>,
    /// What was proved of the CRDs.
    pub proved: prove::Proved,
    /// The CRDs whose objects this run has moved, as it left them.
    migrated: Mutex<BTreeMap<String, Crd>>,
}

impl Run<'_> {
    fn migrated(&self) -> BTreeMap<String, Crd> {
        self.migrated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Runs a plan that no guard refuses, to its end or to the first failure: with the locks, which it takes and lets go.
///
/// # Errors
/// The locks cannot be had. A step's failure is part of the report.
pub async fn run(prepared: &Prepared, manner: &Manner, emit: Emit<'_>) -> Result<UpgradeReport, Problem> {
    let sign = prepared.around.workstation.as_ref().and_then(|workstation| workstation.sign(&prepared.turn.claim));
    let leash = Leash { starter: prepared.around.starter.clone(), file: sign.as_ref().map(Sign::file) };
    let began = Instant::now();
    let locks = lock::take(prepared, sign.as_ref(), manner, emit).await?;
    let spent = |journal: &Option<Journal>| journal.as_ref().map_or(Duration::ZERO, Journal::spent);
    prepared.cluster.be_patient();
    // Whoever had to wait for the locks has waited for somebody who wrote.
    let waited = began.elapsed() >= crate::prepare::lease_watcher::LOOK_AGAIN;
    let still = if waited { guard::still(prepared).await } else { Ok(()) };
    let opened = match still {
        Ok(()) => before_the_first_write(prepared, manner, emit).await,
        Err(moved) => Err(moved),
    };
    let report = match opened {
        Ok(journal) => {
            let before = began.elapsed().saturating_sub(spent(&journal));
            let (proved, migrated) = (prove::Proved::default(), Mutex::default());
            let run = Run { prepared, manner, emit, locks: &locks, leash: &leash, journal, proved, migrated };
            let report = noted(&run).await;
            Ok(UpgradeReport { kept_seconds: (before + spent(&run.journal)).as_secs_f64(), ..report })
        }
        Err(problem) => Err(problem),
    };
    if let Err(error) = locks.let_go().await {
        let detail = format!("could not be let go ({error}): it ends by itself within {}s", HOLDS_FOR.as_secs());
        emit(Event::StageDone { stage: "lock", detail, seconds: 0.0 });
        sign.iter().for_each(Sign::stay);
    }
    report
}

/// The journal is opened, and what is there is saved.
async fn before_the_first_write(
    prepared: &Prepared,
    manner: &Manner,
    emit: Emit<'_>,
) -> Result<Option<Journal>, Problem> {
    let Some(keeping) = &manner.keeping else { return Ok(None) };
    let journal = Journal::open(prepared, keeping, emit).await?;
    if let Some(asked) = &keeping.save
        && let Err(problem) = save::save(prepared, manner, keeping, asked, &journal, emit).await
    {
        // Nothing was written; what it goes on from, if anything, is still open.
        journal.end(State::Stopped, emit).await;
        return Err(problem);
    }
    Ok(Some(journal))
}

/// The steps, and how the run ended as the journal has it.
async fn noted(run: &Run<'_>) -> UpgradeReport {
    let report = steps(run).await;
    let Some(journal) = &run.journal else { return report };
    match (report.outcome, &run.prepared.back) {
        (Outcome::Upgraded, Some(undone)) => journal.undone(&undone.runs, run.emit).await,
        (Outcome::Upgraded, None) => journal.end(State::Done, run.emit).await,
        _ if report.exit_code == Exit::Interrupted.code() => journal.end(State::Stopped, run.emit).await,
        _ => journal.end(State::Failed, run.emit).await,
    }
    report
}

async fn steps(run: &Run<'_>) -> UpgradeReport {
    let (prepared, manner) = (run.prepared, run.manner);
    let mut outcomes: Vec<StepOutcome> = Vec::new();
    let mut validate = None;
    let mut exit = Exit::Fine;
    for step in &prepared.plan.steps {
        if exit != Exit::Fine {
            outcomes.push(outcome(step, StepState::NotDone, String::new(), Duration::ZERO));
            continue;
        }
        match one(run, step, &mut validate).await {
            Ok(done) => outcomes.push(done),
            Err((failed, code)) => {
                // A guard that refuses after an earlier step has written is no refusal "with nothing written".
                let written = prepared
                    .plan
                    .steps
                    .iter()
                    .zip(&outcomes)
                    .any(|(step, outcome)| step.action.writes() && outcome.state == StepState::Done);
                exit = if written && code == Exit::Refused { Exit::Failed } else { code };
                outcomes.push(failed);
            }
        }
    }
    if let (Some(held), Some(failed)) = (
        flux::after(run, &outcomes, exit).await,
        outcomes.iter_mut().find(|outcome| outcome.state == StepState::Failed),
    ) {
        failed.detail.push_str(&format!("\n→ {held}"));
    }
    let ended = if exit == Exit::Fine { Outcome::Upgraded } else { Outcome::Failed };
    let seconds = manner.began.elapsed().as_secs_f64();
    let mut report = UpgradeReport::new(manner.run.clone(), prepared.plan.clone(), ended, exit, seconds);
    report.steps = outcomes;
    report.validate = validate;
    report
}

async fn one(run: &Run<'_>, step: &Step, validate: &mut Option<LastLook>) -> Result<StepOutcome, (StepOutcome, Exit)> {
    let began = Instant::now();
    let (id, title, command) = (step.id.clone(), step.title.clone(), step.command.clone());
    (run.emit)(Event::StepStarted { step: id.clone(), title, command });
    let result = guarded(run, step, validate).await.map_err(|problem| match run.locks.lost() {
        // What ended because of it tells nothing more.
        Some(reason) if problem.exit == Exit::Interrupted || problem.message == lost(reason).message => lost(reason),
        Some(reason) => lost(reason).because(told(&problem)),
        // On a terminal Ctrl-C reaches helm and kubectl as well: then they fail before we have asked them to stop.
        None if run.manner.stop.asked() => interrupted(step, problem),
        None => problem,
    });
    let seconds = began.elapsed().as_secs_f64();
    match result {
        Ok(detail) => {
            note(run, step, StepStands::Done, &detail).await;
            (run.emit)(Event::StepDone { step: id, detail: detail.clone(), seconds });
            Ok(outcome(step, StepState::Done, detail, began.elapsed()))
        }
        Err(problem) => {
            // The API server and helm quote what they refuse.
            let reason = run.prepared.secrets.mask(&told(&problem));
            note(run, step, StepStands::Failed, &reason).await;
            (run.emit)(Event::StepFailed { step: id, reason: reason.clone(), seconds });
            Err((outcome(step, StepState::Failed, reason, began.elapsed()), problem.exit))
        }
    }
}

async fn note(run: &Run<'_>, step: &Step, stands: StepStands, detail: &str) {
    if let Some(journal) = &run.journal {
        journal.end_step(run, step, stands, detail).await;
    }
}

async fn guarded(run: &Run<'_>, step: &Step, validate: &mut Option<LastLook>) -> Result<String, Problem> {
    if run.manner.stop.asked() {
        return Err(Problem::new(Exit::Interrupted, "stopped by Ctrl-C before this step").hint(GO_ON));
    }
    run.locks.at(&step.id).await.map_err(not_held)?;
    guard::before(run.prepared, &run.migrated(), step).await?;
    flux::unmoved(run, step).await?;
    prove::still(run, step).await?;
    if let Some(journal) = &run.journal {
        journal.begin(step, run.emit).await?;
    }
    act::act(run, step, validate).await
}

fn outcome(step: &Step, state: StepState, detail: String, took: Duration) -> StepOutcome {
    StepOutcome { step: step.id.clone(), state, detail, seconds: took.as_secs_f64() }
}

/// What a person does after Ctrl-C.
const GO_ON: &str = "kubectl mural upgrade resume, with the same value flags; or run the same command again: both go on from what is there";

fn interrupted(step: &Step, problem: Problem) -> Problem {
    if problem.exit == Exit::Interrupted && problem.source.is_none() {
        return problem;
    }
    Problem::new(Exit::Interrupted, format!("stopped by Ctrl-C: {}", step.title)).because(told(&problem)).hint(GO_ON)
}

fn not_held(not_held: NotHeld) -> Problem {
    match not_held {
        NotHeld::Lost(reason) => lost(&reason),
        NotHeld::Unrenewed(reason) => {
            Problem::failed("this step was not begun: the API server does not renew our lock")
                .because(reason)
                .hint(MEND)
        }
    }
}

/// What a person does when the server does not let us go on.
const MEND: &str =
    "is it up, and does it take your login? kubectl auth whoami; mend that, then: kubectl mural upgrade resume";

fn lost(reason: &str) -> Problem {
    Problem::failed(format!("the lock is no longer ours: {reason}"))
        .hint("kubectl mural upgrade status says who upgrades now; when nobody does, run the same command again")
}

/// A problem as a few lines: what, why, what next.
fn told(problem: &Problem) -> String {
    let causes = problem.causes().into_iter();
    let hints = problem.hints.iter().map(|hint| format!("→ {hint}"));
    std::iter::once(problem.message.clone()).chain(causes).chain(hints).collect::<Vec<_>>().join("\n")
}
