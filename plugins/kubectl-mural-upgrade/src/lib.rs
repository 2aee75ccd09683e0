//! The command line of `kubectl mural upgrade`: flags in, one answer on standard output, the talk on standard error.

mod edge;
pub mod flags;
mod talk;

use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, Parser};
use mural::checks::{catalogue, guards};
use mural::cli::{self, Output, Stream, style_for};
use mural::problem::{Exit, Problem};
use mural::report::style::Style;
use mural::report::upgrade::{Outcome, UpgradeReport};
use mural::report::{ending, plan};
use mural::run::prepare::{Prepared, prepare};
use mural::run::turn::clear;
use mural::run::{Manner, run};
use mural::tools::spawn::{Stop, on_leash};

use flags::{Cli, Command, UpgradeFlags};
use talk::Talk;

/// Runs the command line and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(ended) = on_leash(std::env::args_os().skip(1)) {
        return ended;
    }
    if let Some(code) = cli::complete::asked(Cli::command()) {
        return code;
    }
    let parsed = match Cli::try_parse() {
        Ok(parsed) => parsed,
        Err(error) => return cli::usage(&error),
    };
    let (flags, only_plan) = match &parsed.command {
        Some(Command::Plan(flags)) => (flags.as_ref(), true),
        None => (&parsed.upgrade, false),
    };
    let ended = match &flags.manner.explain {
        Some(id) => explain(id),
        None => edge::block_on(upgrade(flags, only_plan)),
    };
    cli::ended(ended, flags.manner.look)
}

fn explain(id: &str) -> Result<Exit, Problem> {
    let guards = || guards::ALL.iter().map(|(card, _)| card.id).collect::<Vec<_>>().join(", ");
    let card = catalogue::card("--explain", id).map_err(|problem| problem.hint(format!("the guards: {}", guards())))?;
    Stream::Answer.write(&format!("{}\n  {}\n\nwhy   {}\nfix   {}\n", card.id, card.title, card.why, card.fix));
    Ok(Exit::Fine)
}

async fn upgrade(flags: &UpgradeFlags, only_plan: bool) -> Result<Exit, Problem> {
    let began = Instant::now();
    let ask = flags.ask()?;
    let failure_grace = mural::ask::duration("--failure-grace", &flags.manner.failure_grace)?;
    let wait_for_lock = mural::ask::duration("--wait-for-lock", &flags.manner.wait_for_lock)?;
    let writes = !only_plan && flags.manner.dry_run.is_none();
    let asks = !flags.manner.yes && writes;
    if asks && !edge::can_ask() {
        return Err(Problem::usage("there is no terminal to ask on")
            .hint("--yes goes ahead without asking; plan only shows what would be done"));
    }
    let around = edge::surroundings(&flags.registry, writes.then_some(wait_for_lock))?;
    let talk = Talk::new(flags.manner.events, style_for(Stream::Talk, flags.manner.look));
    let (run_id, timeout, stop) = (around.run.clone(), ask.timeout, Stop::default());
    let manner = Manner { run: run_id, timeout, failure_grace, wait_for_lock, stop, began };
    edge::on_signals(&manner.stop);
    let prepared = prepare(ask, around, &|event| talk.event(&event)).await?;
    let show = |text: &str| edge::show(text, flags.manner.output);
    talk.pause(|| show(&plan::render(&prepared.plan, style_for(Stream::Answer, flags.manner.look))));
    let report = match before_writing(&prepared, &manner, flags, only_plan)? {
        Some(report) => {
            if writes && report.outcome == Outcome::NothingToDo {
                clear(&prepared, &|event| talk.event(&event)).await;
            }
            report
        }
        None => {
            talk.resume();
            run(&prepared, &manner, &|event| talk.event(&event)).await?
        }
    };
    talk.end();
    answer(&report, flags)
}

/// What ends here without a write, and how; `None` where the run may begin.
fn before_writing(
    prepared: &Prepared,
    manner: &Manner,
    flags: &UpgradeFlags,
    only_plan: bool,
) -> Result<Option<UpgradeReport>, Problem> {
    let plan = &prepared.plan;
    let (outcome, exit) = if plan.refused() {
        (Outcome::Refused, Exit::Refused)
    } else if plan.undetermined() {
        (Outcome::Undetermined, Exit::ChecksFailed)
    } else if !plan.has_changes() {
        (Outcome::NothingToDo, Exit::Fine)
    } else if only_plan {
        (Outcome::Planned, Exit::Changes)
    } else if flags.manner.dry_run.is_some() {
        (Outcome::Planned, Exit::Fine)
    } else if flags.manner.yes || edge::ask_to_go_ahead()? {
        return Ok(None);
    } else {
        (Outcome::Planned, Exit::Refused)
    };
    let seconds = manner.began.elapsed().as_secs_f64();
    Ok(Some(UpgradeReport::new(manner.run.clone(), plan.clone(), outcome, exit, seconds)))
}

fn answer(report: &UpgradeReport, flags: &UpgradeFlags) -> Result<Exit, Problem> {
    let style: Style = style_for(Stream::Answer, flags.manner.look);
    Stream::Answer.write(&flags.manner.output.form(report, || ending::render(report, style))?);
    if let Some(file) = &flags.manner.report {
        edge::write_report(file, &Output::Json.form(report, String::new)?)?;
    }
    Ok(Exit::ALL.into_iter().find(|exit| exit.code() == report.exit_code).unwrap_or(Exit::Failed))
}
