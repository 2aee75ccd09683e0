//! Changes of documentation.

use crate::checks::crd_changes::{Check, Hurts};
use crate::diff::TextChange;
use crate::model::check::{Card, Level, Section};

/// Documentation changes.
static TEXT: Check = Check {
    card: Card {
        id: "documentation-changed",
        section: Section::Changes,
        title: "documentation changes",
        level: Level::Info,
        why: "Only kubectl explain prints something else.",
        fix: "Nothing has to be done.",
    },
    hurts: Hurts::Nobody,
    source: "crdify description (off in practice)",
};

/// The checks of this file.
pub(crate) static ALL: &[&Check] = &[&TEXT];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn claim(change: &TextChange) -> &'static Check {
    match change {
        TextChange::Description { .. }
        | TextChange::Title { .. }
        | TextChange::Example { .. }
        | TextChange::ExternalDocs { .. } => &TEXT,
    }
}
