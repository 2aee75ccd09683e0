//! The parts that every HTML page of this program has: head, filter, rows and findings.
//!
//! A page needs no network. Text from a cluster is escaped, so that it cannot become markup. Input: texts and results of checks.
//! Output: HTML.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::style::sanitize;
use crate::catalogue::cards;
use crate::model::check::{CheckResult, Finding, Level, Verdict};

const PAGE_HEAD: &str = include_str!("validate/page/head.html");
const FILTER_SCRIPT: &str = include_str!("validate/page/filter.js");

/// A page with this title around the articles.
pub(super) fn build_page(title: &str, articles: &str) -> String {
    let mut out = PAGE_HEAD.replace("<title></title>", &format!("<title>{}</title>", escape_text(title)));
    write_filter(&mut out);
    out.push_str(articles);
    let _ = write!(out, "<script>{FILTER_SCRIPT}</script>\n</body>\n</html>\n");
    out
}

/// Escapes text from a cluster, so that it cannot become markup.
pub(super) fn escape_text(words: &str) -> String {
    escape(sanitize(words)).into_owned()
}

fn write_filter(out: &mut String) {
    let kinds = [
        ("fail", "errors"),
        ("warn", "warnings"),
        ("note", "notes"),
        ("open", "undetermined"),
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

/// The rows of one check.
pub(super) fn write_check_rows(out: &mut String, checked: &CheckResult) {
    match &checked.verdict {
        Verdict::Fail { findings } => findings.iter().for_each(|finding| write_finding(out, finding)),
        Verdict::Pass => {
            let times = if checked.items_checked > 1 { format!(" ({})", checked.items_checked) } else { String::new() };
            write_row(out, ("pass", "✔"), checked.check, &format!("{}{times}", escape_text(checked.title)));
        }
        Verdict::Skipped { reason } => write_row(out, ("skip", "–"), checked.check, &escape_text(reason)),
        Verdict::Undetermined { reason } => {
            write_row(out, ("open", "?"), checked.check, &format!("undetermined: {}", escape_text(reason)));
        }
    }
}

/// One row: mark, name and a body that is HTML already.
pub(super) fn write_row(out: &mut String, (kind, mark): (&str, &str), check: &str, body: &str) {
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
