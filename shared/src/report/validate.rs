//! What `kubectl mural validate` answers: one value, and its renderings.

mod compare;
mod html;
mod junit;
mod markdown;
mod sarif;
mod table;
#[cfg(test)]
mod tests;
mod timeline;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use compare::{Baseline, NewTrouble, against, new_trouble};
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use sarif::sarif;
pub use table::{Shown, table};
pub use timeline::Moment;

/// What `-o json` is, as a JSON Schema (draft 2020-12).
pub const SCHEMA: &str = include_str!("validate/schema.json");

use crate::model::check::{Checked, Finding, Level, Section, Verdict};
use crate::model::owner::Owner;
use crate::model::view::ClusterView;
use crate::model::vitals::Vitals;
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
    /// What happened lately, the newest first.
    pub timeline: Vec<Moment>,
    /// What is new against a baseline; none where none was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<NewTrouble>,
    /// Why nothing of this cluster could be read; none where something was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// Several clusters in one answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateReports<'a> {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `ValidateReportList`
    pub kind: &'static str,
    /// One for each cluster.
    pub items: &'a [ValidateReport],
}

impl<'a> ValidateReports<'a> {
    /// These answers.
    #[must_use]
    pub const fn new(items: &'a [ValidateReport]) -> Self {
        Self { api_version: "mural/v1", kind: "ValidateReportList", items }
    }
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
            timeline: Vec::new(),
            compared: None,
            unread: None,
        }
    }

    /// A cluster of which nothing could be read.
    #[must_use]
    pub fn unread(context: &str, namespace: &str, reason: String) -> Self {
        let hub = HubSeen {
            context: context.to_owned(),
            server: String::new(),
            version: String::new(),
            namespace: namespace.to_owned(),
            uid: None,
        };
        Self {
            api_version: "mural/v1",
            kind: "ValidateReport",
            hub,
            owners: BTreeMap::new(),
            releases: BTreeMap::new(),
            checks: Vec::new(),
            counts: Counts { undetermined: 1, ..Counts::default() },
            timeline: Vec::new(),
            compared: None,
            unread: Some(reason),
        }
    }

    /// With what happened lately.
    #[must_use]
    pub fn with_timeline(mut self, view: &ClusterView, vitals: &Vitals) -> Self {
        self.timeline = timeline::moments(view, vitals);
        self
    }

    /// With what is new against the baseline of the same installation; without one everything is.
    #[must_use]
    pub fn compared_with(mut self, baselines: &[Baseline]) -> Self {
        let own = baselines.iter().find(|baseline| baseline.is_of(&self)).cloned().unwrap_or_default();
        self.compared = Some(against(&own, &self));
        self
    }

    /// How the command ends: 3 for errors and for what could not be looked at, 4 for warnings where they count. Against a
    /// baseline only what is new counts.
    #[must_use]
    pub fn exit(&self, strict: bool) -> Exit {
        let mut counts = self.counts;
        if let (Some(compared), None) = (&self.compared, &self.unread) {
            let of = |level: Level| compared.new.iter().filter(|finding| finding.level == level).count();
            (counts.errors, counts.warnings) = (of(Level::Error), of(Level::Warning));
            counts.undetermined = compared.newly_undetermined.len();
        }
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

/// How a command ends that asked several clusters: as the worst of them.
#[must_use]
pub fn worst(reports: &[ValidateReport], strict: bool) -> Exit {
    let exits = reports.iter().map(|report| report.exit(strict));
    // Checks that failed come before warnings that count.
    exits
        .max_by_key(|exit| match exit {
            Exit::ChecksFailed => 2,
            Exit::OnlyWarnings => 1,
            _ => 0,
        })
        .unwrap_or(Exit::Fine)
}
