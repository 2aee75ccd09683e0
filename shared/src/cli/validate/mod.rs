//! The command `kubectl mural validate`.
//!
//! Validates the flags (`validate_request`), reads each cluster once (`observe`), runs the pure checks and writes the report
//! to standard output. `--wait` repeats this (`health_wait`). `bundle` is in `bundle_command`.

mod answer;
mod bundle_command;
mod expected_charts;
pub mod flags;
mod health_wait;
mod observe;
mod operator_tools;
mod validate_error;
mod validate_request;

use std::time::Instant;

use crate::checks::health_check::HealthCheck;
use crate::checks::health_checks;
use crate::cli::explain::explain;
use crate::cli::progress_output::ProgressOutput;
use crate::cli::runtime::block_on;
use crate::cli::{Stream, StyleFlags, style_for, verbose};
use crate::model::check::Card;
use crate::model::tool_versions::ToolVersions;
use crate::problem::{Exit, Problem};
use crate::report::columns::render_columns;
use crate::report::style::sanitize;
use crate::report::validate::{REPORT_JSON_SCHEMA, ValidateReport, worst_exit};
use jiff::Timestamp;

use flags::{Cli, Command};
use observe::ClusterObservations;
use validate_error::ValidateError;
use validate_request::ValidateRequest;

/// Runs the command and returns its exit code.
///
/// # Errors
/// The reason why the command failed, with its exit code.
pub fn run_command(cli: &Cli) -> Result<Exit, Problem> {
    let style = match &cli.command {
        Some(Command::Bundle(flags)) => flags.style,
        Some(Command::Schema) | None => cli.style,
    };
    verbose::enable(style);
    let offline = match &cli.command {
        Some(Command::Schema) => Some(REPORT_JSON_SCHEMA.to_owned()),
        Some(Command::Bundle(flags)) => return block_on(bundle_command::run(flags)),
        None if cli.checks.print_schema => Some(REPORT_JSON_SCHEMA.to_owned()),
        None if cli.checks.list_checks => Some(render_check_list()),
        None => match &cli.checks.explain {
            Some(id) => return explain(id),
            None => None,
        },
    };
    if let Some(text) = offline {
        Stream::Stdout.write(&text);
        return Ok(Exit::Success);
    }
    run_validation(cli)
}

fn run_validation(cli: &Cli) -> Result<Exit, Problem> {
    let began = Instant::now();
    // Report usage errors before any request to the cluster.
    let request = ValidateRequest::from_cli(cli)?;
    let (reports, early_exit) = block_on(collect_reports(&request, cli.style))?;
    let exit = early_exit.unwrap_or_else(|| worst_exit(&reports, request.strict));
    answer::write_answer(&reports, &request, (cli.output, cli.style), exit, began.elapsed())?;
    Ok(exit)
}

/// The report of each cluster, and the exit code of a wait; `None` if the reports decide the exit code.
async fn collect_reports(
    request: &ValidateRequest,
    style: StyleFlags,
) -> Result<(Vec<ValidateReport>, Option<Exit>), Problem> {
    if let Some(limits) = request.wait {
        let tools = observe::read_tool_versions(request).await;
        let progress = ProgressOutput::new(false, style_for(Stream::Stderr, style));
        let wait_result = health_wait::wait_until_healthy(request, &tools, limits, &progress).await;
        progress.finish();
        let (report, exit) = wait_result?;
        return Ok((vec![report], Some(exit)));
    }
    let Some(contexts) = &request.contexts else {
        let (observations, tools) = tokio::join!(
            observe::observe(request, &request.installation, &request.checks),
            observe::read_tool_versions(request)
        );
        let observations = observations?;
        if observations.has_no_release() {
            Stream::Stderr.write(&sanitize(&observe::describe_other_releases(&request.installation).await));
        }
        return Ok((vec![build_report(request, &observations, &tools)], None));
    };
    let results = contexts.iter().map(|context| async move {
        let installation = request.installation_in_context(context);
        observe::observe(request, &installation, &request.checks).await
    });
    let (results, tools) = tokio::join!(futures::future::join_all(results), observe::read_tool_versions(request));
    let mut all = Vec::new();
    for (context, observations) in contexts.iter().zip(results) {
        all.extend(report_context(request, context, observations, &tools));
    }
    if all.is_empty() {
        let (namespace, release) = (request.installation.namespace.clone(), request.installation.app_release.clone());
        return Err(ValidateError::NoInstallation { namespace, release }.into());
    }
    Ok((all, None))
}

/// The report of one context. An unreachable cluster has a report too; with `--all-contexts`, one without the installation has none.
fn report_context(
    request: &ValidateRequest,
    context: &str,
    observations: Result<ClusterObservations, Problem>,
    tools: &ToolVersions,
) -> Option<ValidateReport> {
    match observations {
        Ok(observations) if request.skip_contexts_without_release && observations.has_no_release() => {
            Stream::Stderr.write(&format!("{context}: the installation was not found, skipped\n"));
            None
        }
        Ok(observations) => Some(build_report(request, &observations, tools)),
        Err(problem) => {
            let reason = [vec![problem.to_string()], problem.causes()].concat().join(": ");
            let report = ValidateReport::from_read_failure(context, &request.installation.namespace, reason);
            Some(report.with_time(Timestamp::now()))
        }
    }
}

fn build_report(request: &ValidateRequest, observations: &ClusterObservations, tools: &ToolVersions) -> ValidateReport {
    request.complete(observations.judge(tools, &request.checks, Timestamp::now()))
}

fn render_check_list() -> String {
    let row = |check: &HealthCheck| {
        let Card { id, section, title, level, .. } = check.card;
        vec![(*id).to_owned(), section.title().to_owned(), level.as_str().to_owned(), (*title).to_owned()]
    };
    render_columns(
        &["CHECK", "SECTION", "LEVEL", "REQUIRES"],
        &health_checks::HEALTH_CHECKS.iter().map(row).collect::<Vec<_>>(),
    )
}
