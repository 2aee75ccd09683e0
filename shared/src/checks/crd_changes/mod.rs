//! CRD-change checks: what the change of a CRD affects, how severe it is, and what to do.
//!
//! [`judge_crd`] compares an old and a new CRD (`diff`), selects exactly one check per change, and lowers or keeps its level by the
//! evidence of objects ([`object_evidence`]). The result is a [`CrdVerdict`] with a decision for the plan and findings for the
//! report. Nothing here reads a file or a cluster: callers stream the objects into an `EvidenceCollector`.

mod change_causes;
mod conversion_webhook_unavailable;
mod crd_removed;
mod crd_verdict;
pub mod decision;
mod field_checks;
mod identity_checks;
mod limit_checks;
mod limit_outside_format;
mod list_checks;
mod logic_checks;
pub mod object_evidence;
mod object_origin;
mod objects_already_invalid;
mod objects_not_checked;
pub mod page;
mod rule_checks;
mod rule_usability;
mod served_versions_differ;
mod serving_checks;
mod text_checks;
mod type_checks;
mod unclassified_checks;
mod version_checks;
pub mod waivers;

use serde::Serialize;

use crate::diff::{Change, ChangeKind};
use crate::model::check::Card;

pub use crd_verdict::{CrdFinding, CrdVerdict, ServerAnswer, judge_crd};

/// What a change affects, which decides whether objects can prove it harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AffectedParty {
    /// The API server rejects the CRD.
    Server,
    /// Stored objects become invalid, lose fields or change their meaning. Checking them can prove that none is affected.
    Objects,
    /// Clients of the API. No object shows who they are.
    Clients,
    /// Nothing: the change is safe.
    None,
}

/// A CRD-change check: its card, what its changes affect, and the source of its rule.
#[derive(Debug)]
pub struct ChangeCheck {
    /// Id, texts and level.
    pub card: Card,
    /// What its changes affect.
    pub affects: AffectedParty,
    /// Link to the source of the rule: a Kubernetes or Helm file, a KEP, an issue or a documentation page.
    pub source: &'static str,
}

/// Every CRD-change check, in the order of the parts of a CRD.
pub fn checks() -> impl Iterator<Item = &'static ChangeCheck> {
    let by_change = [
        identity_checks::CHECKS,
        version_checks::CHECKS,
        serving_checks::CHECKS,
        field_checks::CHECKS,
        type_checks::CHECKS,
        limit_checks::CHECKS,
        rule_checks::CHECKS,
        list_checks::CHECKS,
        logic_checks::CHECKS,
        text_checks::CHECKS,
        unclassified_checks::CHECKS,
    ];
    let standalone: [&'static ChangeCheck; 9] = [
        &crd_removed::CHECK,
        &limit_outside_format::CHECK,
        &served_versions_differ::CHECK,
        &rule_usability::RULE_UNSUPPORTED,
        &rule_usability::RULE_COST_UNBOUNDED,
        &rule_usability::RULES_NOT_ESTIMATED,
        &objects_not_checked::CHECK,
        &objects_already_invalid::CHECK,
        &conversion_webhook_unavailable::CHECK,
    ];
    by_change.into_iter().flatten().copied().chain(standalone)
}

/// Selects the one check of a change.
#[must_use]
pub fn select_check(change: &Change) -> &'static ChangeCheck {
    match &change.kind {
        ChangeKind::Name(change) => identity_checks::select_check(change),
        ChangeKind::Version(change) => version_checks::select_check(change),
        ChangeKind::Serving(change) => serving_checks::select_check(change),
        ChangeKind::Field(change) => field_checks::select_check(change),
        ChangeKind::Type(change) => type_checks::select_check(change),
        ChangeKind::Limit(change) => limit_checks::select_check(change),
        ChangeKind::Rule(change) => rule_checks::select_check(change),
        ChangeKind::List(change) => list_checks::select_check(change),
        ChangeKind::Logic(change) => logic_checks::select_check(change),
        ChangeKind::Text(change) => text_checks::select_check(change),
        ChangeKind::Unknown(change) => unclassified_checks::select_check(change),
    }
}

#[cfg(test)]
mod tests;
