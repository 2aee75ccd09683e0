//! The command line of `kubectl mural validate`: one look, pure checks, one answer on standard output.

mod answer;
mod bundle;
mod charts;
pub mod flags;
mod job;
mod look;
mod wait;

use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, Parser};
use jiff::Timestamp;
use mural::catalogue;
use mural::checks::validate;
use mural::cli::runtime::block_on;
use mural::cli::talk::Talk;
use mural::cli::{self, LookFlags, Stream, style_for};
use mural::model::check::Card;
use mural::model::tools::ToolsSeen;
use mural::problem::{Exit, Problem};
use mural::report::columns::columns;
use mural::report::style::harmless;
use mural::report::validate::{SCHEMA, ValidateReport, worst};

use flags::{Cli, Command};
use job::Job;
use look::Looked;

/// Runs the command line and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = cli::complete::asked(Cli::command()) {
        return code;
    }
    match Cli::try_parse() {
        Ok(cli) => cli::ended(command(&cli), cli.look),
        Err(error) => cli::usage(&error),
    }
}

fn command(cli: &Cli) -> Result<Exit, Problem> {
    let offline = match &cli.command {
        Some(Command::Schema) => Some(SCHEMA.to_owned()),
        Some(Command::Bundle(flags)) => return block_on(bundle::run(flags)),
        None if cli.checks.print_schema => Some(SCHEMA.to_owned()),
        None if cli.checks.list_checks => Some(list()),
        None => match &cli.checks.explain {
            Some(id) => Some(explained(catalogue::card("--explain", id)?)),
            None => None,
        },
    };
    if let Some(text) = offline {
        Stream::Answer.write(&text);
        return Ok(Exit::Fine);
    }
    judge(cli)
}

fn judge(cli: &Cli) -> Result<Exit, Problem> {
    let began = Instant::now();
    // Everything that the caller could have mistyped is read before anything is asked of the cluster.
    let job = Job::new(cli)?;
    let (reports, ended) = block_on(reports(&job, cli.look))?;
    let exit = ended.unwrap_or_else(|| worst(&reports, job.strict));
    answer::give(&reports, &job, (cli.output, cli.look), exit, began.elapsed())?;
    Ok(exit)
}

/// What was found, and how to end where that is decided already.
async fn reports(job: &Job, look: LookFlags) -> Result<(Vec<ValidateReport>, Option<Exit>), Problem> {
    if let Some(limits) = job.wait {
        let tools = look::tools(job).await;
        let talk = Talk::new(false, style_for(Stream::Talk, look));
        let waited = wait::until_healthy(job, &tools, limits, &talk).await;
        talk.end();
        let (report, exit) = waited?;
        return Ok((vec![report], Some(exit)));
    }
    let Some(contexts) = &job.contexts else {
        let (looked, tools) = tokio::join!(look::see(job, &job.installation, &job.checks), look::tools(job));
        let looked = looked?;
        if looked.nothing_here() {
            Stream::Talk.write(&harmless(&look::instead(&job.installation).await));
        }
        return Ok((vec![judged(job, &looked, &tools)], None));
    };
    let looks = contexts.iter().map(|context| async move {
        let installation = job.in_context(context);
        look::see(job, &installation, &job.checks).await
    });
    let (looks, tools) = tokio::join!(futures::future::join_all(looks), look::tools(job));
    let mut all = Vec::new();
    for (context, looked) in contexts.iter().zip(looks) {
        all.extend(of_context(job, context, looked, &tools));
    }
    if all.is_empty() {
        return Err(Problem::new(Exit::ChecksFailed, "no context has the installation")
            .hint(format!("looked for {} in namespace {}", job.installation.app_release, job.installation.namespace)));
    }
    Ok((all, None))
}

/// A cluster that cannot be read is part of the answer; with `--all-contexts`, one without the installation is none.
fn of_context(job: &Job, context: &str, looked: Result<Looked, Problem>, tools: &ToolsSeen) -> Option<ValidateReport> {
    match looked {
        Ok(looked) if job.skip_empty && looked.nothing_here() => {
            Stream::Talk.write(&format!("{context}: nothing is installed there, skipped\n"));
            None
        }
        Ok(looked) => Some(judged(job, &looked, tools)),
        Err(problem) => {
            let reason = [vec![problem.to_string()], problem.causes()].concat().join(": ");
            Some(ValidateReport::unread(context, &job.installation.namespace, reason))
        }
    }
}

fn judged(job: &Job, looked: &Looked, tools: &ToolsSeen) -> ValidateReport {
    let report = looked.judged(tools, &job.checks, Timestamp::now());
    match &job.baseline {
        Some(baseline) => report.compared_with(baseline),
        None => report,
    }
}

fn list() -> String {
    let row = |check: &validate::Check| {
        let Card { id, section, title, level, .. } = check.card;
        vec![(*id).to_owned(), section.title().to_owned(), level.plural().to_owned(), (*title).to_owned()]
    };
    columns(&["CHECK", "SECTION", "FINDINGS ARE", "ASKS THAT"], &validate::ALL.iter().map(row).collect::<Vec<_>>())
}

fn explained(card: &Card) -> String {
    let Card { id, title, why, fix, section, level } = card;
    let level = level.plural();
    format!(
        "{id}\n  asks that {title}\n  section {}, findings are {level}\n\nwhy   {why}\nfix   {fix}\ndocs  CHECKS.md#{id}\n",
        section.title()
    )
}
