//! Changes of allOf, anyOf, oneOf and not.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::LogicChange;
use crate::model::check::{Card, Level, Section};

/// No condition becomes tighter.
static COMPOSITION_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "composition-changed",
        section: Section::CrdChanges,
        title: "no condition becomes tighter",
        level: Level::Error,
        why: "An object that no branch takes any more, or that two branches of oneOf take, is refused at its next change.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    affects: AffectedParty::Objects,
    source: "crdify unhandled (oneOf, anyOf, allOf, not)",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&COMPOSITION_CHANGED];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn select_check(change: &LogicChange) -> &'static ChangeCheck {
    match change {
        LogicChange::Added { .. }
        | LogicChange::Removed { .. }
        | LogicChange::BranchAdded { .. }
        | LogicChange::BranchRemoved { .. }
        | LogicChange::BranchChanged { .. } => &COMPOSITION_CHANGED,
    }
}
