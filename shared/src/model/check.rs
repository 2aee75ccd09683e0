//! The vocabulary of checks and guards: cards, levels, verdicts, findings and results.
//!
//! A [`Card`] holds the id and texts of a check, a [`Verdict`] its outcome, a [`CheckResult`] both. The checks themselves are in
//! `checks/` and `guards/`; plans and reports only read these values.

use serde::{Deserialize, Serialize};

use super::known_secrets::Secrets;
use super::text_format::format_count;

/// Severity of a finding, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Must be fixed first: a guard refuses the run, and `validate` exits with 3.
    Error,
    /// Should be reviewed; exits with 4 with `--strict`.
    Warning,
    /// For information; never changes the exit code.
    Info,
}

impl Level {
    /// The level as JSON and `--explain` show it: `error`, `warning`, `info`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// Where CHECKS.md is published. A release sets `MURAL_DOCS_BASE` to a full URL when it is built; otherwise links are paths from
/// the root of the repository.
pub const DOCS_BASE: &str = match option_env!("MURAL_DOCS_BASE") {
    Some(base) => base,
    None => "plugins/kubectl-mural-validate/CHECKS.md",
};

/// The link to the documentation of a check: `DOCS_BASE#id`.
#[must_use]
pub fn docs_link(id: &str) -> String {
    format!("{DOCS_BASE}#{id}")
}

/// Outcome of a check. A check that could not read its input is undetermined and never passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything was read and nothing was found.
    Pass,
    /// At least one finding.
    Fail {
        /// Findings, most severe first.
        findings: Vec<Finding>,
    },
    /// The check does not apply.
    Skipped {
        /// Why the check does not apply.
        reason: String,
    },
    /// The input of the check could not be read.
    Undetermined {
        /// Why the input could not be read.
        reason: String,
    },
}

impl Verdict {
    /// Sorts the findings into a failure; passes if there are none.
    #[must_use]
    pub fn from_findings(mut findings: Vec<Finding>) -> Self {
        if findings.is_empty() {
            return Self::Pass;
        }
        findings.sort();
        Self::Fail { findings }
    }

    /// The same outcome without these secrets in its texts.
    #[must_use]
    pub fn mask(self, secrets: &Secrets) -> Self {
        match self {
            Self::Pass => Self::Pass,
            Self::Fail { findings } => {
                Self::Fail { findings: findings.into_iter().map(|finding| finding.mask(secrets)).collect() }
            }
            Self::Skipped { reason } => Self::Skipped { reason: secrets.mask(&reason) },
            Self::Undetermined { reason } => Self::Undetermined { reason: secrets.mask(&reason) },
        }
    }
}

/// One finding: the object, the reason and the next step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Severity; can differ from the usual level of the card.
    pub level: Level,
    /// Id of the check.
    pub check: String,
    /// The affected object, CRD, release or path.
    pub subject: String,
    /// The problem; completes the subject as one sentence.
    pub message: String,
    /// The next step; starts with a command or a verb.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Link to the documentation of the check, by [`docs_link`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docs: String,
}

impl Finding {
    /// The same finding without these secrets in its texts.
    #[must_use]
    pub fn mask(self, secrets: &Secrets) -> Self {
        let Self { level, check, subject, message, hint, docs } = self;
        let (subject, message) = (secrets.mask(&subject), secrets.mask(&message));
        Self { level, check, subject, message, hint: secrets.mask(&hint), docs }
    }
}

/// Id, level and texts of a check, for `--explain`, completion and CHECKS.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// The file name with dashes, and the anchor in CHECKS.md.
    pub id: &'static str,
    /// Section in reports and CHECKS.md.
    pub section: Section,
    /// Completes "Reports …" for a CRD change, and "Requires …" for a guard or health check; no full stop.
    pub title: &'static str,
    /// Usual level of its findings.
    pub level: Level,
    /// What happens if a finding is ignored.
    pub why: &'static str,
    /// How to fix a finding: an imperative sentence, with a command if there is one.
    pub fix: &'static str,
}

impl Card {
    /// The title as a sentence: `Reports a removed field.`, `Requires helm 3.17 or newer.`
    #[must_use]
    pub fn summary(&self) -> String {
        let verb = if self.section == Section::CrdChanges { "Reports" } else { "Requires" };
        format!("{verb} {}.", self.title)
    }

    /// A finding of this check at its usual level.
    #[must_use]
    pub fn finding(&self, subject: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding {
            level: self.level,
            check: self.id.to_owned(),
            subject: subject.into(),
            message: message.into(),
            hint: hint.into(),
            docs: docs_link(self.id),
        }
    }
}

/// Section of a check in reports and CHECKS.md, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Admission guards of an upgrade.
    Guards,
    /// CRD-change checks.
    CrdChanges,
    /// helm and kubectl.
    Tools,
    /// The API server and the namespace.
    Cluster,
    /// Owners of the releases.
    Ownership,
    /// The helm releases.
    Releases,
    /// CRDs.
    Crds,
    /// Flux's sources and HelmReleases.
    Flux,
    /// Pods, Deployments, claims, jobs.
    Workloads,
    /// Admission and conversion webhooks.
    Webhooks,
    /// Managed clusters, hubs and spokes.
    Spokes,
    /// Copies of chart templates in the namespaces of tenants.
    Tenants,
    /// Pods that run with an older Secret or ConfigMap.
    Restarts,
}

impl Section {
    /// Heading of the section.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Guards => "guards",
            Self::CrdChanges => "CRD changes",
            Self::Tools => "tools",
            Self::Cluster => "cluster",
            Self::Ownership => "ownership",
            Self::Releases => "releases",
            Self::Crds => "CRDs",
            Self::Flux => "flux",
            Self::Workloads => "workloads",
            Self::Webhooks => "webhooks",
            Self::Spokes => "spokes",
            Self::Tenants => "tenants",
            Self::Restarts => "restarts",
        }
    }
}

/// Result of one check, with the texts of its card that reports show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// The check's id.
    pub check: &'static str,
    /// Where it is shown.
    pub section: Section,
    /// Title of the card.
    pub title: &'static str,
    /// Number of checked items; 1 if the check reads a single fact.
    pub items_checked: usize,
    /// Outcome of the check.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// `53 of 55 checks passed (92 objects)`: the same words in every form of a report. Skipped checks do not count.
#[must_use]
pub fn summarize_passed(checks: &[CheckResult]) -> String {
    let judged = checks.iter().filter(|checked| !matches!(checked.verdict, Verdict::Skipped { .. }));
    let passed = checks.iter().filter(|checked| checked.verdict == Verdict::Pass);
    let items: usize = passed.clone().map(|checked| checked.items_checked.max(1)).sum();
    let all = format_count(judged.count(), "check");
    format!("{} of {all} passed ({})", passed.count(), format_count(items, "object"))
}

impl CheckResult {
    /// The same result without these secrets in its texts.
    #[must_use]
    pub fn mask(self, secrets: &Secrets) -> Self {
        Self { verdict: self.verdict.mask(secrets), ..self }
    }

    /// Builds the result of the check with this card.
    #[must_use]
    pub const fn new(card: &'static Card, items_checked: usize, verdict: Verdict) -> Self {
        Self { check: card.id, section: card.section, title: card.title, items_checked, verdict }
    }

    /// The findings; empty unless the check failed.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match &self.verdict {
            Verdict::Fail { findings } => findings,
            Verdict::Pass | Verdict::Skipped { .. } | Verdict::Undetermined { .. } => &[],
        }
    }

    /// Whether any finding is an error.
    #[must_use]
    pub fn has_error(&self) -> bool {
        self.findings().iter().any(|finding| finding.level == Level::Error)
    }

    /// The gravest level of the findings; `None` if the check has none.
    #[must_use]
    pub fn gravest_level(&self) -> Option<Level> {
        self.findings().iter().map(|finding| finding.level).min()
    }

    /// Whether the input of the check could not be read.
    #[must_use]
    pub const fn is_undetermined(&self) -> bool {
        matches!(self.verdict, Verdict::Undetermined { .. })
    }
}

/// How many checks ended how. Each check is counted once, by its gravest finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerdictCounts {
    /// Checks that passed.
    pub passed: usize,
    /// Checks with an error.
    pub errors: usize,
    /// Checks with a warning and no error.
    pub warnings: usize,
    /// Checks whose input could not be read.
    pub undetermined: usize,
}

impl VerdictCounts {
    /// Counts these results. Notes and skipped checks are not counted.
    #[must_use]
    pub fn from_results(results: &[CheckResult]) -> Self {
        let mut counts = Self::default();
        for result in results {
            match (&result.verdict, result.gravest_level()) {
                (Verdict::Pass, _) => counts.passed += 1,
                (Verdict::Undetermined { .. }, _) => counts.undetermined += 1,
                (Verdict::Fail { .. }, Some(Level::Error)) => counts.errors += 1,
                (Verdict::Fail { .. }, Some(Level::Warning)) => counts.warnings += 1,
                (Verdict::Fail { .. }, Some(Level::Info) | None) | (Verdict::Skipped { .. }, _) => {}
            }
        }
        counts
    }
}
