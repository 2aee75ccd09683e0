//! Changes of enums, limits, patterns and formats.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::LimitChange;
use crate::model::check::{Card, Level, Section};

static ENUM_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "enum-changed",
        section: Section::CrdChanges,
        title: "a changed list of allowed values",
        level: Level::Error,
        why: "The API server rejects creates and changes with a removed value. Objects that hold it can stay \
            unchanged on Kubernetes 1.30 and newer; older servers reject every update of them.",
        fix: "Keep the value for one more release, or check the live objects: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes-sigs/crdify/blob/main/pkg/validations/property/enum.go",
};

static LIMIT_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "limit-changed",
        section: Section::CrdChanges,
        title: "a changed minimum or maximum of a value, length or count",
        level: Level::Error,
        why: "The API server rejects creates and changes that break a tighter limit. Objects that already break it \
            can stay unchanged on Kubernetes 1.30 and newer; older servers reject every update of them.",
        fix: "Keep the limit, or find and change the objects that break the new one: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes-sigs/crdify/blob/main/pkg/validations/property/max.go",
};

static PATTERN_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "pattern-changed",
        section: Section::CrdChanges,
        title: "a changed pattern",
        level: Level::Error,
        why: "Two patterns cannot be compared by their text, so each change counts as tighter. The API server \
            rejects creates and changes that do not match. Objects that already break it can stay unchanged on \
            Kubernetes 1.30 and newer; older servers reject every update of them.",
        fix: "Find the objects that do not match: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes-sigs/crdify/blob/main/pkg/validations/property/pattern.go",
};

static FORMAT_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "format-changed",
        section: Section::CrdChanges,
        title: "a changed format",
        level: Level::Error,
        why: "The API server validates the formats that it knows. From 1.36 it also enforces the range of int32 and \
            int64.",
        fix: "Check the live objects: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes/kubernetes/commit/0835a2fa9",
};

static MULTIPLE_OF_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "multiple-of-changed",
        section: Section::CrdChanges,
        title: "a changed multipleOf",
        level: Level::Error,
        why: "The API server rejects changes to a number that is not a multiple of the new value.",
        fix: "Check the live objects: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://github.com/kubernetes/kube-openapi/blob/master/pkg/validation/validate/values.go",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] =
    &[&ENUM_CHANGED, &LIMIT_CHANGED, &PATTERN_CHANGED, &FORMAT_CHANGED, &MULTIPLE_OF_CHANGED];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
pub(crate) const fn select_check(change: &LimitChange) -> &'static ChangeCheck {
    match change {
        LimitChange::EnumAdded { .. }
        | LimitChange::EnumRemoved { .. }
        | LimitChange::EnumValuesAdded { .. }
        | LimitChange::EnumValuesRemoved { .. } => &ENUM_CHANGED,
        LimitChange::Tightened { .. } | LimitChange::Loosened { .. } => &LIMIT_CHANGED,
        LimitChange::Pattern { .. } => &PATTERN_CHANGED,
        LimitChange::Format { .. } => &FORMAT_CHANGED,
        LimitChange::MultipleOf { .. } => &MULTIPLE_OF_CHANGED,
    }
}
