//! Changes of schema keywords that this version does not know.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::UnknownChange;
use crate::model::check::{Card, Level, Section};

static UNCLASSIFIED_CHANGE: ChangeCheck = ChangeCheck {
    card: Card {
        id: "unclassified-change",
        section: Section::CrdChanges,
        title: "a change that this version does not know",
        level: Level::Error,
        why: "A schema keyword that this version does not know can mean anything to a newer API server. It never \
            counts as safe.",
        fix: "Read the change. If it is harmless, waive it with a reason, or update this plugin.",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/operator-framework/operator-controller/issues/1092",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&UNCLASSIFIED_CHANGE];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
pub(crate) const fn select_check(change: &UnknownChange) -> &'static ChangeCheck {
    let UnknownChange { .. } = change;
    &UNCLASSIFIED_CHANGE
}
