//! The answer for code scanning: a result a finding, and one for each check that could not look.

use serde_json::{Value, json};

use super::ValidateReport;
use crate::checks::validate::ALL;
use crate::model::check::{Card, Checked, Finding, Verdict};
use crate::report::sarif::{log, result};
use crate::report::style::harmless;

/// The answers as one SARIF log.
#[must_use]
pub fn sarif(reports: &[ValidateReport]) -> Value {
    let cards: Vec<&Card> = ALL.iter().map(|check| check.card).collect();
    let results: Vec<Value> = reports.iter().flat_map(results).collect();
    log("kubectl mural validate", &cards, &results)
}

fn results(report: &ValidateReport) -> Vec<Value> {
    let found = report.findings().into_iter().map(|finding| found(report, finding));
    let unseen = report.checks.iter().filter_map(|checked| unseen(report, checked));
    found.chain(unseen).collect()
}

fn found(report: &ValidateReport, finding: &Finding) -> Value {
    let text = format!("{}: {}", finding.subject, finding.message);
    let text = if finding.hint.is_empty() { text } else { format!("{text}\n{}", finding.hint) };
    result(&finding.check, finding.level, &text, &uri(report, &finding.subject), &finding.subject, None)
}

/// A check that could not look is neither good nor bad: SARIF calls it open.
fn unseen(report: &ValidateReport, checked: &Checked) -> Option<Value> {
    let Verdict::Undetermined { reason } = &checked.verdict else { return None };
    Some(json!({"ruleId": checked.check, "kind": "open", "level": "none", "message": {"text": harmless(reason)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(report, checked.check)}}}]}))
}

/// An object of a cluster stands in no file: its place is told as a path, so that each has one of its own.
fn uri(report: &ValidateReport, subject: &str) -> String {
    let path = format!("{}/{}", report.hub.context, subject.replace(' ', "/"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
