//! `kubectl mural upgrade rollback` and `repair`: stated first, then asked, then done.

use std::time::Instant;

use mural::ask::duration;
use mural::cli::signals::Signals;
use mural::cli::talk::Talk;
use mural::cli::{Stream, style_for};
use mural::plan::journal::Task;
use mural::plan::repair::Ailment;
use mural::prepare::rollback::{journal_of, prepare_back, prepare_repair, to_undo};
use mural::prepare::{Prepared, Surroundings};
use mural::problem::{Exit, Problem};
use mural::report::back;
use mural::report::event::Event;
use mural::report::upgrade::{Outcome, UpgradeReport};
use mural::run::journal::{Keeping, close};
use mural::run::lock::clear;
use mural::run::{Manner, run};
use mural::tools::spawn::Stop;

use crate::flags::{Events, MannerFlags, RepairFlags, RollbackFlags};
use crate::{answer, before_writing, edge};

/// What is common to both.
struct Begun {
    around: Surroundings,
    manner: Manner,
    talk: Talk,
    signals: Signals,
}

fn begin(flags: &MannerFlags, task: Option<Task>) -> Result<Begun, Problem> {
    let writes = flags.dry_run.is_none();
    if writes && !flags.yes && !edge::can_ask() {
        return Err(Problem::usage("there is no terminal to ask on")
            .hint("--yes goes ahead without asking; --dry-run=server only shows what would be done"));
    }
    let wait_for_lock = duration("--wait-for-lock", &flags.wait_for_lock)?;
    let around = edge::surroundings(None, writes.then_some(wait_for_lock))?;
    let keeping = match task {
        Some(task) => Some(Keeping { task, state: around.state.clone(), folder: edge::folder()?, save: None }),
        None => None,
    };
    let manner = Manner {
        run: around.run.clone(),
        timeout: duration("--timeout", &flags.timeout)?,
        failure_grace: duration("--failure-grace", &flags.failure_grace)?,
        wait_for_lock,
        stop: Stop::default(),
        at_once: Stop::default(),
        began: Instant::now(),
        keeping,
    };
    let talk = Talk::new(flags.events == Events::Json, style_for(Stream::Talk, flags.look));
    Ok(Begun { around, manner, talk, signals: Signals::new()? })
}

/// Goes back to what was there before the last run.
pub(crate) async fn rollback(flags: &RollbackFlags) -> Result<Exit, Problem> {
    let Begun { around, manner, talk, mut signals } = begin(&flags.manner, Some(Task::Rollback))?;
    let emit = |event: Event| talk.event(&event);
    let prepared = signals
        .reading(async {
            let installation = flags.spot.installation()?;
            let (seen, uid) = journal_of(&installation).await?;
            let ask = flags.ask(to_undo(&seen, &uid)?)?;
            prepare_back(ask, flags.overwrite, around, &emit).await
        })
        .await?;
    let style = style_for(Stream::Answer, flags.manner.look);
    if let Some(undone) = &prepared.back {
        talk.pause(|| edge::show(&back::render(&undone.statement, &prepared.plan, style), flags.manner.output));
    }
    let report = done(&prepared, &manner, &flags.manner, &talk, &mut signals).await?;
    let statement = prepared.back.as_ref().map(|undone| undone.statement.clone());
    answer(&UpgradeReport { kind: "RollbackReport", statement, ..report }, &flags.manner)
}

/// Mends what somebody left behind.
pub(crate) async fn repair(flags: &RepairFlags) -> Result<Exit, Problem> {
    let Begun { around, manner, talk, mut signals } = begin(&flags.manner, None)?;
    let emit = |event: Event| talk.event(&event);
    let ask = flags.ask()?;
    let (prepared, ailments) = signals.reading(prepare_repair(ask, around, &emit)).await?;
    let style = style_for(Stream::Answer, flags.manner.look);
    talk.pause(|| edge::show(&back::repair(&ailments, &prepared.plan, style), flags.manner.output));
    let report = done(&prepared, &manner, &flags.manner, &talk, &mut signals).await?;
    let report = left(UpgradeReport { kind: "RepairReport", ..report }, ailments);
    answer(&report, &flags.manner)
}

/// What is wrong and cannot be mended here is no success.
fn left(report: UpgradeReport, ailments: Vec<Ailment>) -> UpgradeReport {
    let open = ailments.iter().any(|ailment| !ailment.mended);
    let report = UpgradeReport { ailments, ..report };
    match report.outcome {
        Outcome::NothingToDo | Outcome::Upgraded if open => {
            UpgradeReport { outcome: Outcome::Undetermined, exit_code: Exit::ChecksFailed.code(), ..report }
        }
        _ => report,
    }
}

async fn done(
    prepared: &Prepared,
    manner: &Manner,
    flags: &MannerFlags,
    talk: &Talk,
    signals: &mut Signals,
) -> Result<UpgradeReport, Problem> {
    let emit = |event: Event| talk.event(&event);
    let report = match signals.reading(before_writing(prepared, manner, flags, false)).await? {
        Some(report) => {
            if flags.dry_run.is_none() && report.outcome == Outcome::NothingToDo {
                clear(prepared, &emit).await;
                close(prepared, &emit).await;
            }
            report
        }
        None => {
            talk.resume();
            signals.writing(&manner.stop, run(prepared, manner, &emit)).await?
        }
    };
    talk.end();
    Ok(report)
}
