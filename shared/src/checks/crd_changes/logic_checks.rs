//! Changes of allOf, anyOf, oneOf and not.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::LogicChange;
use crate::model::check::{Card, Level, Section};

static COMPOSITION_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "composition-changed",
        section: Section::CrdChanges,
        title: "a changed allOf, anyOf, oneOf or not",
        level: Level::Error,
        why: "The API server rejects changes to an object that no branch accepts, or that two branches of oneOf \
            accept.",
        fix: "Check the live objects: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes-sigs/crdify/blob/main/pkg/validations/property/oneof.go",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&COMPOSITION_CHANGED];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
pub(crate) const fn select_check(change: &LogicChange) -> &'static ChangeCheck {
    match change {
        LogicChange::Added { .. }
        | LogicChange::Removed { .. }
        | LogicChange::BranchAdded { .. }
        | LogicChange::BranchRemoved { .. }
        | LogicChange::BranchChanged { .. } => &COMPOSITION_CHANGED,
    }
}
