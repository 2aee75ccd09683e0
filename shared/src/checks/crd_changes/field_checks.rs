//! Changes of fields: added, removed or required ones, and unknown fields that are preserved.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::FieldChange;
use crate::model::check::{Card, Level, Section};

static FIELD_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "field-removed",
        section: Section::CrdChanges,
        title: "a removed field",
        level: Level::Error,
        why: "Every read prunes the field, and the next write deletes it from storage. A rollback does not bring it \
            back.",
        fix: "Keep the field, deprecated in its description, until no object sets it.",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning",
};

static FIELD_ADDED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "field-added",
        section: Section::CrdChanges,
        title: "an added field",
        level: Level::Error,
        why: "A new field is safe. Where unknown fields were preserved, its schema also applies to values that \
            objects already hold.",
        fix: "Check the live objects: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#controlling-pruning",
};

static REQUIRED_ADDED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "required-added",
        section: Section::CrdChanges,
        title: "a field that becomes required",
        level: Level::Error,
        why: "The API server rejects every create without the field, and every update that changes its parent. A \
            default prevents this.",
        fix: "Give the field a default, or require it only in a new version.",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes-sigs/crdify/blob/main/pkg/validations/property/required.go",
};

static REQUIRED_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "required-removed",
        section: Section::CrdChanges,
        title: "a field that is no longer required",
        level: Level::Info,
        why: "Objects stay valid. A controller that relies on the field may read an object without it.",
        fix: "Verify that the controller handles objects without the field.",
    },
    affects: AffectedParty::Clients,
    source: "https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api_changes.md",
};

static SHAPE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "shape-changed",
        section: Section::CrdChanges,
        title: "a changed shape of a list or map",
        level: Level::Error,
        why: "Items or values without a schema are now validated and pruned, or no longer.",
        fix: "Check the live objects: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning/algorithm.go",
};

static UNKNOWN_FIELDS_PRUNED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "unknown-fields-pruned",
        section: Section::CrdChanges,
        title: "a changed x-kubernetes-preserve-unknown-fields",
        level: Level::Error,
        why: "Without it, every read prunes fields that are not in the schema, and the next write deletes them.",
        fix: "Add every field that objects hold to the schema, or keep x-kubernetes-preserve-unknown-fields.",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#controlling-pruning",
};

static EMBEDDED_RESOURCE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "embedded-resource-changed",
        section: Section::CrdChanges,
        title: "a changed x-kubernetes-embedded-resource",
        level: Level::Error,
        why: "An embedded object needs apiVersion, kind and valid metadata. Without the marker, the API server \
            prunes these fields unless the schema lists them.",
        fix: "Check the live objects: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta/validation.go",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] = &[
    &FIELD_REMOVED,
    &FIELD_ADDED,
    &REQUIRED_ADDED,
    &REQUIRED_REMOVED,
    &SHAPE_CHANGED,
    &UNKNOWN_FIELDS_PRUNED,
    &EMBEDDED_RESOURCE_CHANGED,
];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
pub(crate) const fn select_check(change: &FieldChange) -> &'static ChangeCheck {
    match change {
        FieldChange::Removed { .. } => &FIELD_REMOVED,
        FieldChange::Added { .. } => &FIELD_ADDED,
        FieldChange::RequiredAdded { .. } | FieldChange::RequiredStated => &REQUIRED_ADDED,
        FieldChange::RequiredRemoved => &REQUIRED_REMOVED,
        FieldChange::ItemsAdded { .. }
        | FieldChange::ItemsRemoved { .. }
        | FieldChange::ValuesAdded { .. }
        | FieldChange::ValuesRemoved { .. } => &SHAPE_CHANGED,
        FieldChange::PreserveAdded | FieldChange::PreserveRemoved => &UNKNOWN_FIELDS_PRUNED,
        FieldChange::EmbeddedAdded | FieldChange::EmbeddedRemoved { .. } => &EMBEDDED_RESOURCE_CHANGED,
    }
}
