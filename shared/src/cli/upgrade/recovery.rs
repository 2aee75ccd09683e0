//! `kubectl mural upgrade rollback` and `repair`: show the plan, ask for the confirmation, then run it.

use std::time::Instant;

use crate::cli::confirmation::confirm_or_report;
use crate::cli::environment::read_environment;
use crate::cli::progress_output::ProgressOutput;
use crate::cli::run_result::{publish_failure, publish_report};
use crate::cli::signals::Signals;
use crate::cli::{files, show_to_operator};
use crate::plan::journal::Task;
use crate::prepare::prepared::{Environment, Prepared, RunMode, Work};
use crate::prepare::rollback::{prepare_repair, prepare_rollback, read_journal, select_run_to_roll_back};
use crate::problem::{Exit, Problem};
use crate::report::event::Event;
use crate::report::rollback_report;
use crate::report::upgrade_report::{Outcome, UpgradeReport};
use crate::run::journal_writer::close_without_work;
use crate::run::lock::release_all_stale;
use crate::run::run;
use crate::run::run_options::{JournalOptions, RunOptions};

use crate::cli::upgrade::flags::{RepairFlags, RollbackFlags, RunFlags};
use crate::cli::upgrade::{print_permissions, write_report, write_role_file};

/// The environment, options and output of a rollback or repair.
struct RecoveryRun {
    env: Environment,
    options: RunOptions,
    progress: ProgressOutput,
    signals: Signals,
}

fn prepare_run(flags: &RunFlags, task: Option<Task>) -> Result<RecoveryRun, Problem> {
    let mode = flags.to_write_mode();
    mode.require_terminal(", or --dry-run=server to write nothing")?;
    let limits = flags.to_limits()?;
    let env = read_environment(None, RunMode::new(mode.can_write(), limits.wait_for_lock))?;
    let journal_options = match task {
        Some(task) => Some(JournalOptions {
            task,
            state_dir: env.state_dir.clone(),
            working_dir: files::current_dir()?,
            continue_command: Vec::new(),
            backup: None,
        }),
        None => None,
    };
    let options = limits.to_run_options(&env, Instant::now(), journal_options);
    let progress = flags.to_progress();
    Ok(RecoveryRun { env, options, progress, signals: Signals::new()? })
}

/// Rolls back to the state before the last run.
pub(crate) async fn rollback(flags: &RollbackFlags) -> Result<Exit, Problem> {
    let RecoveryRun { env, mut options, progress, mut signals } = prepare_run(&flags.run_flags, Some(Task::Rollback))?;
    let emit = |event: Event| progress.show_event(&event);
    let prepared = signals
        .run_read_only(async {
            let (journal, uid) = read_journal(&flags.location.to_location()?).await?;
            let ask = flags.to_ask(select_run_to_roll_back(&journal, &uid)?)?;
            prepare_rollback(ask, flags.overwrite, env, &emit).await
        })
        .await?;
    if let Some(user) = &flags.run_flags.explain_permissions {
        return print_permissions(&prepared.plan, user.as_deref());
    }
    if let (Some(journal_options), Work::Rollback(rollback)) = (&mut options.journal_options, &prepared.work) {
        journal_options.continue_command = rollback.ask.rollback_command();
        journal_options.continue_command.extend(flags.overwrite.then(|| "--overwrite".to_owned()));
    }
    write_role_file(&prepared.plan, &flags.run_flags)?;
    let style = flags.run_flags.stdout_style();
    if let Some(target) = prepared.work.rollback_target() {
        progress.pause(|| {
            show_to_operator(&rollback_report::render(&target.plan, &prepared.plan, style), flags.run_flags.output);
        });
    }
    let report = confirm_and_run(&prepared, &options, &flags.run_flags, &progress, &mut signals).await?;
    write_report(&report, &flags.run_flags)
}

/// Fixes the issues that an interrupted run left behind.
pub(crate) async fn repair(flags: &RepairFlags) -> Result<Exit, Problem> {
    let RecoveryRun { env, options, progress, mut signals } = prepare_run(&flags.run_flags, None)?;
    let emit = |event: Event| progress.show_event(&event);
    let prepared = signals.run_read_only(prepare_repair(flags.to_spec()?, env, &emit)).await?;
    if let Some(user) = &flags.run_flags.explain_permissions {
        return print_permissions(&prepared.plan, user.as_deref());
    }
    write_role_file(&prepared.plan, &flags.run_flags)?;
    let style = flags.run_flags.stdout_style();
    if let Work::Repair(repair) = &prepared.work {
        let text = rollback_report::render_repair(&repair.issues, &prepared.plan, style);
        progress.pause(|| show_to_operator(&text, flags.run_flags.output));
    }
    let report = confirm_and_run(&prepared, &options, &flags.run_flags, &progress, &mut signals).await?;
    write_report(&mark_open_issues(report), &flags.run_flags)
}

/// A repair with issues that it cannot fix is undetermined, not successful.
fn mark_open_issues(report: UpgradeReport) -> UpgradeReport {
    let open = report.issues.iter().any(|issue| !issue.fixable);
    match report.outcome {
        Outcome::NothingToDo | Outcome::Succeeded if open => {
            UpgradeReport { outcome: Outcome::Undetermined, exit_code: Exit::ChecksFailed.code(), ..report }
        }
        _ => report,
    }
}

async fn confirm_and_run(
    prepared: &Prepared,
    options: &RunOptions,
    flags: &RunFlags,
    progress: &ProgressOutput,
    signals: &mut Signals,
) -> Result<UpgradeReport, Problem> {
    let emit = |event: Event| progress.show_event(&event);
    let report = match signals.run_read_only(confirm_or_report(prepared, options, flags.to_write_mode())).await? {
        Some(report) => {
            if flags.to_write_mode().can_write() && report.outcome == Outcome::NothingToDo {
                release_all_stale(prepared, &emit).await;
                close_without_work(prepared, &emit).await;
            }
            report
        }
        None => {
            progress.resume();
            publish_failure(prepared, signals.run_writing(&options.stop, run(prepared, options, &emit)).await).await?
        }
    };
    publish_report(prepared, &report).await;
    progress.finish();
    Ok(report)
}
