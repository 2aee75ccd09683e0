//! The last lines of an upgrade: how it ended, and what to do next.

use std::fmt::Write as _;

use super::style::{Mark, Style, sanitize};
use super::upgrade_report::{Outcome, ReportKind, StepState, UpgradeReport};
use crate::model::check::{CheckResult, Level, Verdict};
use crate::problem::Exit;

/// Renders the end of a run, or of a plan that was not run.
#[must_use]
pub fn render(report: &UpgradeReport, style: Style) -> String {
    let mut out = String::new();
    match report.outcome {
        Outcome::NothingToDo => render_nothing_to_do(&mut out, report, style),
        Outcome::Planned => {
            let _ = writeln!(out, "\n{} planned: nothing was written", style.mark(Mark::Skip));
        }
        Outcome::Refused => render_refused(&mut out, report, style),
        Outcome::Undetermined => render_undetermined(&mut out, report, style),
        Outcome::Succeeded => render_success(&mut out, report, style),
        Outcome::Failed => render_failure(&mut out, report, style),
    }
    out
}

/// The command that goes on.
fn next_command(report: &UpgradeReport) -> &'static str {
    match report.kind {
        ReportKind::Upgrade => {
            "mend the reason, then: kubectl mural upgrade resume, with the same value flags; what is done is not done twice"
        }
        ReportKind::Rollback => {
            "mend the reason, then: kubectl mural upgrade rollback; what is back is not brought back twice"
        }
        ReportKind::Repair | ReportKind::CrdApply => {
            "mend the reason, then run the same command again: what is done is not done twice"
        }
    }
}

fn render_nothing_to_do(out: &mut String, report: &UpgradeReport, style: Style) {
    let _ = writeln!(out, "\n{} nothing to do: everything is as asked for", style.mark(Mark::Pass));
    for left in &report.plan.unchanged_items {
        let _ = writeln!(out, "  {}: {}", sanitize(&left.subject.to_string()), left.reason);
    }
}

fn render_refused(out: &mut String, report: &UpgradeReport, style: Style) {
    let _ = writeln!(out, "\n{} refused before any write   exit code {}", style.mark(Mark::Fail), report.exit_code);
    let errors =
        report.plan.guards.iter().flat_map(CheckResult::findings).filter(|finding| finding.level == Level::Error);
    for finding in errors {
        let _ = writeln!(out, "\n  {}", style.bold(&finding.check));
        let _ = writeln!(out, "    {}: {}", sanitize(&finding.subject), sanitize(&finding.message));
        let _ = writeln!(out, "  do    {}", sanitize(&finding.hint));
        let _ = writeln!(out, "  more  kubectl mural upgrade --explain {}", finding.check);
    }
}

fn render_undetermined(out: &mut String, report: &UpgradeReport, style: Style) {
    let text = "undecided before any write: a guard could not look";
    let _ = writeln!(out, "\n{} {text}   exit code {}", style.mark(Mark::Unknown), Exit::ChecksFailed.code());
    for guard in report.plan.guards.iter().filter(|guard| guard.is_undetermined()) {
        let _ = writeln!(out, "\n  {}", style.bold(guard.check));
        if let Verdict::Undetermined { reason } = &guard.verdict {
            let _ = writeln!(out, "    {}", sanitize(reason));
        }
        let _ = writeln!(out, "  do    mend what keeps it from looking, then run the same command again");
        let _ = writeln!(out, "  more  kubectl mural upgrade --explain {}", guard.check);
    }
}

fn format_versions(report: &UpgradeReport) -> String {
    let all = report.plan.charts.iter().map(|chart| format!("{} {}", chart.release, chart.to));
    all.collect::<Vec<_>>().join(", ")
}

fn render_success(out: &mut String, report: &UpgradeReport, style: Style) {
    let (word, what) = match report.kind {
        ReportKind::Rollback => ("went back", "to what was there before".to_owned()),
        ReportKind::Repair => ("mended", "what was left behind".to_owned()),
        ReportKind::Upgrade | ReportKind::CrdApply => ("upgraded", format_versions(report)),
    };
    let _ = writeln!(out, "\n{} {word:<12}{what} in {:.0}s", style.mark(Mark::Pass), report.seconds);
    if let Some(final_check) = &report.final_check {
        let pre_existing = final_check.comparison.pre_existing.len();
        let before =
            if pre_existing > 0 { format!(" ({pre_existing} known before the upgrade)") } else { String::new() };
        let _ = writeln!(out, "  {:<12}{}{before}", "validate", summarize_checks(&final_check.checks));
        for finding in &final_check.comparison.new {
            let mark = if finding.level == Level::Error { Mark::Fail } else { Mark::Warn };
            let _ =
                writeln!(out, "   {} {}: {}", style.mark(mark), sanitize(&finding.subject), sanitize(&finding.message));
            let _ = writeln!(out, "     {} {}", style.arrow(), sanitize(&finding.hint));
        }
    }
    let namespace = &report.plan.cluster.namespace;
    let _ = writeln!(out, "  {:<12}kubectl mural validate --namespace {namespace}", "next");
}

fn summarize_checks(checks: &[CheckResult]) -> String {
    let passed = checks.iter().filter(|checked| checked.verdict == Verdict::Pass).count();
    let level =
        |level: Level| checks.iter().flat_map(CheckResult::findings).filter(|finding| finding.level == level).count();
    let (errors, warnings) = (level(Level::Error), level(Level::Warning));
    let undetermined = checks.iter().filter(|checked| checked.is_undetermined()).count();
    let counted = [(errors, "error"), (warnings, "warning"), (undetermined, "undetermined")];
    let parts = counted.iter().filter(|(count, _)| *count > 0).map(|(count, word)| {
        let plural = if *count > 1 && *word != "undetermined" { "s" } else { "" };
        format!(", {count} {word}{plural}")
    });
    format!("{passed} checks passed{}", parts.collect::<String>())
}

fn render_failure(out: &mut String, report: &UpgradeReport, style: Style) {
    let names_in = |state: StepState| {
        let names: Vec<&str> =
            report.steps.iter().filter(|step| step.state == state).map(|step| step.step.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let failed = report.steps.iter().find(|step| step.state == StepState::Failed);
    let reason = failed.map_or("", |step| step.detail.as_str());
    let name = failed.map_or("a step", |step| step.step.as_str());
    let how = if report.exit_code == Exit::Interrupted.code() { "was stopped" } else { "failed" };
    let _ = writeln!(out, "\n{} {name} {how}   exit code {}", style.mark(Mark::Fail), report.exit_code);
    let _ = writeln!(out, "\n  {}", sanitize(reason).replace('\n', "\n  "));
    let _ = writeln!(out, "  {:<10}{}", "done", names_in(StepState::Done));
    let _ = writeln!(out, "  {:<10}{}", "not done", names_in(StepState::NotStarted));
    let _ = writeln!(out, "  {:<10}{}", "go on", next_command(report));
    if report.kind == ReportKind::Upgrade {
        let _ = writeln!(out, "  {:<10}kubectl mural upgrade rollback says what can go back, and asks", "go back");
    }
}
