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

pub use judge::{Asked, CrdFinding, CrdVerdict, judge};

/// Whom a change hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hurts {
    /// The API server refuses the CRD.
    Server,
    /// Objects become invalid, lose fields, or change their meaning: looking at them tells.
    Objects,
    /// Those who read and write: no object tells who they are.
    Clients,
    /// Nobody.
    Nobody,
}

/// A check of changes.
#[derive(Debug)]
pub struct Check {
    /// What it is.
    pub card: Card,
    /// Whom what it finds hurts.
    pub hurts: Hurts,
    /// Where the rule comes from.
    pub source: &'static str,
}

/// Every check of changes, in the order of the parts of a CRD.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    let claiming = [
        identity::ALL,
        versions::ALL,
        serving::ALL,
        fields::ALL,
        types::ALL,
        limits::ALL,
        rules::ALL,
        lists::ALL,
        logic::ALL,
        text::ALL,
        unclassified::ALL,
    ];
    let besides: [&'static Check; 6] = [
        &limit_outside_format::CHECK,
        &served_versions::CHECK,
        &rule_use::USABLE,
        &rule_use::COSTLY,
        &unjudged::CHECK,
        &webhook::CHECK,
    ];
    claiming.into_iter().flatten().copied().chain(besides)
}

/// Which check judges a change.
#[must_use]
pub const fn claim(change: &Change) -> &'static Check {
    match &change.kind {
        ChangeKind::Name(change) => identity::claim(change),
        ChangeKind::Version(change) => versions::claim(change),
        ChangeKind::Serving(change) => serving::claim(change),
        ChangeKind::Field(change) => fields::claim(change),
        ChangeKind::Type(change) => types::claim(change),
        ChangeKind::Limit(change) => limits::claim(change),
        ChangeKind::Rule(change) => rules::claim(change),
        ChangeKind::List(change) => lists::claim(change),
        ChangeKind::Logic(change) => logic::claim(change),
        ChangeKind::Text(change) => text::claim(change),
        ChangeKind::Unknown(change) => unclassified::claim(change),
    }
}

#[cfg(test)]
mod tests;
