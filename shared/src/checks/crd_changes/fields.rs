//! Changes of fields: which there are, which are required, and what is kept though nobody names it.

use crate::checks::crd_changes::{Check, Hurts};
use crate::diff::FieldChange;
use crate::model::check::{Card, Level, Section};

/// Every field stays.
static REMOVED: Check = Check {
    card: Card {
        id: "field-removed",
        section: Section::Changes,
        title: "every field stays",
        level: Level::Error,
        why: "Every read prunes it, and the next write deletes it for good; a rollback finds it gone.",
        fix: "Keep the field, deprecated in its description, until no object holds it.",
    },
    hurts: Hurts::Objects,
    source: "crdify existingFieldRemoval; kapp NoExistingFieldRemoved; crd-schema-checker NoFieldRemoval",
};

/// Fields are added where nobody has them yet.
static ADDED: Check = Check {
    card: Card {
        id: "field-added",
        section: Section::Changes,
        title: "fields are added where nobody has them yet",
        level: Level::Error,
        why: "A new field hurts nobody. One that comes where unknown fields were kept judges what objects hold already.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    hurts: Hurts::Objects,
    source: "crds.md 1.3",
};

/// No field becomes required.
static REQUIRED: Check = Check {
    card: Card {
        id: "required-added",
        section: Section::Changes,
        title: "no field becomes required",
        level: Level::Error,
        why: "Every create without it fails, and so does every update that touches its parent; a default fills the gap.",
        fix: "Give the field a default, or require it in a new version only.",
    },
    hurts: Hurts::Objects,
    source: "crdify required; kapp RequiredFieldChange; crd-schema-checker NoNewRequiredFields",
};

/// A field need not be there any more.
static LOOSENED: Check = Check {
    card: Card {
        id: "required-removed",
        section: Section::Changes,
        title: "a field need not be there any more",
        level: Level::Info,
        why: "Objects stay valid; a reader that relies on the field may meet an object without it.",
        fix: "See that the controller copes with its absence.",
    },
    hurts: Hurts::Clients,
    source: "Sherpack RemoveRequiredField",
};

/// Lists and maps keep their shape.
static SHAPE: Check = Check {
    card: Card {
        id: "shape-changed",
        section: Section::Changes,
        title: "lists and maps keep their shape",
        level: Level::Error,
        why: "Items or values that nobody specified are validated and pruned from now on, or no longer.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    hurts: Hurts::Objects,
    source: "crdify unhandled (additionalProperties, items)",
};

/// Unknown fields are kept where they were.
static UNKNOWN: Check = Check {
    card: Card {
        id: "unknown-fields-pruned",
        section: Section::Changes,
        title: "unknown fields are kept where they were",
        level: Level::Error,
        why: "What no schema names is pruned by every read and lost with the next write.",
        fix: "Name every field that objects hold, or keep x-kubernetes-preserve-unknown-fields.",
    },
    hurts: Hurts::Objects,
    source: "crdify unhandled (preserve-unknown-fields); crds.md 1.3",
};

/// Embedded objects stay what they are.
static EMBEDDED: Check = Check {
    card: Card {
        id: "embedded-resource-changed",
        section: Section::Changes,
        title: "embedded objects stay what they are",
        level: Level::Error,
        why: "An embedded object must have apiVersion, kind and valid metadata; where that ends, they are pruned unless something names them.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    hurts: Hurts::Objects,
    source: "crdify unhandled (embedded-resource)",
};

/// The checks of this file.
pub(crate) static ALL: &[&Check] = &[&REMOVED, &ADDED, &REQUIRED, &LOOSENED, &SHAPE, &UNKNOWN, &EMBEDDED];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn claim(change: &FieldChange) -> &'static Check {
    match change {
        FieldChange::Removed { .. } => &REMOVED,
        FieldChange::Added { .. } => &ADDED,
        FieldChange::RequiredAdded { .. } => &REQUIRED,
        FieldChange::RequiredRemoved => &LOOSENED,
        FieldChange::ItemsAdded { .. }
        | FieldChange::ItemsRemoved { .. }
        | FieldChange::ValuesAdded { .. }
        | FieldChange::ValuesRemoved { .. } => &SHAPE,
        FieldChange::PreserveAdded | FieldChange::PreserveRemoved => &UNKNOWN,
        FieldChange::EmbeddedAdded | FieldChange::EmbeddedRemoved { .. } => &EMBEDDED,
    }
}
