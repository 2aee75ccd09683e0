//! Renders the report as GitHub annotations: one workflow command per finding and per undetermined check.
//!
//! <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>

use super::ValidateReport;
use crate::model::check::{Finding, Level, Verdict};
use crate::report::style::sanitize;

/// Renders the reports.
#[must_use]
pub fn render_github(reports: &[ValidateReport]) -> String {
    reports.iter().flat_map(list_annotations).collect()
}

fn list_annotations(report: &ValidateReport) -> Vec<String> {
    let context = &report.cluster.context;
    let of_finding = |finding: &&Finding| {
        let hint = if finding.hint.is_empty() { String::new() } else { format!("\n{}", finding.hint) };
        let text = format!("{}: {}{hint}", finding.subject, finding.message);
        annotate(to_command(finding.level), &format!("{context}: {}", finding.check), &text)
    };
    let findings = report.findings();
    let undetermined = report.checks.iter().filter_map(|checked| match &checked.verdict {
        Verdict::Undetermined { reason } => {
            Some(annotate("error", &format!("{context}: {}", checked.check), &format!("undetermined: {reason}")))
        }
        Verdict::Pass | Verdict::Fail { .. } | Verdict::Skipped { .. } => None,
    });
    let unreadable = report.read_failure.iter().map(|reason| annotate("error", context, reason));
    unreadable.chain(findings.iter().map(of_finding)).chain(undetermined).collect()
}

const fn to_command(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "notice",
    }
}

/// `::error title=TITLE::TEXT`. A line break would end the command, and a colon or comma the title.
fn annotate(command: &str, title: &str, text: &str) -> String {
    let escape = |text: &str| sanitize(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let title = escape(title).replace(':', "%3A").replace(',', "%2C");
    format!("::{command} title={title}::{}\n", escape(text))
}
