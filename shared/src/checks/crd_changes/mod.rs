//! What the change of a CRD breaks, for whom, and what to do. Each kind of change is claimed by exactly one check.

pub mod decision;
pub mod evidence;
mod fields;
mod identity;
mod judge;
mod limit_outside_format;
mod limits;
mod lists;
mod logic;
pub mod page;
mod rule_use;
mod rules;
mod served_versions;
mod serving;
mod text;
mod types;
mod unclassified;
mod unjudged;
mod versions;
pub mod waivers;
mod webhook;

use serde::Serialize;

use crate::diff::{Change, ChangeKind};
use crate::model::check::Card;

pub use judge::{CrdFinding, CrdVerdict, ServerAnswer, judge_crd};

/// Whom a change hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AffectedParty {
    /// The API server refuses the CRD.
    Server,
    /// Objects become invalid, lose fields, or change their meaning: looking at them tells.
    Objects,
    /// Those who read and write: no object tells who they are.
    Clients,
    /// Nobody.
    None,
}

/// A check of changes.
#[derive(Debug)]
pub struct ChangeCheck {
    /// What it is.
    pub card: Card,
    /// Whom what it finds hurts.
    pub affects: AffectedParty,
    /// Where the rule comes from.
    pub source: &'static str,
}

/// Every check of changes, in the order of the parts of a CRD.
pub fn checks() -> impl Iterator<Item = &'static ChangeCheck> {
    let by_change = [
        identity::CHECKS,
        versions::CHECKS,
        serving::CHECKS,
        fields::CHECKS,
        types::CHECKS,
        limits::CHECKS,
        rules::CHECKS,
        lists::CHECKS,
        logic::CHECKS,
        text::CHECKS,
        unclassified::CHECKS,
    ];
    let standalone: [&'static ChangeCheck; 6] = [
        &limit_outside_format::CHECK,
        &served_versions::CHECK,
        &rule_use::RULE_UNSUPPORTED,
        &rule_use::RULE_COST_UNBOUNDED,
        &unjudged::CHECK,
        &webhook::CHECK,
    ];
    by_change.into_iter().flatten().copied().chain(standalone)
}

/// Which check judges a change.
#[must_use]
pub const fn select_check(change: &Change) -> &'static ChangeCheck {
    match &change.kind {
        ChangeKind::Name(change) => identity::select_check(change),
        ChangeKind::Version(change) => versions::select_check(change),
        ChangeKind::Serving(change) => serving::select_check(change),
        ChangeKind::Field(change) => fields::select_check(change),
        ChangeKind::Type(change) => types::select_check(change),
        ChangeKind::Limit(change) => limits::select_check(change),
        ChangeKind::Rule(change) => rules::select_check(change),
        ChangeKind::List(change) => lists::select_check(change),
        ChangeKind::Logic(change) => logic::select_check(change),
        ChangeKind::Text(change) => text::select_check(change),
        ChangeKind::Unknown(change) => unclassified::select_check(change),
    }
}

#[cfg(test)]
mod tests;
