//! Renders the report as SARIF for code scanning: one result per finding, and one per undetermined check.

use serde_json::{Value, json};

use super::ValidateReport;
use crate::checks::health_checks::HEALTH_CHECKS;
use crate::model::check::{Card, CheckResult, Finding, Verdict};
use crate::report::sarif_log::{build_log, build_result};
use crate::report::style::sanitize;

/// Renders the reports as one SARIF log.
#[must_use]
pub fn render_sarif(reports: &[ValidateReport]) -> Value {
    let cards: Vec<&Card> = HEALTH_CHECKS.iter().map(|check| check.card).collect();
    let results: Vec<Value> = reports.iter().flat_map(build_results).collect();
    build_log("kubectl mural validate", &cards, &results)
}

fn build_results(report: &ValidateReport) -> Vec<Value> {
    let finding_results = report.findings().into_iter().map(|finding| build_finding_result(report, finding));
    let undetermined_results = report.checks.iter().filter_map(|checked| build_undetermined_result(report, checked));
    finding_results.chain(undetermined_results).collect()
}

fn build_finding_result(report: &ValidateReport, finding: &Finding) -> Value {
    let text = format!("{}: {}", finding.subject, finding.message);
    let text = if finding.hint.is_empty() { text } else { format!("{text}\n{}", finding.hint) };
    build_result(&finding.check, finding.level, &text, &build_uri(report, &finding.subject), &finding.subject, None)
}

/// The result of an undetermined check has the SARIF kind `open`.
fn build_undetermined_result(report: &ValidateReport, checked: &CheckResult) -> Option<Value> {
    let Verdict::Undetermined { reason } = &checked.verdict else { return None };
    Some(json!({"ruleId": checked.check, "kind": "open", "level": "none", "message": {"text": sanitize(reason)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": build_uri(report, checked.check)}}}]}))
}

/// An object of a cluster has no file: its location is a path of its kind and name, unique for each object.
fn build_uri(report: &ValidateReport, subject: &str) -> String {
    let path = format!("{}/{}", report.cluster.context, subject.replace(' ', "/"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
