//! Changes of types, null and defaults.

use crate::checks::crd_changes::{Check, Hurts};
use crate::diff::TypeChange;
use crate::model::check::{Card, Level, Section};

/// Every type stays.
static TYPE: Check = Check {
    card: Card {
        id: "type-changed",
        section: Section::Changes,
        title: "every type stays",
        level: Level::Error,
        why: "Objects that hold the old type can no longer be changed there, and typed clients fail to decode a whole list because of one.",
        fix: "Bring the new type under a new field, or in a new version with a conversion webhook.",
    },
    hurts: Hurts::Objects,
    source: "crdify type; OLM; crd-schema-checker NoDataTypeChange",
};

/// Null is allowed where it was.
static NULL: Check = Check {
    card: Card {
        id: "nullable-changed",
        section: Section::Changes,
        title: "null is allowed where it was",
        level: Level::Error,
        why: "A stored null is dropped on read, or becomes the default.",
        fix: "Look for objects that hold null: helm mural crds check CHART.",
    },
    hurts: Hurts::Objects,
    source: "crdify nullable",
};

/// Defaults stay.
static DEFAULT: Check = Check {
    card: Card {
        id: "default-changed",
        section: Section::Changes,
        title: "defaults stay",
        level: Level::Warning,
        why: "Defaults are filled in on read, at once and without a write: objects that never set the field change their meaning. One that goes leaves objects without the value.",
        fix: "Set the field in the objects that shall keep the old value, before the upgrade.",
    },
    hurts: Hurts::Objects,
    source: "crdify default; kapp DefaultValueChange; OLM",
};

/// The checks of this file.
pub(crate) static ALL: &[&Check] = &[&TYPE, &NULL, &DEFAULT];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn claim(change: &TypeChange) -> &'static Check {
    match change {
        TypeChange::Type { .. } => &TYPE,
        TypeChange::NullableAdded | TypeChange::NullableRemoved => &NULL,
        TypeChange::DefaultAdded { .. } | TypeChange::DefaultRemoved { .. } | TypeChange::DefaultChanged { .. } => {
            &DEFAULT
        }
    }
}
