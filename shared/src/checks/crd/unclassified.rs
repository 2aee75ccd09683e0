//! A keyword that nothing here understands.

use super::{Check, Hurts};
use crate::checks::{Card, Level, Section};
use crate::diff::UnknownChange;

/// Nothing changes that nobody understands.
static UNCLASSIFIED: Check = Check {
    card: Card {
        id: "unclassified-change",
        section: Section::Changes,
        title: "nothing changes that nobody understands",
        level: Level::Error,
        why: "A keyword that this version does not know may mean anything to a newer API server: it is never silently safe.",
        fix: "Read the change. Where it is harmless, waive it with a reason; a newer version of this plugin may know the keyword.",
    },
    hurts: Hurts::Objects,
    source: "crdify unhandled; kapp unknown change",
};

/// The checks of this file.
pub(super) static ALL: &[&Check] = &[&UNCLASSIFIED];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(super) const fn claim(change: &UnknownChange) -> &'static Check {
    let UnknownChange { .. } = change;
    &UNCLASSIFIED
}
