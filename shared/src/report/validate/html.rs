//! Renders the report as one HTML page without network access: summary, sections, timeline and a filter.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::table::format_owners;
use super::{Counts, ValidateReport};
use crate::catalogue::cards;
use crate::model::check::{CheckResult, Finding, Level, Section, Verdict};
use crate::report::style::sanitize;

const PAGE_HEAD: &str = include_str!("page/head.html");
const FILTER_SCRIPT: &str = include_str!("page/filter.js");

/// Renders the reports as one page.
#[must_use]
pub fn render_html(reports: &[ValidateReport]) -> String {
    let mut out = PAGE_HEAD.to_owned();
    write_filter(&mut out);
    for report in reports {
        write_report(&mut out, report);
    }
    let _ = write!(out, "<script>{FILTER_SCRIPT}</script>\n</body>\n</html>\n");
    out
}

/// Escapes text from a cluster, so that it cannot become markup.
fn escape_text(words: &str) -> String {
    escape(sanitize(words)).into_owned()
}

fn write_filter(out: &mut String) {
    let kinds = [
        ("fail", "errors"),
        ("warn", "warnings"),
        ("note", "notes"),
        ("open", "could not look"),
        ("pass", "passed"),
        ("skip", "skipped"),
    ];
    out.push_str("<form id=\"filter\" onsubmit=\"return false\"><input id=\"words\" type=\"search\" placeholder=\"filter: check, object, words\" aria-label=\"filter\">");
    for (kind, words) in kinds {
        let _ =
            write!(out, "<label class=\"{kind}\"><input type=\"checkbox\" value=\"{kind}\" checked> {words}</label>");
    }
    out.push_str("<span id=\"shown\"></span></form>\n");
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
    out.push_str("</p>\n");
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
    for (section, checks) in report.sections() {
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
        ("open", "?", counts.undetermined, "could not look"),
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

fn write_check_rows(out: &mut String, checked: &CheckResult) {
    match &checked.verdict {
        Verdict::Fail { findings } => findings.iter().for_each(|finding| write_finding(out, finding)),
        Verdict::Pass => {
            let times = if checked.items_checked > 1 { format!(" ({})", checked.items_checked) } else { String::new() };
            write_row(out, ("pass", "✔"), checked.check, &format!("{}{times}", escape_text(checked.title)));
        }
        Verdict::Skipped { reason } => write_row(out, ("skip", "–"), checked.check, &escape_text(reason)),
        Verdict::Undetermined { reason } => {
            write_row(out, ("open", "?"), checked.check, &format!("could not look: {}", escape_text(reason)));
        }
    }
}

fn write_row(out: &mut String, (kind, mark): (&str, &str), check: &str, body: &str) {
    let _ = writeln!(
        out,
        "<tr class=\"{kind}\"><td class=\"mark\">{mark}</td><td><code>{check}</code></td><td>{body}</td></tr>"
    );
}

fn write_finding(out: &mut String, finding: &Finding) {
    let mark = match finding.level {
        Level::Error => ("fail", "✖"),
        Level::Warning => ("warn", "▲"),
        Level::Info => ("note", "i"),
    };
    let mut body = format!("<b>{}</b> {}", escape_text(&finding.subject), escape_text(&finding.message));
    if !finding.hint.is_empty() {
        let _ = write!(body, "<div class=\"hint\">→ {}</div>", escape_text(&finding.hint));
    }
    if let Some(card) = cards().into_iter().find(|card| card.id == finding.check) {
        let _ = write!(
            body,
            "<details class=\"more\"><summary>why, and what to do</summary><p>{}</p><p>{}</p></details>",
            escape_text(card.why),
            escape_text(card.fix)
        );
    }
    write_row(out, mark, &escape_text(&finding.check), &body);
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
