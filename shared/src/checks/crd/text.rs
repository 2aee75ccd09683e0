//! Changes of documentation.

use super::{Check, Hurts};
use crate::checks::{Card, Level, Section};
use crate::diff::TextChange;

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
pub(super) static ALL: &[&Check] = &[&TEXT];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(super) const fn claim(change: &TextChange) -> &'static Check {
    match change {
        TextChange::Description { .. }
        | TextChange::Title { .. }
        | TextChange::Example { .. }
        | TextChange::ExternalDocs { .. } => &TEXT,
    }
}
