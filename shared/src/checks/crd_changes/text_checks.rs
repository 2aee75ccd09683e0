//! Changes of documentation.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::TextChange;
use crate::model::check::{Card, Level, Section};

/// Documentation changes.
static DOCUMENTATION_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "documentation-changed",
        section: Section::CrdChanges,
        title: "documentation changes",
        level: Level::Info,
        why: "Only kubectl explain prints something else.",
        fix: "Nothing has to be done.",
    },
    affects: AffectedParty::None,
    source: "crdify description (off in practice)",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&DOCUMENTATION_CHANGED];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn select_check(change: &TextChange) -> &'static ChangeCheck {
    match change {
        TextChange::Description { .. }
        | TextChange::Title { .. }
        | TextChange::Example { .. }
        | TextChange::ExternalDocs { .. } => &DOCUMENTATION_CHANGED,
    }
}
