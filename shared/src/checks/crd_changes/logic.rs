//! Changes of allOf, anyOf, oneOf and not.

use crate::checks::crd_changes::{Check, Hurts};
use crate::diff::LogicChange;
use crate::model::check::{Card, Level, Section};

/// No condition becomes tighter.
static CONDITION: Check = Check {
    card: Card {
        id: "condition-changed",
        section: Section::Changes,
        title: "no condition becomes tighter",
        level: Level::Error,
        why: "An object that no branch takes any more, or that two branches of oneOf take, is refused at its next change.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    hurts: Hurts::Objects,
    source: "crdify unhandled (oneOf, anyOf, allOf, not)",
};

/// The checks of this file.
pub(crate) static ALL: &[&Check] = &[&CONDITION];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn claim(change: &LogicChange) -> &'static Check {
    match change {
        LogicChange::Added { .. }
        | LogicChange::Removed { .. }
        | LogicChange::BranchAdded { .. }
        | LogicChange::BranchRemoved { .. }
        | LogicChange::BranchChanged { .. } => &CONDITION,
    }
}
