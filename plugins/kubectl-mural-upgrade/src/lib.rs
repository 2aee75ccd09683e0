//! The command line of `kubectl mural upgrade`: flags in, one answer on standard output, the talk on standard error.

mod back;
mod edge;
pub mod flags;
mod job;
mod status;

use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, Parser};
use mural::cli::kept::Kept;
use mural::cli::signals::Signals;
use mural::cli::talk::Talk;
use mural::cli::{self, Output, Stream, style_for};
use mural::plan::journal::{RunEntry, Task};
use mural::plan::saved::SavedPlan;
use mural::prepare::{Prepared, Surroundings, prepare, prepare_resumed, prepare_saved};
use mural::prepare::{appliance, flux_follow, flux_manifests};
use mural::problem::{Exit, Problem};
use mural::report::event::{Emit, Event};
use mural::report::style::Style;
use mural::report::upgrade::{Outcome, UpgradeReport};
use mural::report::{ending, markdown, plan};
use mural::run::journal::{Keeping, close};
use mural::run::lock::clear;
use mural::run::{Manner, run};
use mural::tools::spawn::{Stop, on_leash};
use mural::{catalogue, guards};

use flags::{Cli, Command, Events, MannerFlags};
use job::{Job, Way};

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
    if let Some(Command::Status(flags)) = &parsed.command {
        return cli::ended(edge::block_on(status::status(flags)), flags.look);
    }
    let manner = parsed.manner();
    let ended = match (&manner.explain, &parsed.command) {
        (Some(id), _) => explain(id),
        (None, Some(Command::Rollback(flags))) => edge::block_on(back::rollback(flags)),
        (None, Some(Command::Repair(flags))) => edge::block_on(back::repair(flags)),
        (None, _) => edge::block_on(async { upgrade(Job::of(&parsed).await?).await }),
    };
    cli::ended(ended, manner.look)
}

fn explain(id: &str) -> Result<Exit, Problem> {
    let guards = || guards::ALL.iter().map(|(card, _)| card.id).collect::<Vec<_>>().join(", ");
    let card = catalogue::card("--explain", id).map_err(|problem| problem.hint(format!("the guards: {}", guards())))?;
    Stream::Answer.write(&format!("{}\n  {}\n\nwhy   {}\nfix   {}\n", card.id, card.title, card.why, card.fix));
    Ok(Exit::Fine)
}

async fn upgrade(job: Job<'_>) -> Result<Exit, Problem> {
    if job.writes() && !job.manner.yes && !edge::can_ask() {
        return Err(Problem::usage("there is no terminal to ask on")
            .hint("--yes goes ahead without asking; plan only shows what would be done"));
    }
    let (around, manner) = manner(&job)?;
    let talk = Talk::new(job.manner.events == Events::Json, style_for(Stream::Talk, job.manner.look));
    let mut signals = Signals::new()?;
    let emit = |event| talk.event(&event);
    if let Way::Manifests { options, apply: false } = &job.way {
        let written = signals.reading(flux_manifests::written(&job.ask, options, &around)).await?;
        Stream::Answer.write(&written);
        return Ok(Exit::Fine);
    }
    let prepared = job.shaped(signals.reading(prepared(&job, around, &emit)).await?)?;
    if let Some(run) = &job.follows {
        talk.event(&resumed(run, &prepared));
    }
    let show = |text: &str| edge::show(text, job.manner.output);
    talk.pause(|| show(&plan::render(&prepared.plan, style_for(Stream::Answer, job.manner.look))));
    beside(&job, &prepared)?;
    let report = match ending(&job, &prepared, &manner, &mut signals).await? {
        Some(report) => {
            nothing_left(&job, &prepared, &report, &emit).await;
            save(&job, &prepared, &report, &talk)?;
            report
        }
        None => {
            talk.resume();
            signals.writing(&manner.stop, run(&prepared, &manner, &emit)).await?
        }
    };
    talk.end();
    answer(&report, job.manner)
}

/// What ends here without a write, and how; `None` where the run may begin. Somebody else's roll-out is followed as it is.
async fn ending(
    job: &Job<'_>,
    prepared: &Prepared,
    manner: &Manner,
    signals: &mut Signals,
) -> Result<Option<UpgradeReport>, Problem> {
    if job.follows_others(prepared) {
        return Ok(None);
    }
    signals.reading(before_writing(prepared, manner, job.manner, job.only_plan)).await
}

/// Where nothing is left to do: what a dead run left behind is cleared, and its journal closed.
async fn nothing_left(job: &Job<'_>, prepared: &Prepared, report: &UpgradeReport, emit: Emit<'_>) {
    if job.writes() && report.outcome == Outcome::NothingToDo {
        clear(prepared, emit).await;
        close(prepared, emit).await;
    }
}

/// How it goes, and what the environment gives.
fn manner(job: &Job<'_>) -> Result<(Surroundings, Manner), Problem> {
    let began = Instant::now();
    let failure_grace = mural::ask::duration("--failure-grace", &job.manner.failure_grace)?;
    let wait_for_lock = mural::ask::duration("--wait-for-lock", &job.manner.wait_for_lock)?;
    let wait = job.writes().then_some(wait_for_lock);
    let around = edge::surroundings(job.registry.registry_config.as_deref(), wait)?;
    let around = Surroundings { saves: job.saving.is_some(), ..around };
    let (run, timeout, stop, at_once) = (around.run.clone(), job.ask.timeout, Stop::default(), Stop::default());
    let (task, state, folder) = (Task::Upgrade, around.state.clone(), edge::folder()?);
    // Who follows somebody else's roll-out, or hands the releases over, writes nothing that we could go back from.
    let upgrades = matches!(job.way, Way::Upgrade { .. });
    let keeping = upgrades.then(|| Keeping { task, state, folder, save: job.saving.clone() });
    Ok((around, Manner { run, timeout, failure_grace, wait_for_lock, stop, at_once, began, keeping }))
}

/// What a person does beside: an appliance's own steps, and what to commit, which is written where a folder was named.
fn beside(job: &Job<'_>, prepared: &Prepared) -> Result<(), Problem> {
    if let Some(guide) = appliance::guide(prepared) {
        edge::show(&format!("\n{guide}"), job.manner.output);
    }
    named_in_vain(job, prepared)?;
    if !flux_follow::kept_elsewhere(prepared) {
        return match job.write() {
            Some(_) => Err(Problem::usage("there is nothing to commit: neither Git nor Argo CD own the releases")
                .hint("leave --write out, and the upgrade is done through whoever owns them")),
            None => Ok(()),
        };
    }
    let all = flux_follow::to_commit(prepared);
    edge::show(&format!("\nto commit\n{}", flux_follow::shown(&all)), job.manner.output);
    let Some(folder) = job.write() else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| Problem::failed(format!("cannot make the folder {}", folder.display())).because(error))?;
    for commit in &all {
        let text = commit.text().map_err(|error| Problem::failed("cannot write YAML").because(error))?;
        edge::write_file(&folder.join(&commit.file), "what to commit", &text)?;
    }
    Ok(())
}

/// Sources that were named where Flux makes neither release: somebody takes this for another installation.
fn named_in_vain(job: &Job<'_>, prepared: &Prepared) -> Result<(), Problem> {
    let makes_them = matches!(job.way, Way::Manifests { .. });
    if makes_them || prepared.flux.any() || prepared.ask.sources.nothing() {
        return Ok(());
    }
    Err(Problem::usage("--source and --crds-source name sources of Flux, and Flux makes neither release")
        .hint("leave them out; kubectl mural validate tells who owns the releases"))
}

async fn prepared(job: &Job<'_>, around: Surroundings, emit: Emit<'_>) -> Result<Prepared, Problem> {
    match (&job.saved, &job.follows) {
        (Some(saved), _) => prepare_saved(job.ask.clone(), saved, around, emit).await,
        (None, Some(run)) => prepare_resumed(job.ask.clone(), run, around, emit).await,
        (None, None) => prepare(job.ask.clone(), around, emit).await,
    }
}

/// Where the run stands that is gone on from: what the cluster proves, and what is left.
fn resumed(run: &RunEntry, prepared: &Prepared) -> Event {
    let (done, left) = run.proved(&prepared.plan.steps);
    let list = |ids: &[&str]| if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") };
    let detail = format!("run {} by {}: proved done {}; to do {}", run.run, run.who, list(&done), list(&left));
    Event::StageDone { stage: "resume", detail, seconds: 0.0 }
}

/// What ends here without a write, and how; `None` where the run may begin.
async fn before_writing(
    prepared: &Prepared,
    manner: &Manner,
    flags: &MannerFlags,
    only_plan: bool,
) -> Result<Option<UpgradeReport>, Problem> {
    let plan = &prepared.plan;
    let (outcome, exit) = if let Some(decided) = UpgradeReport::decided(plan) {
        decided
    } else if only_plan {
        (Outcome::Planned, Exit::Changes)
    } else if flags.dry_run.is_some() {
        (Outcome::Planned, Exit::Fine)
    } else if flags.yes || edge::ask_to_go_ahead().await? {
        return Ok(None);
    } else {
        (Outcome::Planned, Exit::Refused)
    };
    let seconds = manner.began.elapsed().as_secs_f64();
    Ok(Some(UpgradeReport::new(manner.run.clone(), plan.clone(), outcome, exit, seconds)))
}

/// Keeps a plan that may be done; one that a guard refuses is not worth keeping.
fn save(job: &Job<'_>, prepared: &Prepared, report: &UpgradeReport, talk: &Talk) -> Result<(), Problem> {
    let Some(file) = job.save else { return Ok(()) };
    if !matches!(report.outcome, Outcome::Planned | Outcome::NothingToDo) {
        let detail = format!("{} was not written: this plan cannot be done", file.display());
        talk.event(&Event::StageDone { stage: "save", detail, seconds: 0.0 });
        return Ok(());
    }
    let world = prepared.world.clone().map_err(|not_seen| Problem::new(Exit::ChecksFailed, not_seen.to_string()))?;
    let saved = SavedPlan::new(&prepared.ask, &prepared.plan, world, edge::now(), &edge::folder()?);
    edge::write_file(file, "the plan", &Output::Json.form(&saved, String::new)?)?;
    let detail = format!("kubectl mural upgrade apply {} with the same value flags", file.display());
    talk.event(&Event::StageDone { stage: "save", detail, seconds: 0.0 });
    Ok(())
}

fn answer(report: &UpgradeReport, flags: &MannerFlags) -> Result<Exit, Problem> {
    let style: Style = style_for(Stream::Answer, flags.look);
    Stream::Answer.write(&flags.output.form(report, || ending::render(report, style))?);
    if let Some(file) = &flags.report {
        let form = Kept::by(file)?;
        edge::write_file(file, "the report", &form.form(report, || markdown::render(report))?)?;
    }
    Ok(Exit::ALL.into_iter().find(|exit| exit.code() == report.exit_code).unwrap_or(Exit::Failed))
}
