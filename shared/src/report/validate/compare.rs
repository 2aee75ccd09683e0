//! Compares findings with the state before a run, or with a saved report.
//!
//! Owns what counts as the same finding: check and subject. Input: two reports. Output: new, pre-existing and resolved findings.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::ValidateReport;
use crate::model::check::{CheckResult, Finding};
use crate::problem::{Cause, Exit, Explain};

/// A saved report that is no baseline.
#[derive(Debug, thiserror::Error)]
#[error("the baseline cannot be used: {defect}")]
pub struct BaselineError {
    defect: &'static str,
    #[source]
    cause: Option<Cause>,
}

impl Explain for BaselineError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["save a baseline with --save-baseline FILE".to_owned()]
    }
}

/// Differences between two reports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingDiff {
    /// Findings that did not exist before.
    pub new: Vec<Finding>,
    /// Findings that existed before.
    pub pre_existing: Vec<Finding>,
    /// Findings that are resolved.
    pub resolved: Vec<Finding>,
    /// Checks that are undetermined now and were not before.
    pub newly_undetermined: Vec<&'static str>,
}

/// The findings of a report, as far as the comparison needs them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline {
    /// The uid of `kube-system`; `None` if it is not known.
    uid: Option<String>,
    context: String,
    namespace: String,
    findings: Vec<Finding>,
    /// Checks that were undetermined.
    undetermined_checks: BTreeSet<String>,
    /// Checks that were run.
    checks_run: BTreeSet<String>,
}

impl Baseline {
    /// Takes the findings of a report.
    #[must_use]
    pub fn from_report(report: &ValidateReport) -> Self {
        let names = |wanted: fn(&CheckResult) -> bool| -> BTreeSet<String> {
            report.checks.iter().filter(|checked| wanted(checked)).map(|checked| checked.check.to_owned()).collect()
        };
        Self {
            uid: report.cluster.uid.clone(),
            context: report.cluster.context.clone(),
            namespace: report.cluster.namespace.clone(),
            findings: report.findings().into_iter().cloned().collect(),
            undetermined_checks: names(CheckResult::is_undetermined),
            checks_run: names(|_| true),
        }
    }

    /// Reads a saved JSON report, or a list of reports.
    ///
    /// # Errors
    /// It is not a report of this program.
    pub fn read(text: &str) -> Result<Vec<Self>, BaselineError> {
        let wrong = |defect| BaselineError { defect, cause: None };
        let not_json = |error| BaselineError { defect: "it is not JSON", cause: Some(Cause::new(error)) };
        let document: Value = serde_json::from_str::<Value>(text).map_err(not_json)?;
        if document["apiVersion"] != "mural/v1" {
            return Err(wrong("it is not a report of kubectl mural validate (apiVersion mural/v1)"));
        }
        let reports: Vec<&Value> = match document["kind"].as_str() {
            Some("ValidateReport") => vec![&document],
            Some("ValidateReportList") => document["items"].as_array().into_iter().flatten().collect(),
            _ => return Err(wrong("it is another kind of report")),
        };
        reports.into_iter().map(|report| parse_report(report).ok_or_else(|| wrong("a part of it is missing"))).collect()
    }

    /// Whether it is of the same installation: by the cluster's uid, or by the context if that is not known.
    #[must_use]
    pub fn is_same_installation(&self, report: &ValidateReport) -> bool {
        let same = match (&self.uid, &report.cluster.uid) {
            (Some(one), Some(other)) => one == other,
            _ => self.context == report.cluster.context,
        };
        same && self.namespace == report.cluster.namespace
    }
}

fn parse_report(report: &Value) -> Option<Baseline> {
    let checks = report["checks"].as_array()?;
    let id = |checked: &Value| checked["check"].as_str().map(str::to_owned);
    let findings = checks.iter().flat_map(|checked| checked["findings"].as_array().into_iter().flatten());
    let findings: Result<Vec<Finding>, _> = findings.map(|finding| serde_json::from_value(finding.clone())).collect();
    let text = |name: &str| report["cluster"][name].as_str().map(str::to_owned);
    Some(Baseline {
        uid: text("uid"),
        context: text("context")?,
        namespace: text("namespace")?,
        findings: findings.ok()?,
        undetermined_checks: checks
            .iter()
            .filter(|checked| checked["verdict"] == "undetermined")
            .filter_map(id)
            .collect(),
        checks_run: checks.iter().filter_map(id).collect(),
    })
}

/// Compares findings by check and subject: a message may contain a count or a name that changes.
#[must_use]
pub fn diff_reports(before: &ValidateReport, after: &ValidateReport) -> FindingDiff {
    diff_with_baseline(&Baseline::from_report(before), after)
}

/// As [`diff_reports`], with a baseline. A check that did not run then has no known findings; a check that does not run now has no
/// resolved ones.
#[must_use]
pub fn diff_with_baseline(before: &Baseline, after: &ValidateReport) -> FindingDiff {
    let key = |finding: &Finding| (finding.check.clone(), finding.subject.clone());
    let old: BTreeSet<(String, String)> = before.findings.iter().map(key).collect();
    let now: BTreeSet<(String, String)> = after.findings().into_iter().map(key).collect();
    let checks_run: BTreeSet<&str> = after.checks.iter().map(|checked| checked.check).collect();
    let (pre_existing, new) = after.findings().into_iter().cloned().partition(|finding| old.contains(&key(finding)));
    let resolved = before
        .findings
        .iter()
        .filter(|finding| checks_run.contains(finding.check.as_str()) && !now.contains(&key(finding)));
    let undetermined = after.checks.iter().filter(|checked| checked.is_undetermined()).map(|checked| checked.check);
    let was_determined =
        |check: &&'static str| before.checks_run.contains(*check) && !before.undetermined_checks.contains(*check);
    FindingDiff {
        new,
        pre_existing,
        resolved: resolved.cloned().collect(),
        newly_undetermined: undetermined.filter(was_determined).collect(),
    }
}
