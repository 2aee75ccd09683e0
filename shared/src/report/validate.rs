//! What `kubectl mural validate` answers: one value, and its renderings.

mod junit;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use junit::junit;
pub use table::{Shown, table};

use crate::checks::{Checked, Finding, Level, Section, Verdict};
use crate::model::owner::Owner;
use crate::model::view::ClusterView;
use crate::problem::Exit;

/// The whole answer; `-o json` and `-o yaml` are this value.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateReport {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `ValidateReport`
    pub kind: &'static str,
    /// Which cluster.
    pub hub: HubSeen,
    /// Who keeps each release.
    pub owners: BTreeMap<String, Owner>,
    /// The version of each release's newest revision; none where there is no release or it could not be read.
    pub releases: BTreeMap<String, Option<String>>,
    /// Every check and its answer, in the order of sections.
    pub checks: Vec<Checked>,
    /// All answers, counted.
    pub counts: Counts,
}

/// Which cluster it was.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HubSeen {
    /// The kubeconfig context.
    pub context: String,
    /// The API server's address.
    pub server: String,
    /// The API server's version.
    pub version: String,
    /// The installation's namespace.
    pub namespace: String,
    /// What tells clusters apart; none where it may not be read.
    pub uid: Option<String>,
}

/// Answers, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Things looked at with which all is well.
    pub passed: usize,
    /// Findings that are errors.
    pub errors: usize,
    /// Findings that are warnings.
    pub warnings: usize,
    /// Findings that are notes.
    pub notes: usize,
    /// Checks that could not look.
    pub undetermined: usize,
    /// Checks that do not apply.
    pub skipped: usize,
}

impl Counts {
    /// Counts the answers of some checks.
    pub fn of<'a>(checks: impl IntoIterator<Item = &'a Checked>) -> Self {
        checks.into_iter().fold(Self::default(), Self::and)
    }

    fn and(mut self, checked: &Checked) -> Self {
        let subjects: BTreeSet<&str> = checked.findings().iter().map(|finding| finding.subject.as_str()).collect();
        match &checked.verdict {
            Verdict::Pass => self.passed += checked.looked_at.max(1),
            Verdict::Fail { .. } => self.passed += checked.looked_at.saturating_sub(subjects.len()),
            Verdict::Skipped { .. } => self.skipped += 1,
            Verdict::Undetermined { .. } => self.undetermined += 1,
        }
        for finding in checked.findings() {
            match finding.level {
                Level::Error => self.errors += 1,
                Level::Warning => self.warnings += 1,
                Level::Info => self.notes += 1,
            }
        }
        self
    }
}

impl ValidateReport {
    /// The answer, from what was seen and what the checks said.
    #[must_use]
    pub fn new(view: &ClusterView, mut checks: Vec<Checked>) -> Self {
        // Stable: within a section the checks keep the order of their list.
        checks.sort_by_key(|checked| checked.section);
        let version = |release: &String| Some(view.newest(release).ok()??.chart_version.clone());
        Self {
            api_version: "mural/v1",
            kind: "ValidateReport",
            hub: HubSeen {
                context: view.hub.context.clone(),
                server: view.hub.server.clone(),
                version: view.hub.version.clone(),
                namespace: view.hub.namespace.clone(),
                uid: view.hub.uid.clone().ok(),
            },
            owners: view.owners.clone(),
            releases: view.releases.keys().map(|release| (release.clone(), version(release))).collect(),
            counts: Counts::of(&checks),
            checks,
        }
    }

    /// How the command ends: 3 for errors and for what could not be looked at, 4 for warnings where they count.
    #[must_use]
    pub const fn exit(&self, strict: bool) -> Exit {
        let counts = self.counts;
        if counts.errors > 0 || counts.undetermined > 0 {
            Exit::ChecksFailed
        } else if strict && counts.warnings > 0 {
            Exit::OnlyWarnings
        } else {
            Exit::Fine
        }
    }

    /// The checks by section, in order.
    fn sections(&self) -> Vec<(Section, Vec<&Checked>)> {
        let mut sections: BTreeMap<Section, Vec<&Checked>> = BTreeMap::new();
        for checked in &self.checks {
            sections.entry(checked.section).or_default().push(checked);
        }
        sections.into_iter().collect()
    }

    /// Every finding, gravest first, then by check and subject.
    #[must_use]
    pub fn findings(&self) -> Vec<&Finding> {
        let mut all: Vec<&Finding> = self.checks.iter().flat_map(Checked::findings).collect();
        all.sort();
        all
    }
}

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

/// Tells new findings from old ones, by check and subject: a message may hold a count or a name that changes.
#[must_use]
pub fn new_trouble(before: &ValidateReport, after: &ValidateReport) -> NewTrouble {
    let names = |report: &ValidateReport| -> BTreeSet<(String, String)> {
        report.findings().into_iter().map(|finding| (finding.check.clone(), finding.subject.clone())).collect()
    };
    let (old, now) = (names(before), names(after));
    let within = |names: &BTreeSet<(String, String)>, finding: &Finding| {
        names.contains(&(finding.check.clone(), finding.subject.clone()))
    };
    let could_not = |report: &ValidateReport| -> BTreeSet<&'static str> {
        report.checks.iter().filter(|checked| checked.undetermined()).map(|checked| checked.check).collect()
    };
    let (known, new) = after.findings().into_iter().cloned().partition(|finding| within(&old, finding));
    NewTrouble {
        new,
        known,
        gone: before.findings().into_iter().filter(|finding| !within(&now, finding)).cloned().collect(),
        newly_undetermined: could_not(after).difference(&could_not(before)).copied().collect(),
    }
}
