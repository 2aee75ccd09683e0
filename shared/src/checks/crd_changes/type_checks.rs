//! Changes of types, null and defaults.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::TypeChange;
use crate::model::check::{Card, Level, Section};

/// Every type stays.
static TYPE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "type-changed",
        section: Section::CrdChanges,
        title: "every type stays",
        level: Level::Error,
        why: "Objects that hold the old type can no longer be changed there, and typed clients fail to decode a whole list because of one.",
        fix: "Bring the new type under a new field, or in a new version with a conversion webhook.",
    },
    affects: AffectedParty::Objects,
    source: "crdify type; OLM; crd-schema-checker NoDataTypeChange",
};

/// Null is allowed where it was.
static NULLABLE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "nullable-changed",
        section: Section::CrdChanges,
        title: "null is allowed where it was",
        level: Level::Error,
        why: "A stored null is dropped on read, or becomes the default.",
        fix: "Look for objects that hold null: helm mural crds check CHART.",
    },
    affects: AffectedParty::Objects,
    source: "crdify nullable",
};

/// Defaults stay.
static DEFAULT_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "default-changed",
        section: Section::CrdChanges,
        title: "defaults stay",
        level: Level::Warning,
        why: "Defaults are filled in on read, at once and without a write: objects that never set the field change their meaning. One that goes leaves objects without the value.",
        fix: "Set the field in the objects that shall keep the old value, before the upgrade.",
    },
    affects: AffectedParty::Objects,
    source: "crdify default; kapp DefaultValueChange; OLM",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&TYPE_CHANGED, &NULLABLE_CHANGED, &DEFAULT_CHANGED];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn select_check(change: &TypeChange) -> &'static ChangeCheck {
    match change {
        TypeChange::Type { .. } => &TYPE_CHANGED,
        TypeChange::NullableAdded | TypeChange::NullableRemoved => &NULLABLE_CHANGED,
        TypeChange::DefaultAdded { .. } | TypeChange::DefaultRemoved { .. } | TypeChange::DefaultChanged { .. } => {
            &DEFAULT_CHANGED
        }
    }
}
