//! The end of a run, or of a plan that was not applied: the outcome and the next steps.

use std::fmt::Write as _;

use super::plan_guards::group_undetermined;
use super::problem_text::indent_lines;
use super::style::{Mark, Style, sanitize};
use super::upgrade_report::{
    FinalCheck, NewestRevision, Outcome, ReleaseAfterFailure, ReportKind, StateAfterFailure, StepOutcome, StepState,
    UpgradeReport,
};
use crate::ask::{has_hidden_value, join_command};
use crate::model::check::{CheckResult, Finding, Level, VerdictCounts, summarize_passed};
use crate::model::text_format::{format_count, format_duration};
use crate::model::workload_availability::IncompleteRollout;
use crate::plan::repair::Issue;
use crate::plan::rollback_plan::{RollbackDecision, RollbackPlan};
use crate::plan::{Action, Plan};
use crate::problem::Exit;

/// How many rollouts a failure lists.
const MAX_LISTED_ROLLOUTS: usize = 5;
/// How many reasons of one guard a refusal lists.
const MAX_LISTED_REASONS: usize = 5;

/// Renders the end of a run, or of a plan that was not applied.
#[must_use]
pub fn render(report: &UpgradeReport, style: Style) -> String {
    let UpgradeReport {
        api_version: _,
        kind: _,
        run: _,
        outcome,
        exit_code,
        plan,
        steps: _,
        rollback_plan: _,
        issues: _,
        final_check: _,
        created_at: _,
        tool_version: _,
        verdict: _,
        perform_command,
        after_failure: _,
        seconds: _,
        overhead_seconds: _,
    } = report;
    let mut out = String::from("\n");
    match outcome {
        Outcome::NothingToDo => {
            let _ = writeln!(out, "{} nothing to do: everything is as requested", style.mark(Mark::Pass));
        }
        Outcome::Planned => {
            let _ = writeln!(out, "{} {}", style.mark(Mark::Skip), describe_planned(*exit_code));
            write_perform_command(&mut out, perform_command);
        }
        Outcome::Refused => render_refused(&mut out, &plan.guards, *exit_code, style),
        Outcome::Undetermined => render_undetermined(&mut out, &plan.guards, style),
        Outcome::Succeeded => write_success(&mut out, report, style),
        Outcome::Failed => write_failure(&mut out, report, style),
    }
    style.finish_screen(out)
}

fn write_success(out: &mut String, report: &UpgradeReport, style: Style) {
    let plan = &report.plan;
    let text = match &report.rollback_plan {
        Some(rollback) => describe_rollback(rollback, report.seconds),
        None => {
            let success = describe_success(report.kind, plan, &report.issues);
            format!("{success} in {}", format_duration(report.seconds))
        }
    };
    let _ = writeln!(out, "{} {text}", style.mark(Mark::Pass));
    write_final_check(out, report.final_check.as_ref(), style);
    let _ = writeln!(out, "  {:<12}kubectl mural validate{}", "next", format_installation_flags(plan));
}

fn write_failure(out: &mut String, report: &UpgradeReport, style: Style) {
    render_failure(out, &report.plan, &report.steps, report.exit_code, style);
    if let Some(StateAfterFailure { continue_command: _, releases, incomplete_rollouts }) = &report.after_failure {
        write_state_after_failure(out, releases, incomplete_rollouts);
    }
    write_next_commands(out, report.kind, report.exit_code, report.next_command());
}

/// The last line of a plan: the command that performs it.
fn write_perform_command(out: &mut String, perform_command: &[String]) {
    if perform_command.is_empty() {
        return;
    }
    if has_hidden_value(perform_command) {
        let _ = writeln!(out, "  to perform exactly this plan, replace each … with its value:");
    } else {
        let _ = writeln!(out, "  to perform exactly this plan:");
    }
    let _ = writeln!(out, "  {}", join_command(perform_command));
}

/// The end of a plan that was not applied: a plan, a dry run, or a question that was answered with no.
fn describe_planned(exit_code: u8) -> String {
    let (ended, reason) = match Exit::from_code(exit_code) {
        Exit::ChangesFound => ("planned", " (there are changes)"),
        Exit::NotConfirmed => ("not confirmed", ""),
        _ => ("planned", ""),
    };
    format!("{ended}, nothing was written   exit code {exit_code}{reason}")
}

/// Every guard that refuses, with its findings and the distinct next steps.
fn render_refused(out: &mut String, guards: &[CheckResult], exit_code: u8, style: Style) {
    let _ = writeln!(out, "{} refused, nothing was written   exit code {exit_code}", style.mark(Mark::Fail));
    for guard in guards.iter().filter(|guard| guard.has_error()) {
        let errors: Vec<&Finding> = guard.findings().iter().filter(|one| one.level == Level::Error).collect();
        let _ = writeln!(out, "\n  {}", style.bold(guard.check));
        let shown = &errors[..errors.len().min(style.listing.limit(MAX_LISTED_REASONS))];
        for Finding { check: _, level: _, subject, message, hint: _, docs: _ } in shown {
            let _ = writeln!(out, "    {}", indent_lines(&format!("{subject}: {message}"), "    "));
        }
        if errors.len() > shown.len() {
            let _ = writeln!(out, "    and {} more; list them with --all", errors.len() - shown.len());
        }
        let mut hints: Vec<&str> = Vec::new();
        for finding in shown.iter().filter(|finding| !finding.hint.is_empty()) {
            if !hints.contains(&finding.hint.as_str()) {
                hints.push(&finding.hint);
            }
        }
        for hint in hints {
            let _ = writeln!(out, "  hint: {}", sanitize(hint));
        }
        let _ = writeln!(out, "  hint: kubectl mural upgrade --explain {}", guard.check);
    }
}

/// Every reason why a guard is undetermined, with the guards that have it.
fn render_undetermined(out: &mut String, guards: &[CheckResult], style: Style) {
    let text = "undetermined, nothing was written: a guard could not read its input";
    let _ = writeln!(out, "{} {text}   exit code {}", style.mark(Mark::Unknown), Exit::ChecksFailed.code());
    let reasons = group_undetermined(guards);
    for (reason, checks) in &reasons {
        let _ = writeln!(out, "\n  {}", style.bold(&checks.join(", ")));
        let _ = writeln!(out, "    {}", indent_lines(reason, "    "));
    }
    let _ = writeln!(out, "  hint: fix the cause, then run the same command again");
    if let Some((_, checks)) = reasons.first() {
        let _ = writeln!(out, "  hint: kubectl mural upgrade --explain {}", checks.first().unwrap_or(&""));
    }
}

/// What the run achieved: the label and the rest of the line.
fn describe_success(kind: ReportKind, plan: &Plan, issues: &[Issue]) -> String {
    let fixed = issues.iter().filter(|issue| issue.fixable).count();
    let versions: Vec<String> = plan.charts.iter().map(|chart| format!("{} {}", chart.release, chart.to)).collect();
    match kind {
        ReportKind::Rollback => "rolled back".to_owned(),
        ReportKind::Repair => format!("{:<12}{}", "fixed", format_count(fixed, "issue")),
        ReportKind::Upgrade => format!("{:<12}{}", "upgraded", versions.join(", ")),
        ReportKind::CrdApply => {
            let count = plan.steps.iter().map(|step| match &step.action {
                Action::ApplyCrds { names } => names.len(),
                _ => 0,
            });
            format!("{:<12}{} of {}", "applied", format_count(count.sum(), "CRD"), versions.join(", "))
        }
    }
}

/// The flags that select the installation: the names of the releases only if they are not the default ones.
fn format_installation_flags(plan: &Plan) -> String {
    let mut flags = format!(" --namespace {}", plan.cluster.namespace);
    let releases = plan.steps.iter().filter_map(|step| match &step.action {
        Action::UpgradeRelease { release } => Some(("--release", release, "mural")),
        Action::RecordRelease { release } => Some(("--crds-release", release, "mural-crds")),
        _ => None,
    });
    for (flag, release, _) in releases.filter(|(_, release, usual)| release != usual) {
        let _ = write!(flags, " {flag} {release}");
    }
    flags
}

/// What was rolled back, and what stays as it is.
fn describe_rollback(rollback: &RollbackPlan, seconds: f64) -> String {
    let count_crds = |decision| rollback.crds.iter().filter(|crd| crd.decision == decision).count();
    let releases = rollback.releases.iter().filter_map(|release| {
        let to = release.to_version.as_ref().filter(|_| release.decision == RollbackDecision::RollBack)?;
        Some(format!("{} {to}", release.release))
    });
    let crds = count_crds(RollbackDecision::RollBack);
    let parts: Vec<String> = releases.chain((crds > 0).then(|| format_count(crds, "CRD"))).collect();
    let stay = match count_crds(RollbackDecision::Leave) {
        0 => String::new(),
        1 => "; 1 CRD stays as it is".to_owned(),
        count => format!("; {count} CRDs stay as they are"),
    };
    format!("{:<12}{} in {}{stay}", "rolled back", parts.join(", "), format_duration(seconds))
}

/// The checks after the run, and the findings that it brought.
fn write_final_check(out: &mut String, final_check: Option<&FinalCheck>, style: Style) {
    let Some(FinalCheck { checks, comparison }) = final_check else { return };
    let known = comparison.pre_existing.len();
    let before = if known > 0 { format!(" ({known} existed before the run)") } else { String::new() };
    let _ = writeln!(out, "  {:<12}{}{before}", "validate", summarize_checks(checks));
    for finding in &comparison.new {
        let mark = if finding.level == Level::Error { Mark::Fail } else { Mark::Warn };
        let text = format!("{}: {}", finding.subject, finding.message);
        let _ = writeln!(out, "   {} {}", style.mark(mark), sanitize(&text));
        let _ = writeln!(out, "     {} {}", style.arrow(), sanitize(&finding.hint));
    }
}

fn summarize_checks(checks: &[CheckResult]) -> String {
    let VerdictCounts { errors, warnings, undetermined, .. } = VerdictCounts::from_results(checks);
    let counted = [
        (errors, format_count(errors, "error")),
        (warnings, format_count(warnings, "warning")),
        (undetermined, format!("{undetermined} undetermined")),
    ];
    let rest: String = counted.iter().filter(|(count, _)| *count > 0).map(|(_, text)| format!(", {text}")).collect();
    format!("{}{rest}", summarize_passed(checks))
}

fn render_failure(out: &mut String, plan: &Plan, steps: &[StepOutcome], exit_code: u8, style: Style) {
    let names_in = |state: StepState| {
        let names: Vec<&str> = steps.iter().filter(|step| step.state == state).map(|step| step.step.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let failed = steps.iter().find(|step| step.state == StepState::Failed);
    let at = failed.and_then(|failed| plan.steps.iter().position(|step| step.id == failed.step));
    let verb = if exit_code == Exit::Interrupted.code() { "was interrupted" } else { "failed" };
    let head = match at.and_then(|at| Some((at + 1, plan.steps.get(at)?))) {
        Some((number, step)) => format!("step {number} {verb}: {}", sanitize(&step.title)),
        None => format!("a step {verb}"),
    };
    let _ = writeln!(out, "{} {head}   exit code {exit_code}\n", style.mark(Mark::Fail));
    let _ = writeln!(out, "  {}", indent_lines(failed.map_or("", |step| step.detail.as_str()), "  "));
    let _ = writeln!(out, "  {:<10}{}", "done", names_in(StepState::Done));
    if let Some(failed) = failed {
        let word = if exit_code == Exit::Interrupted.code() { "stopped" } else { "failed" };
        let _ = writeln!(out, "  {word:<10}{}", failed.step);
    }
    let _ = writeln!(out, "  {:<10}{}", "not done", names_in(StepState::NotStarted));
}

/// The revisions that helm wrote in the run, and the rollouts that it left half-way.
fn write_state_after_failure(out: &mut String, releases: &[ReleaseAfterFailure], rollouts: &[IncompleteRollout]) {
    for ReleaseAfterFailure { release, newest } in releases {
        let text = match newest {
            NewestRevision::Written { revision, chart_version, status, revision_before } => {
                let before = revision_before.map_or_else(String::new, |before| format!("; before the run: {before}"));
                format!("{release}: revision {revision} ({chart_version}) is {status}{before}")
            }
            NewestRevision::Unreadable { reason } => format!("{release}: unknown: {reason}"),
        };
        let _ = writeln!(out, "  {:<10}{}", "release", sanitize(&text));
    }
    for IncompleteRollout { object, wanted, available, updated } in rollouts.iter().take(MAX_LISTED_ROLLOUTS) {
        let text = format!("{object}: {available} of {wanted} replicas serve, {updated} of {wanted} are updated");
        let _ = writeln!(out, "  {:<10}{}", "workload", sanitize(&text));
    }
    let others = rollouts.len().saturating_sub(MAX_LISTED_ROLLOUTS);
    if others > 0 {
        let _ = writeln!(out, "  {:<10}and {others} more: kubectl mural validate", "");
    }
}

/// The commands that continue a run that failed or was interrupted, best first. After Ctrl-C there is no cause to fix.
fn write_next_commands(out: &mut String, kind: ReportKind, exit_code: u8, continue_command: &[String]) {
    let next = match kind {
        _ if !continue_command.is_empty() => format!("run {}", join_command(continue_command)),
        ReportKind::Upgrade => "run kubectl mural upgrade resume with the same value flags".to_owned(),
        ReportKind::Rollback => "run kubectl mural upgrade rollback again".to_owned(),
        ReportKind::Repair | ReportKind::CrdApply => "run the same command again".to_owned(),
    };
    let fix = if exit_code == Exit::Interrupted.code() { "" } else { "fix the cause, then " };
    let _ = writeln!(out, "  hint: {fix}{next}");
    let fill_in = if has_hidden_value(continue_command) { "; replace each … with its value" } else { "" };
    let _ = writeln!(out, "        completed steps are not repeated{fill_in}");
    if kind == ReportKind::Upgrade {
        let rollback = "run kubectl mural upgrade rollback to see what can be rolled back; it asks before it writes";
        let _ = writeln!(out, "  hint: {rollback}");
    }
}
