//! The validate report as Markdown, for a ticket, a pull request or a change record.

use std::fmt::Write as _;

use super::table::format_owners;
use super::{Counts, ValidateReport};
use crate::checks::health_waivers::AcceptedFinding;
use crate::model::check::{Finding, Verdict};
use crate::model::text_format::format_count;
use crate::report::upgrade_markdown::{escape_cell, write_findings, write_table};

/// Renders the reports as one document.
#[must_use]
pub fn render_markdown(reports: &[ValidateReport]) -> String {
    reports.iter().map(render_report).collect::<Vec<_>>().join("\n")
}

fn render_report(report: &ValidateReport) -> String {
    let hub = &report.cluster;
    let mut out = format!("# {}: {}\n\n", escape_cell(&hub.context), summarize(report));
    let made = report.created_at.map_or_else(String::new, |at| format!(", at {at}"));
    let _ = writeln!(out, "**{}**{made}, by version {}.\n", report.verdict.as_str(), report.tool_version);
    if let Some(reason) = &report.read_failure {
        let _ = writeln!(out, "Could not be read: {}\n", escape_cell(reason));
        return out;
    }
    write_place(&mut out, report);
    let row = |(section, checks): (crate::model::check::Section, Vec<&crate::model::check::CheckResult>)| {
        let counts = Counts::from_checks(checks.iter().copied());
        let numbers = [counts.passed, counts.warnings, counts.errors, counts.undetermined, counts.skipped];
        [section.title().to_owned()].into_iter().chain(numbers.map(|number| number.to_string())).collect()
    };
    if let Some(warning) = report.coverage.warning() {
        let _ = writeln!(out, "{}.\n", escape_cell(&warning));
    }
    write_table(
        &mut out,
        &["section", "passed", "warnings", "errors", "undetermined", "skipped"],
        report.sections().into_iter().map(row),
    );
    if let Some(compared) = &report.comparison {
        write_finding_list(&mut out, "New since the baseline", &compared.new);
        write_finding_list(&mut out, "Resolved since the baseline", &compared.resolved);
    }
    let reported: Vec<_> =
        report.checks.iter().filter(|checked| !matches!(checked.verdict, Verdict::Skipped { .. })).cloned().collect();
    write_findings(&mut out, "Findings", &reported);
    write_accepted(&mut out, &report.accepted);
    write_skipped(&mut out, report);
    out
}

/// The cluster, the namespace, the owner and the releases.
fn write_place(out: &mut String, report: &ValidateReport) {
    let hub = &report.cluster;
    let releases =
        report.releases.iter().map(|(name, version)| format!("{name} {}", version.as_deref().unwrap_or("not known")));
    let releases = releases.collect::<Vec<_>>().join(", ");
    let _ = writeln!(
        out,
        "Cluster {} ({}), namespace {}, owner: {}, {}.\n",
        escape_cell(&hub.server),
        escape_cell(&hub.version),
        escape_cell(&hub.namespace),
        escape_cell(&format_owners(report)),
        escape_cell(&releases)
    );
}

/// The findings that a waiver accepts.
fn write_accepted(out: &mut String, accepted: &[AcceptedFinding]) {
    for AcceptedFinding { finding, reason, expires } in accepted {
        let (check, subject) = (escape_cell(&finding.check), escape_cell(&finding.subject));
        let _ = writeln!(out, "- accepted until {expires}: **{check}** {subject}: {}", escape_cell(reason));
    }
}

fn write_skipped(out: &mut String, report: &ValidateReport) {
    let skipped: Vec<_> = report
        .checks
        .iter()
        .filter_map(|checked| match &checked.verdict {
            Verdict::Skipped { reason } => Some(vec![escape_cell(checked.check), escape_cell(reason)]),
            Verdict::Pass | Verdict::Fail { .. } | Verdict::Undetermined { .. } => None,
        })
        .collect();
    if !skipped.is_empty() {
        let _ = writeln!(out, "## Skipped\n");
        write_table(out, &["check", "reason"], skipped.into_iter());
    }
}

fn summarize(report: &ValidateReport) -> String {
    let counts = report.counts;
    if counts.errors + counts.undetermined + counts.warnings == 0 && report.coverage.is_incomplete() {
        return "incomplete".to_owned();
    }
    if counts.errors + counts.undetermined + counts.warnings == 0 {
        return "healthy".to_owned();
    }
    [
        format_count(counts.errors, "error"),
        format_count(counts.warnings, "warning"),
        format!("{} undetermined", counts.undetermined),
    ]
    .join(", ")
}

fn write_finding_list(out: &mut String, title: &str, all: &[Finding]) {
    let _ = writeln!(out, "## {title}\n");
    for finding in all {
        let _ = writeln!(
            out,
            "- **{}** {}: {}",
            escape_cell(&finding.check),
            escape_cell(&finding.subject),
            escape_cell(&finding.message)
        );
    }
    let _ = writeln!(out, "{}", if all.is_empty() { "Nothing.\n" } else { "" });
}
