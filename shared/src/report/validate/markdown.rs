//! The answer as Markdown: for a ticket, a pull request, a change record.

use std::fmt::Write as _;

use super::table::owners;
use super::{Counts, ValidateReport};
use crate::model::check::{Finding, Verdict};
use crate::report::markdown::{cell, findings, table};

/// The answers as one document.
#[must_use]
pub fn markdown(reports: &[ValidateReport]) -> String {
    reports.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(report: &ValidateReport) -> String {
    let (hub, counts) = (&report.hub, report.counts);
    let mut out = format!("# {}: {}\n\n", cell(&hub.context), told(counts));
    if let Some(reason) = &report.unread {
        let _ = writeln!(out, "Could not be read: {}\n", cell(reason));
        return out;
    }
    let releases =
        report.releases.iter().map(|(name, version)| format!("{name} {}", version.as_deref().unwrap_or("not known")));
    let releases = releases.collect::<Vec<_>>().join(", ");
    let _ = writeln!(
        out,
        "Cluster {} ({}), namespace {}, owner: {}, {}.\n",
        cell(&hub.server),
        cell(&hub.version),
        cell(&hub.namespace),
        cell(&owners(report)),
        cell(&releases)
    );
    let row = |(section, checks): (crate::model::check::Section, Vec<&crate::model::check::Checked>)| {
        let counts = Counts::of(checks.iter().copied());
        let numbers = [counts.passed, counts.warnings, counts.errors, counts.undetermined, counts.skipped];
        [section.title().to_owned()].into_iter().chain(numbers.map(|number| number.to_string())).collect()
    };
    table(
        &mut out,
        &["section", "passed", "warnings", "errors", "could not look", "skipped"],
        report.sections().into_iter().map(row),
    );
    if let Some(compared) = &report.compared {
        listed(&mut out, "New since the baseline", &compared.new);
        listed(&mut out, "Gone since the baseline", &compared.gone);
    }
    let loud: Vec<_> =
        report.checks.iter().filter(|checked| !matches!(checked.verdict, Verdict::Skipped { .. })).cloned().collect();
    findings(&mut out, "Findings", &loud);
    skipped(&mut out, report);
    out
}

fn skipped(out: &mut String, report: &ValidateReport) {
    let skipped: Vec<_> = report
        .checks
        .iter()
        .filter_map(|checked| match &checked.verdict {
            Verdict::Skipped { reason } => Some(vec![cell(checked.check), cell(reason)]),
            Verdict::Pass | Verdict::Fail { .. } | Verdict::Undetermined { .. } => None,
        })
        .collect();
    if !skipped.is_empty() {
        let _ = writeln!(out, "## Skipped\n");
        table(out, &["check", "why"], skipped.into_iter());
    }
}

fn told(counts: Counts) -> String {
    if counts.errors + counts.undetermined + counts.warnings == 0 {
        return "healthy".to_owned();
    }
    format!("{} errors, {} warnings, {} checks could not look", counts.errors, counts.warnings, counts.undetermined)
}

fn listed(out: &mut String, title: &str, all: &[Finding]) {
    let _ = writeln!(out, "## {title}\n");
    for finding in all {
        let _ = writeln!(out, "- **{}** {}: {}", cell(&finding.check), cell(&finding.subject), cell(&finding.message));
    }
    let _ = writeln!(out, "{}", if all.is_empty() { "Nothing.\n" } else { "" });
}
