//! The command `kubectl mural upgrade` and its sub-commands.
//!
//! Reads the flags into an `UpgradeRequest`, prepares the plan (`prepare`), shows it, asks for the confirmation and runs it
//! (`run`). The report goes to standard output, progress to standard error. `rollback` and `repair` are in `recovery`.

pub mod flags;
mod images_command;
mod job_command;
mod job_error;
mod perform_command;
mod recovery;
mod status_command;
mod upgrade_error;
mod upgrade_request;

use std::time::Instant;

use jiff::Timestamp;

use crate::cli::command_error::CommandError;
use crate::cli::confirmation::{confirm_field_loss, confirm_or_report};
use crate::cli::environment::read_environment;
use crate::cli::explain::explain;
use crate::cli::progress_output::ProgressOutput;
use crate::cli::report_format::ReportFormat;
use crate::cli::run_result::{publish_failure, publish_report};
use crate::cli::runtime::block_on;
use crate::cli::signals::Signals;
use crate::cli::{OutputFormat, Stream, files, show_to_operator, verbose};
use crate::guards;
use crate::plan::journal::{RunEntry, Task};
use crate::plan::saved_plan::SavedPlan;
use crate::plan::{Plan, StepId};
use crate::prepare::prepared::{Environment, Prepared, RunMode, UpgradeWork};
use crate::prepare::{appliance_registry, flux_follow, handover};
use crate::prepare::{prepare, prepare_resume, prepare_saved_plan};
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};
use crate::report::permission_manifest::Subject;
use crate::report::style::Style;
use crate::report::upgrade_report::{Outcome, UpgradeReport};
use crate::report::{permission_manifest, plan, upgrade_html, upgrade_markdown, upgrade_result};
use crate::run::journal_writer::close_without_work;
use crate::run::lock::release_all_stale;
use crate::run::run;
use crate::run::run_options::{JournalOptions, RunOptions};

use flags::{Cli, Command, RunFlags};
use upgrade_error::UpgradeError;
use upgrade_request::{UpgradeAction, UpgradeRequest};

/// Runs the command and returns its exit code.
///
/// # Errors
/// The reason why the command failed, with its exit code.
pub fn run_command(parsed: &Cli) -> Result<Exit, Problem> {
    verbose::enable(parsed.style());
    if let Some(Command::Status(flags)) = &parsed.command {
        return block_on(status_command::status(flags));
    }
    // Refuse an unusable report file before any work.
    parsed.run_flags().to_report_file()?;
    match (&parsed.run_flags().explain, &parsed.command) {
        (Some(id), _) => explain_guard(id),
        (None, Some(Command::Images(flags))) => block_on(images_command::images(flags)),
        (None, Some(Command::Job(flags))) => block_on(job_command::job(flags)),
        (None, Some(Command::Rollback(flags))) => block_on(recovery::rollback(flags)),
        (None, Some(Command::Repair(flags))) => block_on(recovery::repair(flags)),
        (None, _) => block_on(async { upgrade(UpgradeRequest::from_cli(parsed).await?).await }),
    }
}

fn explain_guard(id: &str) -> Result<Exit, Problem> {
    let guards = || guards::ALL.iter().map(|guard| guard.card.id).collect::<Vec<_>>().join(", ");
    explain(id).map_err(|problem| problem.with_hint(format!("guards: {}", guards())))
}

async fn upgrade(mut request: UpgradeRequest<'_>) -> Result<Exit, Problem> {
    if request.can_write() {
        request.write_mode().require_terminal(", or `kubectl mural upgrade plan` to write nothing")?;
    }
    let (env, manner) = build_environment_and_options(&request)?;
    let progress = request.run_flags.to_progress();
    let mut signals = Signals::new()?;
    let emit = |event| progress.show_event(&event);
    if let UpgradeAction::Manifests { options, apply: false } = &request.action {
        let written = signals.run_read_only(handover::render_manifests(&request.ask, options, &env)).await?;
        Stream::Stdout.write(&written);
        return Ok(Exit::Success);
    }
    if let Some(user) = &request.run_flags.explain_permissions {
        let prepared = signals.run_read_only(prepare_request(&request, env.clone(), &emit)).await?;
        return print_permissions(&prepared.plan, user.as_deref());
    }
    let prepared = prepare_until_confirmed(&mut request, &env, &progress, &mut signals).await?;
    write_role_file(&prepared.plan, request.run_flags)?;
    show_manual_steps(&request, &prepared)?;
    let report = match end_without_writing(&request, &prepared, &manner, &mut signals).await? {
        Some(mut report) => {
            clear_if_nothing_to_do(&request, &prepared, &report, &emit).await;
            save_plan(&request, &prepared, &report, &progress)?;
            report.perform_command = perform_command::build(&request, &prepared, &report)?;
            report
        }
        None => {
            progress.resume();
            publish_failure(&prepared, signals.run_writing(&manner.stop, run(&prepared, &manner, &emit)).await).await?
        }
    };
    publish_report(&prepared, &report).await;
    progress.finish();
    write_report(&report, request.run_flags)
}

/// Prepares the plan and shows it; a second time if the operator accepts at the terminal that fields are lost.
async fn prepare_until_confirmed(
    request: &mut UpgradeRequest<'_>,
    env: &Environment,
    progress: &ProgressOutput,
    signals: &mut Signals,
) -> Result<Prepared, Problem> {
    let prepared = prepare_and_show(request, env, progress, signals).await?;
    if !signals.run_read_only(confirm_field_loss(&prepared, request.write_mode())).await? {
        return Ok(prepared);
    }
    request.ask.allowed_actions.field_loss = true;
    drop(prepared);
    progress.resume();
    prepare_and_show(request, env, progress, signals).await
}

/// Prepares the plan and shows it.
async fn prepare_and_show(
    request: &UpgradeRequest<'_>,
    env: &Environment,
    progress: &ProgressOutput,
    signals: &mut Signals,
) -> Result<Prepared, Problem> {
    let emit = |event| progress.show_event(&event);
    let prepared =
        request.with_task_steps(signals.run_read_only(prepare_request(request, env.clone(), &emit)).await?)?;
    if let Some(run) = &request.resumed_run {
        progress.show_event(&build_resume_event(run, &prepared));
    }
    let show = |text: &str| show_to_operator(text, request.run_flags.output);
    progress.pause(|| show(&plan::render(&prepared.plan, request.run_flags.stdout_style())));
    Ok(prepared)
}

/// Returns the report if the command ends without a write, else `None`. `--follow` needs no confirmation.
async fn end_without_writing(
    request: &UpgradeRequest<'_>,
    prepared: &Prepared,
    options: &RunOptions,
    signals: &mut Signals,
) -> Result<Option<UpgradeReport>, Problem> {
    if request.is_following_rollout(prepared) {
        return Ok(None);
    }
    signals.run_read_only(confirm_or_report(prepared, options, request.write_mode())).await
}

/// If nothing is left to do, releases the stale locks of a dead run and closes its journal.
async fn clear_if_nothing_to_do(
    request: &UpgradeRequest<'_>,
    prepared: &Prepared,
    report: &UpgradeReport,
    emit: Emit<'_>,
) {
    if request.can_write() && report.outcome == Outcome::NothingToDo {
        release_all_stale(prepared, emit).await;
        close_without_work(prepared, emit).await;
    }
}

/// Reads the environment and the options of the run.
fn build_environment_and_options(request: &UpgradeRequest<'_>) -> Result<(Environment, RunOptions), Problem> {
    let began = Instant::now();
    let limits = request.run_flags.to_limits()?;
    let mode = RunMode::new(request.can_write(), limits.wait_for_lock);
    let env = read_environment(request.registry.registry_config.as_deref(), mode)?;
    let env = Environment { backup: request.backup_mode(), ..env };
    let working_dir = files::current_dir()?;
    // Only an upgrade needs a journal: `--follow` writes nothing, and a hand-over to Flux cannot be rolled back.
    let upgrades = matches!(request.action, UpgradeAction::Upgrade { .. });
    let journal_options = upgrades.then(|| JournalOptions {
        task: Task::Upgrade,
        state_dir: env.state_dir.clone(),
        working_dir,
        continue_command: request.ask.resume_command(),
        backup: request.backup.clone(),
    });
    let options = limits.to_run_options(&env, began, journal_options);
    Ok((env, options))
}

/// Shows the steps that the operator does: the checklist of an appliance, and the manifests to commit (with `--write`, as files).
fn show_manual_steps(request: &UpgradeRequest<'_>, prepared: &Prepared) -> Result<(), Problem> {
    if let Some(guide) = appliance_registry::guide(prepared) {
        show_to_operator(&format!("\n{guide}"), request.run_flags.output);
    }
    if let Some(upgrade) = prepared.work.as_upgrade() {
        refuse_unused_sources(request, upgrade)?;
    }
    if !flux_follow::has_external_owner(prepared) {
        return match request.commit_folder() {
            Some(_) => Err(UpgradeError::NothingToCommit.into()),
            None => Ok(()),
        };
    }
    let all = flux_follow::list_commits(prepared);
    show_to_operator(&format!("\nto commit\n{}", flux_follow::format_commits(&all)), request.run_flags.output);
    let Some(folder) = request.commit_folder() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| UpgradeError::CommitFolder { folder: folder.to_owned(), error })?;
    for commit in &all {
        let text = commit.render().map_err(|error| CommandError::Yaml { what: "manifest", error })?;
        files::write(&folder.join(&commit.file_name), "the manifest", text.as_bytes())?;
    }
    Ok(())
}

/// Refuses `--source` and `--crds-source` if Flux owns neither release: the command runs against the wrong installation.
fn refuse_unused_sources(request: &UpgradeRequest<'_>, upgrade: &UpgradeWork) -> Result<(), UpgradeError> {
    let makes_them = matches!(request.action, UpgradeAction::Manifests { .. });
    if makes_them || upgrade.flux.has_any() || upgrade.ask.sources.is_empty() {
        return Ok(());
    }
    Err(UpgradeError::UnusedSources)
}

async fn prepare_request(request: &UpgradeRequest<'_>, env: Environment, emit: Emit<'_>) -> Result<Prepared, Problem> {
    match (&request.saved, &request.resumed_run) {
        (Some(saved), _) => prepare_saved_plan(request.ask.clone(), saved, env, emit).await,
        (None, Some(run)) => prepare_resume(request.ask.clone(), run, env, emit).await,
        (None, None) => prepare(request.ask.clone(), env, emit).await,
    }
}

/// The event that shows the resumed run: the verified steps and the remaining steps.
fn build_resume_event(run: &RunEntry, prepared: &Prepared) -> Event {
    let (done, left) = run.partition_steps(&prepared.plan.steps);
    let list = |ids: &[StepId]| {
        let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") }
    };
    let detail = format!("run {} by {}: verified {}; to do {}", run.run, run.user, list(&done), list(&left));
    Event::StageDone { stage: "resume", detail, seconds: 0.0 }
}

/// Saves a plan that `apply` can apply. A refused or undetermined plan is not saved.
fn save_plan(
    request: &UpgradeRequest<'_>,
    prepared: &Prepared,
    report: &UpgradeReport,
    progress: &ProgressOutput,
) -> Result<(), Problem> {
    let (Some(file), Some(upgrade)) = (request.plan_file, prepared.work.as_upgrade()) else { return Ok(()) };
    if !matches!(report.outcome, Outcome::Planned | Outcome::NothingToDo) {
        let message = format!("not written: {}, because this plan cannot be applied", file.display());
        progress.show_event(&Event::Warning { stage: "plan file", message });
        return Ok(());
    }
    let recorded_state = upgrade.recorded_state.clone().map_err(UpgradeError::StateUnreadable)?;
    let saved = SavedPlan::new(&upgrade.ask, &prepared.plan, recorded_state, Timestamp::now(), &files::current_dir()?);
    files::write(file, "the plan", OutputFormat::Json.render(&saved, String::new)?.as_bytes())?;
    let detail = format!("run `kubectl mural upgrade apply {}` with the same value flags", file.display());
    progress.show_event(&Event::StageDone { stage: "save", detail, seconds: 0.0 });
    Ok(())
}

/// Prints the Roles of this plan, and nothing else. Without a user, they are bound to the one of this connection.
fn print_permissions(plan: &Plan, user: Option<&str>) -> Result<Exit, Problem> {
    Stream::Stdout.write(&render_roles(plan, user)?);
    Ok(Exit::Success)
}

/// Writes the Roles of this plan into the file of `--role-file`.
fn write_role_file(plan: &Plan, flags: &RunFlags) -> Result<(), Problem> {
    let Some(file) = &flags.role_file else { return Ok(()) };
    Ok(files::write(file, "the Roles", render_roles(plan, None)?.as_bytes())?)
}

fn render_roles(plan: &Plan, user: Option<&str>) -> Result<String, Problem> {
    let ours = || plan.cluster.user.as_deref().map_err(|failure| UpgradeError::UserUnreadable(failure.clone()));
    let user = user.map_or_else(ours, Ok)?;
    let roles = permission_manifest::render(&plan.permissions, Subject::User(user));
    Ok(roles.map_err(|error| CommandError::Yaml { what: "Roles", error })?)
}

fn write_report(report: &UpgradeReport, flags: &RunFlags) -> Result<Exit, Problem> {
    Stream::Stdout.write(&render_report(report, flags.output, flags.stdout_style())?);
    if let Some(file) = flags.to_report_file()? {
        file.write(&render_report(report, file.format, Style::PLAIN)?)?;
    }
    Ok(Exit::from_code(report.exit_code))
}

fn render_report(report: &UpgradeReport, format: ReportFormat, style: Style) -> Result<String, Problem> {
    match format {
        ReportFormat::Table | ReportFormat::Wide => Ok(upgrade_result::render(report, style)),
        ReportFormat::Markdown => Ok(upgrade_markdown::render(report)),
        ReportFormat::Html => Ok(upgrade_html::render(report)),
        // The command offers only the first two.
        ReportFormat::Json
        | ReportFormat::Yaml
        | ReportFormat::Junit
        | ReportFormat::Sarif
        | ReportFormat::Prometheus
        | ReportFormat::Github => Ok(format.render_data(report)?),
    }
}
