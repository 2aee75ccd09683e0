//! The report of `kubectl mural validate`.
//!
//! Owns the counts, the order and the exit code. The checks are in `checks/`; each output format has a file in `validate/`. Input:
//! results of checks. Output: one value that every format renders.

mod compare;
mod github;
mod html;
mod junit;
mod markdown;
mod prometheus;
mod sarif;
mod table;
#[cfg(test)]
mod tests;
mod timeline;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

pub use compare::{Baseline, FindingDiff, diff_reports, diff_with_baseline};
pub use github::render_github;
pub use html::render_html;
pub use junit::render_junit;
pub use markdown::render_markdown;
pub use prometheus::render_prometheus;
pub use sarif::render_sarif;
pub use table::{TableOptions, render_table};
pub use timeline::TimelineEvent;

/// The JSON Schema (draft 2020-12) of `-o json`.
pub const REPORT_JSON_SCHEMA: &str = include_str!("validate/schema.json");

use crate::ask::waivers::Waivers;
use crate::checks::health_waivers::{AcceptedFinding, WaiverEffect, apply_waivers};
use crate::model::check::{CheckResult, Finding, Level, Section, Verdict};
use crate::model::cluster_view::ClusterView;
use crate::model::health_inputs::HealthInputs;
use crate::model::known_secrets::Secrets;
use crate::model::owner::Owner;
use crate::model::text_format::truncate_to_seconds;
use crate::problem::Exit;

/// The report on one cluster; `-o json` and `-o yaml` print this value.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateReport {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `ValidateReport`
    pub kind: &'static str,
    /// When the report was made, in whole seconds; `None` inside of an upgrade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// The version of this program.
    pub tool_version: &'static str,
    /// The answer in one word.
    pub verdict: HealthVerdict,
    /// The cluster.
    pub cluster: ClusterSummary,
    /// The owner of each release.
    pub owners: BTreeMap<String, Owner>,
    /// The chart version of each release; `None` if there is no release or it could not be read.
    pub releases: BTreeMap<String, Option<String>>,
    /// Every check and its result, in the order of sections.
    pub checks: Vec<CheckResult>,
    /// Findings that a waiver accepts: they count nowhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<AcceptedFinding>,
    /// Waivers that have expired or match nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiver_notes: Vec<String>,
    /// Counts of all results.
    pub counts: Counts,
    /// How much of the releases was judged.
    pub coverage: Coverage,
    /// Recent events, newest first.
    pub timeline: Vec<TimelineEvent>,
    /// The comparison with a baseline; `None` without `--baseline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<FindingDiff>,
    /// Why nothing of this cluster could be read; `None` if something was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_failure: Option<String>,
}

/// The answer to "is the installation healthy?". Against a baseline, only new findings count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthVerdict {
    /// No error, no warning, and everything was read.
    Healthy,
    /// Warnings only.
    Warnings,
    /// At least one error.
    Unhealthy,
    /// No error, but not everything could be read.
    Undetermined,
}

impl HealthVerdict {
    /// The verdict in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Warnings => "healthy, with warnings",
            Self::Unhealthy => "not healthy",
            Self::Undetermined => "undetermined",
        }
    }
}

/// The reports on several clusters.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateReportList<'a> {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `ValidateReportList`
    pub kind: &'static str,
    /// One report for each cluster.
    pub items: &'a [ValidateReport],
}

impl<'a> ValidateReportList<'a> {
    /// A list of these reports.
    #[must_use]
    pub const fn new(items: &'a [ValidateReport]) -> Self {
        Self { api_version: "mural/v1", kind: "ValidateReportList", items }
    }
}

/// The cluster of a report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSummary {
    /// The kubeconfig context.
    pub context: String,
    /// The API server's address.
    pub server: String,
    /// The API server's version.
    pub version: String,
    /// The installation's namespace.
    pub namespace: String,
    /// The uid of `kube-system`, which identifies a cluster; `None` if it could not be read.
    pub uid: Option<String>,
}

/// Counts of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Checked items without a finding.
    pub passed: usize,
    /// Findings that are errors.
    pub errors: usize,
    /// Findings that are warnings.
    pub warnings: usize,
    /// Findings that are notes.
    pub notes: usize,
    /// Checks whose input could not be read.
    pub undetermined: usize,
    /// Checks that do not apply.
    pub skipped: usize,
}

impl Counts {
    /// Counts the results of some checks.
    pub fn from_checks<'a>(checks: impl IntoIterator<Item = &'a CheckResult>) -> Self {
        checks.into_iter().fold(Self::default(), Self::add_check)
    }

    fn add_check(mut self, checked: &CheckResult) -> Self {
        let subjects: BTreeSet<&str> = checked.findings().iter().map(|finding| finding.subject.as_str()).collect();
        match &checked.verdict {
            Verdict::Pass => self.passed += checked.items_checked.max(1),
            Verdict::Fail { .. } => self.passed += checked.items_checked.saturating_sub(subjects.len()),
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

/// How many checks of the releases, their CRDs and their workloads could judge, and how many were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Checks with a verdict.
    pub judged: usize,
    /// Skipped checks.
    pub skipped: usize,
}

impl Coverage {
    fn from_checks(checks: &[CheckResult]) -> Self {
        let is_core =
            |checked: &&CheckResult| matches!(checked.section, Section::Releases | Section::Crds | Section::Workloads);
        let is_skipped = |checked: &&CheckResult| matches!(checked.verdict, Verdict::Skipped { .. });
        let (skipped, judged): (Vec<_>, Vec<_>) = checks.iter().filter(is_core).partition(is_skipped);
        Self { judged: judged.len(), skipped: skipped.len() }
    }

    /// Whether most of these checks were skipped: then the report does not show that the installation is healthy.
    #[must_use]
    pub const fn is_incomplete(self) -> bool {
        self.skipped > self.judged
    }

    /// The warning of an incomplete report; `None` for a complete one.
    #[must_use]
    pub fn warning(self) -> Option<String> {
        let Self { judged, skipped } = self;
        self.is_incomplete().then(|| {
            format!(
                "{skipped} of {} checks of releases, CRDs and workloads were skipped: this report does not show that the \
                 installation is healthy",
                judged + skipped
            )
        })
    }
}

impl ValidateReport {
    /// Builds the report from the results of the checks.
    #[must_use]
    pub fn new(view: &ClusterView, mut checks: Vec<CheckResult>) -> Self {
        // Stable: within a section the checks keep the order of their list.
        checks.sort_by_key(|checked| checked.section);
        let version = |release: &String| view.installed_version(release);
        Self {
            api_version: "mural/v1",
            kind: "ValidateReport",
            cluster: ClusterSummary {
                context: view.cluster.context.clone(),
                server: view.cluster.server.clone(),
                version: view.cluster.version.clone(),
                namespace: view.cluster.namespace.clone(),
                uid: view.cluster.uid.clone().ok(),
            },
            owners: view.owners.clone(),
            releases: view.releases.keys().map(|release| (release.clone(), version(release))).collect(),
            counts: Counts::from_checks(&checks),
            coverage: Coverage::from_checks(&checks),
            verdict: HealthVerdict::Healthy,
            created_at: None,
            tool_version: env!("CARGO_PKG_VERSION"),
            accepted: Vec::new(),
            waiver_notes: Vec::new(),
            checks,
            timeline: Vec::new(),
            comparison: None,
            read_failure: None,
        }
        .update_verdict()
    }

    /// The report on a cluster of which nothing could be read.
    #[must_use]
    pub fn from_read_failure(context: &str, namespace: &str, reason: String) -> Self {
        let cluster = ClusterSummary {
            context: context.to_owned(),
            server: String::new(),
            version: String::new(),
            namespace: namespace.to_owned(),
            uid: None,
        };
        Self {
            api_version: "mural/v1",
            kind: "ValidateReport",
            cluster,
            owners: BTreeMap::new(),
            releases: BTreeMap::new(),
            verdict: HealthVerdict::Undetermined,
            created_at: None,
            tool_version: env!("CARGO_PKG_VERSION"),
            accepted: Vec::new(),
            waiver_notes: Vec::new(),
            checks: Vec::new(),
            counts: Counts { undetermined: 1, ..Counts::default() },
            coverage: Coverage::default(),
            timeline: Vec::new(),
            comparison: None,
            read_failure: Some(reason),
        }
    }

    /// The same report without these secrets in its texts. The comparison with a baseline comes after it.
    #[must_use]
    pub fn mask(mut self, secrets: &Secrets) -> Self {
        self.checks = self.checks.into_iter().map(|check| check.mask(secrets)).collect();
        for event in &mut self.timeline {
            event.message = secrets.mask(&event.message);
        }
        self
    }

    /// Sets the verdict from the counts.
    fn update_verdict(mut self) -> Self {
        self.verdict = match self.exit(true) {
            Exit::Success => HealthVerdict::Healthy,
            Exit::OnlyWarnings => HealthVerdict::Warnings,
            _ if self.counts.errors > 0 => HealthVerdict::Unhealthy,
            _ => HealthVerdict::Undetermined,
        };
        self
    }

    /// Accepts findings by the waivers of the operator. Their texts are masked already.
    #[must_use]
    pub fn with_waivers(mut self, waivers: &Waivers, today: Date) -> Self {
        let WaiverEffect { accepted, notes } = apply_waivers(waivers, &mut self.checks, today);
        (self.accepted, self.waiver_notes) = (accepted, notes);
        self.counts = Counts::from_checks(&self.checks);
        self.update_verdict()
    }

    /// Adds the time of the report.
    #[must_use]
    pub fn with_time(mut self, now: Timestamp) -> Self {
        self.created_at = Some(truncate_to_seconds(now));
        self
    }

    /// Adds recent events.
    #[must_use]
    pub fn with_timeline(mut self, view: &ClusterView, vitals: &HealthInputs) -> Self {
        self.timeline = timeline::build_timeline(view, vitals);
        self
    }

    /// Adds the comparison with the baseline of the same installation. Without a baseline of it, everything is new.
    #[must_use]
    pub fn with_baseline(mut self, baselines: &[Baseline]) -> Self {
        let own = baselines.iter().find(|baseline| baseline.is_same_installation(&self)).cloned().unwrap_or_default();
        self.comparison = Some(diff_with_baseline(&own, &self));
        self.update_verdict()
    }

    /// The exit code: 3 for errors, undetermined checks and an incomplete report, 4 for warnings with `--strict`. Against a
    /// baseline, only new findings count; an incomplete report always does.
    #[must_use]
    pub fn exit(&self, strict: bool) -> Exit {
        let mut counts = self.counts;
        if let (Some(compared), None) = (&self.comparison, &self.read_failure) {
            let of = |level: Level| compared.new.iter().filter(|finding| finding.level == level).count();
            (counts.errors, counts.warnings) = (of(Level::Error), of(Level::Warning));
            counts.undetermined = compared.newly_undetermined.len();
        }
        if counts.errors > 0 || counts.undetermined > 0 || self.coverage.is_incomplete() {
            Exit::ChecksFailed
        } else if strict && counts.warnings > 0 {
            Exit::OnlyWarnings
        } else {
            Exit::Success
        }
    }

    /// The checks by section, in order.
    fn sections(&self) -> Vec<(Section, Vec<&CheckResult>)> {
        let mut sections: BTreeMap<Section, Vec<&CheckResult>> = BTreeMap::new();
        for checked in &self.checks {
            sections.entry(checked.section).or_default().push(checked);
        }
        sections.into_iter().collect()
    }

    /// All findings, most severe first, then by check and subject.
    #[must_use]
    pub fn findings(&self) -> Vec<&Finding> {
        let mut all: Vec<&Finding> = self.checks.iter().flat_map(CheckResult::findings).collect();
        all.sort();
        all
    }
}

/// The exit code of a command for several clusters: that of the worst one.
#[must_use]
pub fn worst_exit(reports: &[ValidateReport], strict: bool) -> Exit {
    let exits = reports.iter().map(|report| report.exit(strict));
    // ChecksFailed (3) is worse than OnlyWarnings (4).
    exits
        .max_by_key(|exit| match exit {
            Exit::ChecksFailed => 2,
            Exit::OnlyWarnings => 1,
            _ => 0,
        })
        .unwrap_or(Exit::Success)
}
