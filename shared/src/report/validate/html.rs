//! Renders the report as one HTML page without network access: summary, sections, timeline and a filter.

use std::fmt::Write as _;

use super::table::format_owners;
use super::{Counts, ValidateReport};
use crate::checks::health_waivers::AcceptedFinding;
use crate::model::check::{CheckResult, Finding, Level, Section};
use crate::report::html_parts::{build_page, escape_text, write_check_rows};

/// Renders the reports as one page.
#[must_use]
pub fn render_html(reports: &[ValidateReport]) -> String {
    let mut articles = String::new();
    for report in reports {
        write_report(&mut articles, report);
    }
    let hubs: Vec<&str> = reports.iter().map(|report| report.cluster.context.as_str()).collect();
    build_page(&format!("kubectl mural validate: {}", hubs.join(", ")), &articles)
}

fn write_report(out: &mut String, report: &ValidateReport) {
    let hub = &report.cluster;
    let _ = write!(
        out,
        "<article><h1>{}</h1><p class=\"place\">{} · {} · namespace {}",
        escape_text(&hub.context),
        escape_text(&hub.server),
        escape_text(&hub.version),
        escape_text(&hub.namespace)
    );
    if !report.owners.is_empty() {
        let _ = write!(out, " · owner: {}", escape_text(&format_owners(report)));
    }
    for (release, version) in &report.releases {
        let _ = write!(out, " · {} {}", escape_text(release), escape_text(version.as_deref().unwrap_or("not known")));
    }
    if let Some(at) = report.created_at {
        let _ = write!(out, " · {at}");
    }
    let _ = write!(out, " · version {}</p>\n<p><b>{}</b></p>\n", report.tool_version, report.verdict.as_str());
    if let Some(reason) = &report.read_failure {
        let _ = writeln!(out, "<p class=\"open\">Could not be read: {}</p></article>", escape_text(reason));
        return;
    }
    write_summary(out, report.counts);
    if let Some(warning) = report.coverage.warning() {
        let _ = writeln!(out, "<p class=\"open\">{}</p>", escape_text(&warning));
    }
    if let Some(compared) = &report.comparison {
        write_finding_list(out, "New since the baseline", &compared.new);
        write_finding_list(out, "Gone since the baseline", &compared.resolved);
    }
    write_accepted(out, &report.accepted);
    // Stable: sections with a problem first, each group in its order.
    let mut sections = report.sections();
    sections.sort_by_key(|(_, checks)| !checks.iter().any(|checked| is_problem(checked)));
    for (section, checks) in sections {
        write_section(out, section, &checks);
    }
    write_timeline(out, report);
    out.push_str("</article>\n");
}

fn write_summary(out: &mut String, counts: Counts) {
    let tiles = [
        ("pass", "✔", counts.passed, "passed"),
        ("fail", "✖", counts.errors, "errors"),
        ("warn", "▲", counts.warnings, "warnings"),
        ("note", "i", counts.notes, "notes"),
        ("open", "?", counts.undetermined, "undetermined"),
        ("skip", "–", counts.skipped, "skipped"),
    ];
    out.push_str("<ul class=\"tiles\">");
    for (kind, mark, count, words) in tiles {
        let quiet = if count == 0 { " none" } else { "" };
        let _ = write!(out, "<li class=\"{kind}{quiet}\"><b>{count}</b><span>{mark} {words}</span></li>");
    }
    out.push_str("</ul>\n");
}

fn write_finding_list(out: &mut String, title: &str, all: &[Finding]) {
    let _ = write!(out, "<h2>{title}</h2><ul>");
    for finding in all {
        let _ = write!(
            out,
            "<li><code>{}</code> {}: {}</li>",
            escape_text(&finding.check),
            escape_text(&finding.subject),
            escape_text(&finding.message)
        );
    }
    out.push_str(if all.is_empty() { "<li>nothing</li></ul>\n" } else { "</ul>\n" });
}

fn is_problem(checked: &CheckResult) -> bool {
    checked.is_undetermined() || matches!(checked.gravest_level(), Some(Level::Error | Level::Warning))
}

/// The findings that a waiver accepts.
fn write_accepted(out: &mut String, accepted: &[AcceptedFinding]) {
    if accepted.is_empty() {
        return;
    }
    out.push_str("<h2>Accepted</h2><ul>");
    for AcceptedFinding { finding, reason, expires } in accepted {
        let text = format!("{}: {}, until {expires}: {reason}", finding.check, finding.subject);
        let _ = write!(out, "<li>{}</li>", escape_text(&text));
    }
    out.push_str("</ul>\n");
}

fn write_section(out: &mut String, section: Section, checks: &[&CheckResult]) {
    let counts = Counts::from_checks(checks.iter().copied());
    let has_details = counts.errors + counts.warnings + counts.undetermined + counts.notes > 0;
    let open = if has_details { " open" } else { "" };
    let _ = write!(out, "<details class=\"section\"{open}><summary><h2>{}</h2>", section.title());
    for (kind, mark, count) in [
        ("pass", "✔", counts.passed),
        ("fail", "✖", counts.errors),
        ("warn", "▲", counts.warnings),
        ("open", "?", counts.undetermined),
        ("skip", "–", counts.skipped),
    ] {
        if count > 0 {
            let _ = write!(out, "<span class=\"{kind}\">{mark} {count}</span>");
        }
    }
    out.push_str("</summary>\n<table>\n");
    for checked in checks {
        write_check_rows(out, checked);
    }
    out.push_str("</table></details>\n");
}

fn write_timeline(out: &mut String, report: &ValidateReport) {
    if report.timeline.is_empty() {
        return;
    }
    out.push_str("<details class=\"section\" open><summary><h2>timeline</h2></summary>\n<table>\n");
    for moment in &report.timeline {
        let _ =
            writeln!(out, "<tr><td class=\"time\">{}</td><td>{}</td></tr>", moment.at, escape_text(&moment.message));
    }
    out.push_str("</table></details>\n");
}
