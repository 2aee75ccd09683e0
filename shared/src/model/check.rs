//! The vocabulary of checks and guards: a card says what is checked, a verdict what came of it.

use serde::{Deserialize, Serialize};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Must be mended first: a guard refuses, `validate` ends with 3.
    Error,
    /// Worth a look; ends with 4 under `--strict`.
    Warning,
    /// Worth knowing.
    Info,
}

impl Level {
    /// The level as a plural noun: `errors`, `warnings`, `notes`.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Error => "errors",
            Self::Warning => "warnings",
            Self::Info => "notes",
        }
    }

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

/// What a check says. "Could not look" is never a pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Looked, and all is well.
    Pass,
    /// Looked, and found these.
    Fail {
        /// What was found, gravest first.
        findings: Vec<Finding>,
    },
    /// Does not apply here, and why.
    Skipped {
        /// Why it does not apply.
        reason: String,
    },
    /// Could not look, and why.
    Undetermined {
        /// What kept us from looking.
        reason: String,
    },
}

impl Verdict {
    /// Fail with these findings, or pass where there are none.
    #[must_use]
    pub fn from_findings(mut findings: Vec<Finding>) -> Self {
        if findings.is_empty() {
            return Self::Pass;
        }
        findings.sort();
        Self::Fail { findings }
    }
}

/// One trouble: the object, the reason, the next step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How grave.
    pub level: Level,
    /// The check's id.
    pub check: String,
    /// What it is about: an object, a CRD, a path.
    pub subject: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do, with a command where there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// The documentation anchor.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docs: String,
}

/// What a check is: shown by `--explain`, written into CHECKS.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// The id: the file's name with dashes, and the documentation anchor.
    pub id: &'static str,
    /// The section it is shown under.
    pub section: Section,
    /// Completes "Reports …" for a CRD change, and "Requires …" for a guard or health check; no full stop.
    pub title: &'static str,
    /// How grave its findings usually are.
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

/// Where a check is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Admission guards of an upgrade.
    Guards,
    /// What the change of a CRD breaks.
    CrdChanges,
    /// helm and kubectl.
    Tools,
    /// The API server and the namespace.
    Cluster,
    /// Who keeps the releases at their versions.
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
    /// The tenants' copies of what the chart brings.
    Tenants,
    /// Pods that run with an older Secret or ConfigMap.
    Restarts,
}

impl Section {
    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Guards => "guards",
            Self::CrdChanges => "changes of CRDs",
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

/// A check's answer, with the card that asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// The check's id.
    pub check: &'static str,
    /// Where it is shown.
    pub section: Section,
    /// What it looks at.
    pub title: &'static str,
    /// How many things it looked at; 1 where it is one question.
    pub items_checked: usize,
    /// What it says.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl CheckResult {
    /// The answer of the check with that card.
    #[must_use]
    pub const fn new(card: &'static Card, items_checked: usize, verdict: Verdict) -> Self {
        Self { check: card.id, section: card.section, title: card.title, items_checked: items_checked, verdict }
    }

    /// Its findings; none unless it failed.
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

    /// Whether it could not look.
    #[must_use]
    pub const fn is_undetermined(&self) -> bool {
        matches!(self.verdict, Verdict::Undetermined { .. })
    }
}
