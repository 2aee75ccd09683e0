//! Changes of types, null and defaults.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::TypeChange;
use crate::model::check::{Card, Level, Section};

static TYPE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "type-changed",
        section: Section::CrdChanges,
        title: "a changed type",
        level: Level::Error,
        why: "The API server rejects changes to a field that holds a value of the old type. One such object makes \
            typed clients fail to decode the whole list.",
        fix: "Add a new field with the new type, or a new version with a conversion webhook.",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes-sigs/crdify/blob/main/pkg/validations/property/type.go",
};

static NULLABLE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "nullable-changed",
        section: Section::CrdChanges,
        title: "a changed nullable",
        level: Level::Error,
        why: "Where null is no longer allowed, a stored null is dropped on read or replaced by the default.",
        fix: "Find objects that hold null: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable",
};

static DEFAULT_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "default-changed",
        section: Section::CrdChanges,
        title: "an added, changed or removed default",
        level: Level::Warning,
        why: "The API server fills in defaults on read, without a write: objects that do not set the field change \
            their meaning at once. If a default is removed, objects lose the value.",
        fix: "Set the field in objects that must keep the old value, before the upgrade.",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&TYPE_CHANGED, &NULLABLE_CHANGED, &DEFAULT_CHANGED];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
pub(crate) const fn select_check(change: &TypeChange) -> &'static ChangeCheck {
    match change {
        TypeChange::Type { .. } => &TYPE_CHANGED,
        TypeChange::NullableAdded | TypeChange::NullableRemoved => &NULLABLE_CHANGED,
        TypeChange::DefaultAdded { .. } | TypeChange::DefaultRemoved { .. } | TypeChange::DefaultChanged { .. } => {
            &DEFAULT_CHANGED
        }
    }
}
