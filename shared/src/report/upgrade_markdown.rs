//! Renders the report of an upgrade as Markdown, for a ticket, a pull request or a change record.

use std::fmt::Write as _;

use super::style::sanitize;
use super::upgrade_report::{
    FinalCheck, NewestRevision, Outcome, ReleaseAfterFailure, ReportKind, StateAfterFailure, StepOutcome, StepState,
    UpgradeReport,
};
use crate::ask::join_command;
use crate::checks::crd_changes::decision::CrdDecision;
use crate::model::check::{CheckResult, Finding, Level, Verdict, summarize_passed};
use crate::model::managed_fields::FIELD_MANAGER;
use crate::model::text_format::{format_count, format_duration};
use crate::plan::{ObjectChangeKind, Plan, Step, UnchangedItem};

/// Renders a report.
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
    let mut out = String::new();
    let _ = writeln!(out, "# {} {run}: {}\n", describe_kind(*kind), describe_outcome(*outcome));
    let _ = writeln!(out, "**{}**\n", escape_cell(&verdict.describe()));
    let took = format_duration(*seconds);
    let _ = writeln!(out, "Exit code {exit_code} after {took}, at {created_at}, by version {tool_version}.\n");
    write_place(&mut out, plan);
    write_charts(&mut out, plan);
    if !report.next_command().is_empty() {
        let _ = writeln!(out, "```sh\n{}\n```\n", sanitize(&join_command(report.next_command())));
    }
    write_steps(&mut out, &plan.steps, steps);
    write_releases(&mut out, after_failure.as_ref());
    write_crds(&mut out, plan);
    write_objects(&mut out, plan);
    write_named_changes(&mut out, plan);
    write_unchanged_items(&mut out, &plan.unchanged_items);
    write_findings(&mut out, "Guards", &plan.guards);
    write_final_check(&mut out, final_check.as_ref());
    out
}

fn write_place(out: &mut String, plan: &Plan) {
    let hub = &plan.cluster;
    let [context, version, namespace] = [&hub.context, &hub.version, &hub.namespace].map(|text| escape_cell(text));
    let _ = writeln!(out, "Cluster {context} ({version}), namespace {namespace}.\n");
}

/// The revisions that helm wrote in a run that failed.
fn write_releases(out: &mut String, after_failure: Option<&StateAfterFailure>) {
    for ReleaseAfterFailure { release, newest } in after_failure.into_iter().flat_map(|state| &state.releases) {
        let text = match newest {
            NewestRevision::Written { revision, chart_version, status, .. } => {
                format!("revision {revision} ({chart_version}) is {status}")
            }
            NewestRevision::Unreadable { reason } => format!("unknown: {reason}"),
        };
        let _ = writeln!(out, "- release {}: {}\n", escape_cell(release), escape_cell(&text));
    }
}

fn write_final_check(out: &mut String, final_check: Option<&FinalCheck>) {
    let Some(FinalCheck { checks, comparison }) = final_check else { return };
    write_findings(out, "Installation after the run", checks);
    let count = |level: Level| comparison.new.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings) =
        (format_count(count(Level::Error), "error"), format_count(count(Level::Warning), "warning"));
    let known = format_count(comparison.pre_existing.len(), "finding");
    let _ = writeln!(out, "New: {errors}, {warnings}. Existed before: {known}.\n");
}

/// Everything that was compared and stays unchanged, with the reason.
fn write_unchanged_items(out: &mut String, items: &[UnchangedItem]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(out, "## Unchanged\n");
    let row = |UnchangedItem { subject, reason }: &UnchangedItem| {
        vec![escape_cell(&subject.to_string()), escape_cell(reason)]
    };
    write_table(out, &["subject", "reason"], items.iter().map(row));
}

/// The operation, as a noun.
pub(super) const fn describe_kind(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Upgrade => "Upgrade",
        ReportKind::Rollback => "Rollback",
        ReportKind::Repair => "Repair",
        ReportKind::CrdApply => "CRD apply",
    }
}

/// The outcome in a few words.
pub(super) const fn describe_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NothingToDo => "nothing to do",
        Outcome::Planned => "planned, nothing written",
        Outcome::Refused => "refused, nothing written",
        Outcome::Undetermined => "undetermined, nothing written",
        Outcome::Succeeded => "done and verified",
        Outcome::Failed => "failed",
    }
}

/// Escapes a text so that it stays in its table cell or on its line.
pub(super) fn escape_cell(text: &str) -> String {
    let mut safe = sanitize(text).replace('\n', " ");
    for sign in ["\\", "|", "<", "`", "*", "_", "["] {
        safe = safe.replace(sign, &format!("\\{sign}"));
    }
    safe
}

pub(super) fn write_table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(out, "| {} |\n|{}", heads.join(" | "), " --- |".repeat(heads.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    let _ = writeln!(out);
}

fn write_charts(out: &mut String, plan: &Plan) {
    let row = |chart: &crate::plan::ChartUpgrade| {
        let from = chart.format_installed();
        vec![
            escape_cell(&chart.release),
            escape_cell(from),
            escape_cell(&chart.to),
            format!("`{}`", chart.digest.sha256),
        ]
    };
    write_table(out, &["release", "from", "to", "digest"], plan.charts.iter().map(row));
}

/// What the authors of the charts say changed.
fn write_named_changes(out: &mut String, plan: &Plan) {
    for chart in plan.charts.iter().filter(|chart| !chart.named_changes.is_empty() && !chart.keeps_version()) {
        let _ = writeln!(out, "## Changes of {} {}\n", escape_cell(&chart.release), escape_cell(&chart.to));
        for change in &chart.named_changes {
            let mark = if change.is_breaking { "**breaking** " } else { "" };
            let _ = writeln!(out, "- {mark}{} {}", escape_cell(&change.kind), escape_cell(&change.description));
        }
        let _ = writeln!(out);
    }
}

fn write_steps(out: &mut String, steps: &[Step], outcomes: &[StepOutcome]) {
    if steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "## Steps\n");
    let row = |step: &Step| {
        let done = outcomes.iter().find(|done| done.step == step.id);
        let state = done.map_or("planned", |done| match done.state {
            StepState::Done => "done",
            StepState::Failed => "failed",
            StepState::NotStarted => "not done",
        });
        let (detail, seconds) =
            done.map_or_else(Default::default, |done| (escape_cell(&done.detail), format!("{:.1}", done.seconds)));
        vec![escape_cell(&step.title), escape_cell(&step.reason), state.to_owned(), seconds, detail]
    };
    write_table(out, &["step", "reason", "state", "seconds", "result"], steps.iter().map(row));
}

fn write_crds(out: &mut String, plan: &Plan) {
    let changed_crds = plan.crds.iter().filter(|crd| crd.decision != CrdDecision::Unchanged);
    let row = |crd: &crate::plan::CrdPlan| {
        let conflicts = crd.forced_conflicts.iter().map(|(manager, fields)| {
            format!("field ownership of {}: from {manager} to {FIELD_MANAGER}", fields.join(", "))
        });
        let changes: Vec<String> = crd.notes.iter().cloned().chain(conflicts).collect();
        vec![escape_cell(&crd.name), crd.decision.as_str().to_owned(), escape_cell(&changes.join("; "))]
    };
    let rows: Vec<_> = changed_crds.map(row).collect();
    if rows.is_empty() {
        return;
    }
    let unchanged = plan.crds.len() - rows.len();
    let _ = writeln!(out, "## CRDs\n\nUnchanged and not written: {unchanged}.\n");
    write_table(out, &["CRD", "decision", "changes"], rows.into_iter());
}

fn write_objects(out: &mut String, plan: &Plan) {
    if plan.objects.is_empty() && plan.values.is_empty() {
        return;
    }
    let _ = writeln!(out, "## Application\n");
    let row = |change: &crate::plan::ObjectChange| {
        let verb = match change.change {
            ObjectChangeKind::Create => "created",
            ObjectChangeKind::Update => "changed",
            ObjectChangeKind::Delete => "removed",
        };
        vec![escape_cell(&change.object.to_string()), verb.to_owned(), escape_cell(&change.details.join("; "))]
    };
    write_table(out, &["object", "action", "changes"], plan.objects.iter().map(row));
    let display = |value: &Option<String>| value.as_deref().map_or_else(|| "not set".to_owned(), escape_cell);
    let row =
        |change: &crate::plan::ValueChange| vec![escape_cell(&change.key), display(&change.old), display(&change.new)];
    if !plan.values.is_empty() {
        write_table(out, &["value", "from", "to"], plan.values.iter().map(row));
    }
}

pub(super) fn write_findings(out: &mut String, title: &str, checks: &[CheckResult]) {
    let _ = writeln!(out, "## {title}\n\n{}.\n", summarize_passed(checks));
    for checked in checks {
        if let Verdict::Undetermined { reason } = &checked.verdict {
            let _ = writeln!(out, "- undetermined: **{}**: {}", escape_cell(checked.check), escape_cell(reason));
        }
        for finding in checked.findings() {
            let _ = writeln!(out, "{}", format_finding(finding));
        }
    }
    let _ = writeln!(out);
}

fn format_finding(finding: &Finding) -> String {
    let level = format!("{:?}", finding.level).to_lowercase();
    let hint = if finding.hint.is_empty() { String::new() } else { format!(" → {}", escape_cell(&finding.hint)) };
    format!(
        "- {level}: **{}** {}: {}{hint}",
        escape_cell(&finding.check),
        escape_cell(&finding.subject),
        escape_cell(&finding.message)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_cluster_breaks_no_table() {
        assert_eq!(escape_cell("a|b\nc <script> `x` \u{1b}[31m"), "a\\|b c \\<script> \\`x\\` \u{fffd}\\[31m");
        let mut out = String::new();
        write_table(&mut out, &["a", "b"], [vec!["1".to_owned(), "2".to_owned()]].into_iter());
        assert_eq!(out, "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n");
    }
}
