//! An upgrade's report as Markdown: for a ticket, a pull request, a change record.

use std::fmt::Write as _;

use super::style::harmless;
use super::upgrade::{Outcome, StepState, UpgradeReport};
use crate::checks::crd_changes::decision::CrdDecision;
use crate::model::check::{Checked, Finding, Level, Verdict};
use crate::plan::{ObjectVerb, Plan};

/// Renders a report.
#[must_use]
pub fn render(report: &UpgradeReport) -> String {
    let plan = &report.plan;
    let mut out = String::new();
    let _ = writeln!(out, "# Upgrade {}: {}\n", report.run, ended(report.outcome));
    let _ = writeln!(out, "Exit code {} after {:.0} s.\n", report.exit_code, report.seconds);
    let hub = &plan.hub;
    let _ =
        writeln!(out, "Cluster {} ({}), namespace {}.\n", cell(&hub.context), cell(&hub.version), cell(&hub.namespace));
    charts(&mut out, plan);
    steps(&mut out, report);
    crds(&mut out, plan);
    objects(&mut out, plan);
    findings(&mut out, "Guards", &plan.guards);
    if let Some(last) = &report.validate {
        findings(&mut out, "The installation afterwards", &last.checks);
        let new = last.trouble.new.iter().filter(|finding| finding.level == Level::Error).count();
        let _ = writeln!(out, "{new} errors are new, {} were there before.\n", last.trouble.known.len());
    }
    out
}

const fn ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NothingToDo => "nothing to do",
        Outcome::Planned => "planned, nothing written",
        Outcome::Refused => "refused, nothing written",
        Outcome::Undetermined => "undecided, nothing written",
        Outcome::Upgraded => "done and proved",
        Outcome::Failed => "failed",
    }
}

/// A text that stays in its cell of a table, or on its line.
pub(super) fn cell(text: &str) -> String {
    let mut safe = harmless(text).replace('\n', " ");
    for sign in ["\\", "|", "<", "`", "*", "_", "["] {
        safe = safe.replace(sign, &format!("\\{sign}"));
    }
    safe
}

pub(super) fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(out, "| {} |\n|{}", heads.join(" | "), " --- |".repeat(heads.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    let _ = writeln!(out);
}

fn charts(out: &mut String, plan: &Plan) {
    let row = |chart: &crate::plan::ChartMove| {
        let from = chart.from.as_deref().unwrap_or("no release");
        vec![cell(&chart.release), cell(from), cell(&chart.to), format!("`{}`", chart.digest.sha256)]
    };
    table(out, &["release", "from", "to", "digest"], plan.charts.iter().map(row));
}

fn steps(out: &mut String, report: &UpgradeReport) {
    if report.plan.steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "## Steps\n");
    let row = |step: &crate::plan::Step| {
        let done = report.steps.iter().find(|done| done.step == step.id);
        let state = done.map_or("planned", |done| match done.state {
            StepState::Done => "done",
            StepState::Failed => "failed",
            StepState::NotDone => "not done",
        });
        let (detail, seconds) =
            done.map_or_else(Default::default, |done| (cell(&done.detail), format!("{:.1}", done.seconds)));
        vec![cell(&step.title), state.to_owned(), seconds, detail]
    };
    table(out, &["step", "", "seconds", ""], report.plan.steps.iter().map(row));
}

fn crds(out: &mut String, plan: &Plan) {
    let told = plan.crds.iter().filter(|crd| crd.decision != CrdDecision::Unchanged);
    let row = |crd: &crate::plan::CrdPlan| {
        let taken =
            crd.taken_over.iter().map(|(manager, fields)| format!("{} taken over from {manager}", fields.join(", ")));
        let changes: Vec<String> = crd.notes.iter().cloned().chain(taken).collect();
        vec![cell(&crd.name), crd.decision.word().to_owned(), cell(&changes.join("; "))]
    };
    let told: Vec<_> = told.map(row).collect();
    if told.is_empty() {
        return;
    }
    let unchanged = plan.crds.len() - told.len();
    let _ = writeln!(out, "## CRDs\n\n{unchanged} are unchanged and not written.\n");
    table(out, &["CRD", "", "changes"], told.into_iter());
}

fn objects(out: &mut String, plan: &Plan) {
    if plan.objects.is_empty() && plan.values.is_empty() {
        return;
    }
    let _ = writeln!(out, "## Application\n");
    let row = |change: &crate::plan::ObjectChange| {
        let verb = match change.change {
            ObjectVerb::Created => "created",
            ObjectVerb::Changed => "changed",
            ObjectVerb::Removed => "removed",
        };
        vec![cell(&change.object.to_string()), verb.to_owned(), cell(&change.details.join("; "))]
    };
    table(out, &["object", "", "changes"], plan.objects.iter().map(row));
    let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "not set".to_owned(), cell);
    let row = |change: &crate::plan::ValueChange| vec![cell(&change.key), shown(&change.old), shown(&change.new)];
    if !plan.values.is_empty() {
        table(out, &["value", "from", "to"], plan.values.iter().map(row));
    }
}

pub(super) fn findings(out: &mut String, title: &str, checks: &[Checked]) {
    let passed = checks.iter().filter(|checked| checked.verdict == Verdict::Pass).count();
    let _ = writeln!(out, "## {title}\n\n{passed} of {} passed.\n", checks.len());
    for checked in checks {
        if let Verdict::Undetermined { reason } = &checked.verdict {
            let _ = writeln!(out, "- could not look: **{}**: {}", cell(checked.check), cell(reason));
        }
        for finding in checked.findings() {
            let _ = writeln!(out, "{}", one(finding));
        }
    }
    let _ = writeln!(out);
}

fn one(finding: &Finding) -> String {
    let level = format!("{:?}", finding.level).to_lowercase();
    let hint = if finding.hint.is_empty() { String::new() } else { format!(" → {}", cell(&finding.hint)) };
    format!("- {level}: **{}** {}: {}{hint}", cell(&finding.check), cell(&finding.subject), cell(&finding.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cluster_says_breaks_no_table() {
        assert_eq!(cell("a|b\nc <script> `x` \u{1b}[31m"), "a\\|b c \\<script> \\`x\\` \u{fffd}\\[31m");
        let mut out = String::new();
        table(&mut out, &["a", "b"], [vec!["1".to_owned(), "2".to_owned()]].into_iter());
        assert_eq!(out, "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n");
    }
}
