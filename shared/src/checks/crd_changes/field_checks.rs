//! Changes of fields: which there are, which are required, and what is kept though nobody names it.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::FieldChange;
use crate::model::check::{Card, Level, Section};

/// Every field stays.
static FIELD_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "field-removed",
        section: Section::CrdChanges,
        title: "every field stays",
        level: Level::Error,
        why: "Every read prunes it, and the next write deletes it for good; a rollback finds it gone.",
        fix: "Keep the field, deprecated in its description, until no object holds it.",
    },
    affects: AffectedParty::Objects,
    source: "crdify existingFieldRemoval; kapp NoExistingFieldRemoved; crd-schema-checker NoFieldRemoval",
};

/// Fields are added where nobody has them yet.
static FIELD_ADDED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "field-added",
        section: Section::CrdChanges,
        title: "fields are added where nobody has them yet",
        level: Level::Error,
        why: "A new field hurts nobody. One that comes where unknown fields were kept judges what objects hold already.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    affects: AffectedParty::Objects,
    source: "crds.md 1.3",
};

/// No field becomes required.
static REQUIRED_ADDED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "required-added",
        section: Section::CrdChanges,
        title: "no field becomes required",
        level: Level::Error,
        why: "Every create without it fails, and so does every update that touches its parent; a default fills the gap.",
        fix: "Give the field a default, or require it in a new version only.",
    },
    affects: AffectedParty::Objects,
    source: "crdify required; kapp RequiredFieldChange; crd-schema-checker NoNewRequiredFields",
};

/// A field need not be there any more.
static REQUIRED_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "required-removed",
        section: Section::CrdChanges,
        title: "a field need not be there any more",
        level: Level::Info,
        why: "Objects stay valid; a reader that relies on the field may meet an object without it.",
        fix: "See that the controller copes with its absence.",
    },
    affects: AffectedParty::Clients,
    source: "Sherpack RemoveRequiredField",
};

/// Lists and maps keep their shape.
static SHAPE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "shape-changed",
        section: Section::CrdChanges,
        title: "lists and maps keep their shape",
        level: Level::Error,
        why: "Items or values that nobody specified are validated and pruned from now on, or no longer.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    affects: AffectedParty::Objects,
    source: "crdify unhandled (additionalProperties, items)",
};

/// Unknown fields are kept where they were.
static UNKNOWN_FIELDS_PRUNED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "unknown-fields-pruned",
        section: Section::CrdChanges,
        title: "unknown fields are kept where they were",
        level: Level::Error,
        why: "What no schema names is pruned by every read and lost with the next write.",
        fix: "Name every field that objects hold, or keep x-kubernetes-preserve-unknown-fields.",
    },
    affects: AffectedParty::Objects,
    source: "crdify unhandled (preserve-unknown-fields); crds.md 1.3",
};

/// Embedded objects stay what they are.
static EMBEDDED_RESOURCE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "embedded-resource-changed",
        section: Section::CrdChanges,
        title: "embedded objects stay what they are",
        level: Level::Error,
        why: "An embedded object must have apiVersion, kind and valid metadata; where that ends, they are pruned unless something names them.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    affects: AffectedParty::Objects,
    source: "crdify unhandled (embedded-resource)",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] = &[
    &FIELD_REMOVED,
    &FIELD_ADDED,
    &REQUIRED_ADDED,
    &REQUIRED_REMOVED,
    &SHAPE_CHANGED,
    &UNKNOWN_FIELDS_PRUNED,
    &EMBEDDED_RESOURCE_CHANGED,
];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn select_check(change: &FieldChange) -> &'static ChangeCheck {
    match change {
        FieldChange::Removed { .. } => &FIELD_REMOVED,
        FieldChange::Added { .. } => &FIELD_ADDED,
        FieldChange::RequiredAdded { .. } => &REQUIRED_ADDED,
        FieldChange::RequiredRemoved => &REQUIRED_REMOVED,
        FieldChange::ItemsAdded { .. }
        | FieldChange::ItemsRemoved { .. }
        | FieldChange::ValuesAdded { .. }
        | FieldChange::ValuesRemoved { .. } => &SHAPE_CHANGED,
        FieldChange::PreserveAdded | FieldChange::PreserveRemoved => &UNKNOWN_FIELDS_PRUNED,
        FieldChange::EmbeddedAdded | FieldChange::EmbeddedRemoved { .. } => &EMBEDDED_RESOURCE_CHANGED,
    }
}
