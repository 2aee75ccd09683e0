//! Renders the report of an upgrade as one HTML page: verdict, timeline of the steps, changes by object, guards and final check.
//!
//! Sections with a problem are open and first; the others are folded. Input: a report. Output: a page that needs no network.

use std::fmt::Write as _;

use super::html_parts::{build_page, escape_text, write_check_rows, write_row};
use super::upgrade_report::{
    NewestRevision, ReleaseAfterFailure, StateAfterFailure, StepOutcome, StepState, UpgradeReport,
};
use crate::ask::join_command;
use crate::checks::crd_changes::decision::CrdDecision;
use crate::model::check::{CheckResult, Level, summarize_passed};
use crate::model::text_format::format_duration;
use crate::plan::{CrdPlan, ObjectChange, ObjectChangeKind, Plan, Step, ValueChange};
use crate::report::upgrade_markdown::{describe_kind, describe_outcome};

/// Renders a report as one page.
#[must_use]
pub fn render(report: &UpgradeReport) -> String {
    let UpgradeReport {
        api_version: _,
        kind,
        run,
        outcome,
        exit_code,
        created_at,
        tool_version,
        verdict,
        plan,
        steps,
        rollback_plan: _,
        issues: _,
        final_check,
        perform_command: _,
        after_failure,
        seconds,
        overhead_seconds: _,
    } = report;
    let title = format!("{} {run}: {}", describe_kind(*kind), describe_outcome(*outcome));
    let mut out = format!("<article><h1>{}</h1><p class=\"place\">", escape_text(&title));
    let took = format_duration(*seconds);
    let words =
        format!("{} · {created_at} · version {tool_version} · exit code {exit_code} after {took}", plan.cluster);
    let _ = writeln!(out, "{}</p>\n<p><b>{}</b></p>", escape_text(&words), escape_text(&verdict.describe()));
    write_charts(&mut out, plan);
    if !report.next_command().is_empty() {
        let _ = writeln!(out, "<p class=\"hint\">{}</p>", escape_text(&join_command(report.next_command())));
    }
    let checked = final_check.iter().map(|check| build_checks("installation after the run", &check.checks));
    let sections = [
        build_checks("guards", &plan.guards),
        build_steps(&plan.steps, steps, after_failure.as_ref()),
        build_crds(&plan.crds),
        build_objects(&plan.objects, &plan.values),
    ];
    write_sections(&mut out, sections.into_iter().chain(checked).collect());
    out.push_str("</article>\n");
    build_page(&format!("kubectl mural upgrade: {title}"), &out)
}

/// Whether a section has a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SectionState {
    /// It has a problem, and is open.
    Problem,
    /// It has none, and is folded.
    Fine,
}

/// One section of the page.
struct PageSection {
    title: String,
    state: SectionState,
    /// Rows of a table, HTML already.
    rows: String,
}

/// Sections with a problem first; each group keeps its order.
fn write_sections(out: &mut String, mut sections: Vec<PageSection>) {
    sections.retain(|section| !section.rows.is_empty());
    sections.sort_by_key(|section| section.state);
    sections.iter().for_each(|section| write_section(out, section));
}

fn write_section(out: &mut String, section: &PageSection) {
    let open = if section.state == SectionState::Problem { " open" } else { "" };
    let title = escape_text(&section.title);
    let _ = writeln!(out, "<details class=\"section\"{open}><summary><h2>{title}</h2></summary>\n<table>");
    out.push_str(&section.rows);
    out.push_str("</table></details>\n");
}

fn write_charts(out: &mut String, plan: &Plan) {
    out.push_str("<ul>");
    for chart in &plan.charts {
        let from = chart.format_installed();
        let text = format!("{}: {from} → {} · {} · {}", chart.release, chart.to, chart.chart, chart.digest.sha256);
        let _ = write!(out, "<li>{}</li>", escape_text(&text));
        for change in chart.named_changes.iter().filter(|_| !chart.keeps_version()) {
            let mark = if change.is_breaking { "▲ breaking: " } else { "" };
            let _ = write!(out, "<li>{}</li>", escape_text(&format!("{mark}{} {}", change.kind, change.description)));
        }
    }
    out.push_str("</ul>\n");
}

fn build_checks(title: &str, checks: &[CheckResult]) -> PageSection {
    let mut rows = String::new();
    let is_problem = |check: &&CheckResult| {
        check.is_undetermined() || matches!(check.gravest_level(), Some(Level::Error | Level::Warning))
    };
    let (problems, others): (Vec<_>, Vec<_>) = checks.iter().partition(is_problem);
    let state = if problems.is_empty() { SectionState::Fine } else { SectionState::Problem };
    problems.into_iter().chain(others).for_each(|check| write_check_rows(&mut rows, check));
    PageSection { title: format!("{title}: {}", summarize_passed(checks)), state, rows }
}

/// The steps as a timeline: state, title, reason, result and time.
fn build_steps(steps: &[Step], outcomes: &[StepOutcome], after_failure: Option<&StateAfterFailure>) -> PageSection {
    let mut rows = String::new();
    let mut state = SectionState::Fine;
    for step in steps {
        let outcome = outcomes.iter().find(|outcome| outcome.step == step.id);
        let mark = match outcome.map(|outcome| outcome.state) {
            Some(StepState::Done) => ("pass", "✔"),
            Some(StepState::Failed) => ("fail", "✖"),
            Some(StepState::NotStarted) | None => ("skip", "–"),
        };
        if mark.0 == "fail" {
            state = SectionState::Problem;
        }
        let mut body = format!("<b>{}</b> {}", escape_text(&step.title), escape_text(&step.reason));
        if !step.command.is_empty() {
            let _ = write!(body, "<div class=\"hint\">{}</div>", escape_text(&join_command(&step.command)));
        }
        if let Some(outcome) = outcome.filter(|outcome| outcome.state != StepState::NotStarted) {
            let took = format_duration(outcome.seconds);
            let _ = write!(body, "<div>{} ({took})</div>", escape_text(&outcome.detail));
        }
        write_row(&mut rows, mark, &escape_text(step.id.as_str()), &body);
    }
    for ReleaseAfterFailure { release, newest } in after_failure.into_iter().flat_map(|state| &state.releases) {
        let text = match newest {
            NewestRevision::Written { revision, chart_version, status, .. } => {
                format!("revision {revision} ({chart_version}) is {status}")
            }
            NewestRevision::Unreadable { reason } => format!("unknown: {reason}"),
        };
        write_row(&mut rows, ("note", "i"), &escape_text(release), &escape_text(&text));
    }
    PageSection { title: "steps".to_owned(), state, rows }
}

fn build_crds(crds: &[CrdPlan]) -> PageSection {
    let mut rows = String::new();
    let mut state = SectionState::Fine;
    for crd in crds.iter().filter(|crd| crd.decision != CrdDecision::Unchanged) {
        let mark = match crd.decision {
            CrdDecision::Rejected => ("fail", "✖"),
            CrdDecision::Risky | CrdDecision::Breaking => ("warn", "▲"),
            CrdDecision::Undetermined => ("open", "?"),
            CrdDecision::Unchanged
            | CrdDecision::Text
            | CrdDecision::Safe
            | CrdDecision::New
            | CrdDecision::RemovedFromChart => ("note", "i"),
        };
        if mark.0 != "note" {
            state = SectionState::Problem;
        }
        let notes: Vec<String> = crd.notes.iter().map(|note| format!("<div>{}</div>", escape_text(note))).collect();
        let body = format!("<b>{}</b>{}", escape_text(&crd.name), notes.concat());
        write_row(&mut rows, mark, crd.decision.as_str(), &body);
    }
    PageSection { title: "CRDs that change".to_owned(), state, rows }
}

/// The application's objects and values that change, each with its own lines.
fn build_objects(objects: &[ObjectChange], values: &[ValueChange]) -> PageSection {
    let mut rows = String::new();
    for ObjectChange { object, change, details } in objects {
        let verb = match change {
            ObjectChangeKind::Create => "created",
            ObjectChangeKind::Update => "changed",
            ObjectChangeKind::Delete => "removed",
        };
        let lines: Vec<String> = details.iter().map(|line| escape_text(line)).collect();
        let body = format!("<b>{}</b><div class=\"hint\">{}</div>", escape_text(&object.to_string()), lines.join("\n"));
        write_row(&mut rows, ("note", "i"), verb, &body);
    }
    for ValueChange { key, old, new } in values {
        let display = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        let body =
            format!("<b>{}</b> {}", escape_text(key), escape_text(&format!("{} → {}", display(old), display(new))));
        write_row(&mut rows, ("note", "i"), "value", &body);
    }
    PageSection { title: "application".to_owned(), state: SectionState::Fine, rows }
}
