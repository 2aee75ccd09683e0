//! The end of a run, or of a plan that was not applied: the outcome and the next steps.

use std::fmt::Write as _;

use super::problem_text::indent_lines;
use super::style::{Mark, Style, sanitize};
use super::upgrade_report::{FinalCheck, Outcome, ReportKind, StepOutcome, StepState, UpgradeReport};
use crate::model::check::{CheckResult, Finding, Level, Verdict, VerdictCounts};
use crate::model::text_format::{format_count, format_duration};
use crate::plan::ChartUpgrade;
use crate::plan::repair::Issue;
use crate::problem::Exit;

/// Renders the end of a run, or of a plan that was not applied.
#[must_use]
pub fn render(report: &UpgradeReport, style: Style) -> String {
    let UpgradeReport {
        api_version: _,
        kind,
        run: _,
        outcome,
        exit_code,
        plan,
        steps,
        rollback_plan: _,
        issues,
        final_check,
        seconds,
        overhead_seconds: _,
    } = report;
    let mut out = String::from("\n");
    match outcome {
        Outcome::NothingToDo => {
            let _ = writeln!(out, "{} nothing to do: everything is as requested", style.mark(Mark::Pass));
        }
        Outcome::Planned => {
            let _ = writeln!(out, "{} planned, nothing was written", style.mark(Mark::Skip));
        }
        Outcome::Refused => render_refused(&mut out, &plan.guards, *exit_code, style),
        Outcome::Undetermined => render_undetermined(&mut out, &plan.guards, style),
        Outcome::Succeeded => {
            let text = describe_success(*kind, &plan.charts, issues);
            let _ = writeln!(out, "{} {text} in {}", style.mark(Mark::Pass), format_duration(*seconds));
            write_final_check(&mut out, final_check.as_ref(), style);
            let _ = writeln!(out, "  {:<12}kubectl mural validate --namespace {}", "next", plan.cluster.namespace);
        }
        Outcome::Failed => {
            render_failure(&mut out, steps, *exit_code, style);
            write_next_commands(&mut out, *kind);
        }
    }
    out
}

fn render_refused(out: &mut String, guards: &[CheckResult], exit_code: u8, style: Style) {
    let _ = writeln!(out, "{} refused, nothing was written   exit code {exit_code}", style.mark(Mark::Fail));
    let errors = guards.iter().flat_map(CheckResult::findings).filter(|finding| finding.level == Level::Error);
    for Finding { check, level: _, subject, message, hint, docs: _ } in errors {
        let _ = writeln!(out, "\n  {}", style.bold(check));
        let _ = writeln!(out, "    {}", indent_lines(&format!("{subject}: {message}"), "    "));
        if !hint.is_empty() {
            let _ = writeln!(out, "  hint: {}", sanitize(hint));
        }
        let _ = writeln!(out, "  hint: kubectl mural upgrade --explain {check}");
    }
}

fn render_undetermined(out: &mut String, guards: &[CheckResult], style: Style) {
    let text = "undetermined, nothing was written: a guard could not read its input";
    let _ = writeln!(out, "{} {text}   exit code {}", style.mark(Mark::Unknown), Exit::ChecksFailed.code());
    for guard in guards {
        if let Verdict::Undetermined { reason } = &guard.verdict {
            let _ = writeln!(out, "\n  {}", style.bold(guard.check));
            let _ = writeln!(out, "    {}", indent_lines(reason, "    "));
            let _ = writeln!(out, "  hint: fix the cause, then run the same command again");
            let _ = writeln!(out, "  hint: kubectl mural upgrade --explain {}", guard.check);
        }
    }
}

/// What the run achieved: the label and the rest of the line.
fn describe_success(kind: ReportKind, charts: &[ChartUpgrade], issues: &[Issue]) -> String {
    let fixed = issues.iter().filter(|issue| issue.fixable).count();
    let versions: Vec<String> = charts.iter().map(|chart| format!("{} {}", chart.release, chart.to)).collect();
    match kind {
        ReportKind::Rollback => "rolled back to the state before the run".to_owned(),
        ReportKind::Repair => format!("{:<12}{}", "fixed", format_count(fixed, "issue")),
        ReportKind::Upgrade | ReportKind::CrdApply => format!("{:<12}{}", "upgraded", versions.join(", ")),
    }
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
    let VerdictCounts { passed, errors, warnings, undetermined } = VerdictCounts::from_results(checks);
    let counted = [
        (errors, format_count(errors, "error")),
        (warnings, format_count(warnings, "warning")),
        (undetermined, format!("{undetermined} undetermined")),
    ];
    let rest: String = counted.iter().filter(|(count, _)| *count > 0).map(|(_, text)| format!(", {text}")).collect();
    format!("{} passed{rest}", format_count(passed, "check"))
}

fn render_failure(out: &mut String, steps: &[StepOutcome], exit_code: u8, style: Style) {
    let names_in = |state: StepState| {
        let names: Vec<&str> = steps.iter().filter(|step| step.state == state).map(|step| step.step.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let failed = steps.iter().find(|step| step.state == StepState::Failed);
    let name = failed.map_or("a step", |step| step.step.as_str());
    let verb = if exit_code == Exit::Interrupted.code() { "was interrupted" } else { "failed" };
    let _ = writeln!(out, "{} {name} {verb}   exit code {exit_code}\n", style.mark(Mark::Fail));
    let _ = writeln!(out, "  {}", indent_lines(failed.map_or("", |step| step.detail.as_str()), "  "));
    let _ = writeln!(out, "  {:<10}{}", "done", names_in(StepState::Done));
    let _ = writeln!(out, "  {:<10}{}", "not done", names_in(StepState::NotStarted));
}

/// The commands that continue a failed run, best first.
fn write_next_commands(out: &mut String, kind: ReportKind) {
    let hints: &[&str] = match kind {
        ReportKind::Upgrade => &[
            "fix the cause, then run: kubectl mural upgrade resume (same value flags; completed steps are not repeated)",
            "kubectl mural upgrade rollback   shows what a rollback restores, then asks",
        ],
        ReportKind::Rollback => {
            &["fix the cause, then run: kubectl mural upgrade rollback (completed steps are not repeated)"]
        }
        ReportKind::Repair | ReportKind::CrdApply => {
            &["fix the cause, then run the same command again (completed steps are not repeated)"]
        }
    };
    for hint in hints {
        let _ = writeln!(out, "  hint: {hint}");
    }
}
