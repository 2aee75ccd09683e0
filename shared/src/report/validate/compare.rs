//! New trouble told from known: against a picture taken before, or against a report that was kept.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::ValidateReport;
use crate::model::check::{Checked, Finding};
use crate::problem::Problem;

/// What two answers have in common, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTrouble {
    /// Findings that were not there before.
    pub new: Vec<Finding>,
    /// Findings that were there before.
    pub known: Vec<Finding>,
    /// Findings that are gone, as they were.
    pub gone: Vec<Finding>,
    /// Checks that could look before and cannot now.
    pub newly_undetermined: Vec<&'static str>,
}

/// What an answer found, as far as another is held against it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline {
    /// What tells clusters apart; none where it was not known.
    uid: Option<String>,
    context: String,
    namespace: String,
    findings: Vec<Finding>,
    /// Checks that could not look.
    undetermined: BTreeSet<String>,
    /// Checks that were asked.
    asked: BTreeSet<String>,
}

impl Baseline {
    /// Of an answer at hand.
    #[must_use]
    pub fn of(report: &ValidateReport) -> Self {
        let names = |wanted: fn(&Checked) -> bool| -> BTreeSet<String> {
            report.checks.iter().filter(|checked| wanted(checked)).map(|checked| checked.check.to_owned()).collect()
        };
        Self {
            uid: report.hub.uid.clone(),
            context: report.hub.context.clone(),
            namespace: report.hub.namespace.clone(),
            findings: report.findings().into_iter().cloned().collect(),
            undetermined: names(Checked::undetermined),
            asked: names(|_| true),
        }
    }

    /// Reads a report that was kept as JSON: one, or a list of them.
    ///
    /// # Errors
    /// A usage problem: it is no report of ours.
    pub fn read(text: &str) -> Result<Vec<Self>, Problem> {
        let wrong = |why: &str| {
            Problem::usage(format!("the baseline cannot be used: {why}")).hint("make one with --save-baseline FILE")
        };
        let document: Value = serde_json::from_str(text).map_err(|error| wrong("it is no JSON").because(error))?;
        if document["apiVersion"] != "mural/v1" {
            return Err(wrong("it is no report of kubectl mural validate (apiVersion mural/v1)"));
        }
        let reports: Vec<&Value> = match document["kind"].as_str() {
            Some("ValidateReport") => vec![&document],
            Some("ValidateReportList") => document["items"].as_array().into_iter().flatten().collect(),
            _ => return Err(wrong("it is another kind of report")),
        };
        reports.into_iter().map(|report| one(report).ok_or_else(|| wrong("a part of it is missing"))).collect()
    }

    /// Whether it is of the same installation: by the cluster's own mark, and by the context where that is not known.
    #[must_use]
    pub fn is_of(&self, report: &ValidateReport) -> bool {
        let same = match (&self.uid, &report.hub.uid) {
            (Some(one), Some(other)) => one == other,
            _ => self.context == report.hub.context,
        };
        same && self.namespace == report.hub.namespace
    }
}

fn one(report: &Value) -> Option<Baseline> {
    let checks = report["checks"].as_array()?;
    let id = |checked: &Value| checked["check"].as_str().map(str::to_owned);
    let findings = checks.iter().flat_map(|checked| checked["findings"].as_array().into_iter().flatten());
    let findings: Result<Vec<Finding>, _> = findings.map(|finding| serde_json::from_value(finding.clone())).collect();
    let text = |name: &str| report["hub"][name].as_str().map(str::to_owned);
    Some(Baseline {
        uid: text("uid"),
        context: text("context")?,
        namespace: text("namespace")?,
        findings: findings.ok()?,
        undetermined: checks.iter().filter(|checked| checked["verdict"] == "undetermined").filter_map(id).collect(),
        asked: checks.iter().filter_map(id).collect(),
    })
}

/// Tells new findings from old ones, by check and subject: a message may hold a count or a name that changes.
#[must_use]
pub fn new_trouble(before: &ValidateReport, after: &ValidateReport) -> NewTrouble {
    against(&Baseline::of(before), after)
}

/// As [`new_trouble`], against a baseline. A check that was not asked then has nothing known, and one that is not asked now
/// nothing gone.
#[must_use]
pub fn against(before: &Baseline, after: &ValidateReport) -> NewTrouble {
    let key = |finding: &Finding| (finding.check.clone(), finding.subject.clone());
    let old: BTreeSet<(String, String)> = before.findings.iter().map(key).collect();
    let now: BTreeSet<(String, String)> = after.findings().into_iter().map(key).collect();
    let asked: BTreeSet<&str> = after.checks.iter().map(|checked| checked.check).collect();
    let (known, new) = after.findings().into_iter().cloned().partition(|finding| old.contains(&key(finding)));
    let gone =
        before.findings.iter().filter(|finding| asked.contains(finding.check.as_str()) && !now.contains(&key(finding)));
    let unseen = after.checks.iter().filter(|checked| checked.undetermined()).map(|checked| checked.check);
    let could = |check: &&'static str| before.asked.contains(*check) && !before.undetermined.contains(*check);
    NewTrouble { new, known, gone: gone.cloned().collect(), newly_undetermined: unseen.filter(could).collect() }
}
