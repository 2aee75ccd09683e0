//! Changes of documentation.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::TextChange;
use crate::model::check::{Card, Level, Section};

static DOCUMENTATION_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "documentation-changed",
        section: Section::CrdChanges,
        title: "a changed description, title or example",
        level: Level::Info,
        why: "Only the text of kubectl explain changes.",
        fix: "Do nothing: the change is safe.",
    },
    affects: AffectedParty::None,
    source: "https://github.com/kubernetes-sigs/crdify/blob/main/pkg/validations/property/description.go",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&DOCUMENTATION_CHANGED];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
pub(crate) const fn select_check(change: &TextChange) -> &'static ChangeCheck {
    match change {
        TextChange::Description { .. }
        | TextChange::Title { .. }
        | TextChange::Example { .. }
        | TextChange::ExternalDocs { .. } => &DOCUMENTATION_CHANGED,
    }
}
