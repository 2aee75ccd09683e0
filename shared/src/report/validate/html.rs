//! The answer as one page: no network, no file beside it. Summary, sections, timeline, and a filter.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::table::owners;
use super::{Counts, ValidateReport};
use crate::catalogue::cards;
use crate::model::check::{Checked, Finding, Level, Section, Verdict};
use crate::report::style::harmless;

const HEAD: &str = include_str!("page/head.html");
const SCRIPT: &str = include_str!("page/filter.js");

/// The answers as one page.
#[must_use]
pub fn html(reports: &[ValidateReport]) -> String {
    let mut out = HEAD.to_owned();
    filter(&mut out);
    for report in reports {
        one(&mut out, report);
    }
    let _ = write!(out, "<script>{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

/// Text from a cluster: nothing in it can become markup.
fn text(words: &str) -> String {
    escape(harmless(words)).into_owned()
}

fn filter(out: &mut String) {
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

fn one(out: &mut String, report: &ValidateReport) {
    let hub = &report.hub;
    let _ = write!(
        out,
        "<article><h1>{}</h1><p class=\"place\">{} · {} · namespace {}",
        text(&hub.context),
        text(&hub.server),
        text(&hub.version),
        text(&hub.namespace)
    );
    if !report.owners.is_empty() {
        let _ = write!(out, " · owner: {}", text(&owners(report)));
    }
    for (release, version) in &report.releases {
        let _ = write!(out, " · {} {}", text(release), text(version.as_deref().unwrap_or("not known")));
    }
    out.push_str("</p>\n");
    if let Some(reason) = &report.unread {
        let _ = writeln!(out, "<p class=\"open\">Could not be read: {}</p></article>", text(reason));
        return;
    }
    summary(out, report.counts);
    if let Some(compared) = &report.compared {
        listed(out, "New since the baseline", &compared.new);
        listed(out, "Gone since the baseline", &compared.gone);
    }
    for (section, checks) in report.sections() {
        block(out, section, &checks);
    }
    timeline(out, report);
    out.push_str("</article>\n");
}

fn summary(out: &mut String, counts: Counts) {
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

fn listed(out: &mut String, title: &str, all: &[Finding]) {
    let _ = write!(out, "<h2>{title}</h2><ul>");
    for finding in all {
        let _ = write!(
            out,
            "<li><code>{}</code> {}: {}</li>",
            text(&finding.check),
            text(&finding.subject),
            text(&finding.message)
        );
    }
    out.push_str(if all.is_empty() { "<li>nothing</li></ul>\n" } else { "</ul>\n" });
}

fn block(out: &mut String, section: Section, checks: &[&Checked]) {
    let counts = Counts::of(checks.iter().copied());
    let loud = counts.errors + counts.warnings + counts.undetermined + counts.notes > 0;
    let open = if loud { " open" } else { "" };
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
        rows(out, checked);
    }
    out.push_str("</table></details>\n");
}

fn rows(out: &mut String, checked: &Checked) {
    match &checked.verdict {
        Verdict::Fail { findings } => findings.iter().for_each(|finding| found(out, finding)),
        Verdict::Pass => {
            let times = if checked.looked_at > 1 { format!(" ({})", checked.looked_at) } else { String::new() };
            row(out, ("pass", "✔"), checked.check, &format!("{}{times}", text(checked.title)));
        }
        Verdict::Skipped { reason } => row(out, ("skip", "–"), checked.check, &text(reason)),
        Verdict::Undetermined { reason } => {
            row(out, ("open", "?"), checked.check, &format!("could not look: {}", text(reason)));
        }
    }
}

fn row(out: &mut String, (kind, mark): (&str, &str), check: &str, body: &str) {
    let _ = writeln!(
        out,
        "<tr class=\"{kind}\"><td class=\"mark\">{mark}</td><td><code>{check}</code></td><td>{body}</td></tr>"
    );
}

fn found(out: &mut String, finding: &Finding) {
    let mark = match finding.level {
        Level::Error => ("fail", "✖"),
        Level::Warning => ("warn", "▲"),
        Level::Info => ("note", "i"),
    };
    let mut body = format!("<b>{}</b> {}", text(&finding.subject), text(&finding.message));
    if !finding.hint.is_empty() {
        let _ = write!(body, "<div class=\"hint\">→ {}</div>", text(&finding.hint));
    }
    if let Some(card) = cards().into_iter().find(|card| card.id == finding.check) {
        let _ = write!(
            body,
            "<details class=\"more\"><summary>why, and what to do</summary><p>{}</p><p>{}</p></details>",
            text(card.why),
            text(card.fix)
        );
    }
    row(out, mark, &text(&finding.check), &body);
}

fn timeline(out: &mut String, report: &ValidateReport) {
    if report.timeline.is_empty() {
        return;
    }
    out.push_str("<details class=\"section\" open><summary><h2>timeline</h2></summary>\n<table>\n");
    for moment in &report.timeline {
        let _ = writeln!(out, "<tr><td class=\"time\">{}</td><td>{}</td></tr>", moment.at, text(&moment.what));
    }
    out.push_str("</table></details>\n");
}
