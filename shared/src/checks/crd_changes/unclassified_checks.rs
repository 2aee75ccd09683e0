//! A keyword that nothing here understands.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::UnknownChange;
use crate::model::check::{Card, Level, Section};

/// Nothing changes that nobody understands.
static UNCLASSIFIED_CHANGE: ChangeCheck = ChangeCheck {
    card: Card {
        id: "unclassified-change",
        section: Section::CrdChanges,
        title: "nothing changes that nobody understands",
        level: Level::Error,
        why: "A keyword that this version does not know may mean anything to a newer API server: it is never silently safe.",
        fix: "Read the change. Where it is harmless, waive it with a reason; a newer version of this plugin may know the keyword.",
    },
    affects: AffectedParty::Objects,
    source: "crdify unhandled; kapp unknown change",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&UNCLASSIFIED_CHANGE];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn select_check(change: &UnknownChange) -> &'static ChangeCheck {
    let UnknownChange { .. } = change;
    &UNCLASSIFIED_CHANGE
}
