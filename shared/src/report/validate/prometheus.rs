//! Renders the report as Prometheus metrics, for the textfile collector of node_exporter or a push gateway.
//!
//! The age of a result is `time() - mural_validate_last_run_timestamp_seconds`. Format:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use std::fmt::Write as _;

use super::{Counts, ValidateReport};
use crate::problem::Exit;
use crate::report::style::sanitize;

/// One metric: its name, its help, and the value of each report.
type Metric = (&'static str, &'static str, fn(&ValidateReport) -> Vec<(String, f64)>);

const METRICS: [Metric; 5] = [
    ("mural_validate_healthy", "1 if the last run found no error and could read everything.", read_health),
    ("mural_validate_findings", "Findings of the last run by level.", count_findings),
    ("mural_validate_checks", "Items and checks of the last run by verdict.", count_verdicts),
    ("mural_validate_release_info", "The chart version of each release.", list_releases),
    ("mural_validate_last_run_timestamp_seconds", "When the last run ended.", read_time),
];

/// Renders the reports.
#[must_use]
pub fn render_prometheus(reports: &[ValidateReport]) -> String {
    let mut out = String::new();
    for (name, help, read) in METRICS {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
        for report in reports {
            let place = format!(
                "context=\"{}\",namespace=\"{}\"",
                escape_label(&report.cluster.context),
                escape_label(&report.cluster.namespace)
            );
            for (labels, value) in read(report) {
                let _ = writeln!(out, "{name}{{{place}{labels}}} {value}");
            }
        }
    }
    out
}

fn escape_label(text: &str) -> String {
    sanitize(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn label(name: &str, value: &str) -> String {
    format!(",{name}=\"{}\"", escape_label(value))
}

fn read_health(report: &ValidateReport) -> Vec<(String, f64)> {
    let is_healthy = report.exit(false) == Exit::Success;
    vec![(String::new(), if is_healthy { 1.0 } else { 0.0 })]
}

fn to_samples(name: &str, counts: &[(&str, usize)]) -> Vec<(String, f64)> {
    counts
        .iter()
        .map(|(value, count)| (label(name, value), f64::from(u32::try_from(*count).unwrap_or(u32::MAX))))
        .collect()
}

fn count_findings(report: &ValidateReport) -> Vec<(String, f64)> {
    let Counts { errors, warnings, notes, .. } = report.counts;
    to_samples(
        "level",
        &[("error", errors), ("warning", warnings), ("info", notes), ("accepted", report.accepted.len())],
    )
}

fn count_verdicts(report: &ValidateReport) -> Vec<(String, f64)> {
    let Counts { passed, undetermined, skipped, .. } = report.counts;
    to_samples("verdict", &[("pass", passed), ("undetermined", undetermined), ("skipped", skipped)])
}

fn list_releases(report: &ValidateReport) -> Vec<(String, f64)> {
    let known = report.releases.iter().filter_map(|(name, version)| Some((name, version.as_ref()?)));
    known.map(|(name, version)| (label("release", name) + &label("version", version), 1.0)).collect()
}

fn read_time(report: &ValidateReport) -> Vec<(String, f64)> {
    let seconds = report.created_at.map(jiff::Timestamp::as_second);
    seconds.into_iter().map(|seconds| (String::new(), seconds as f64)).collect()
}
