//! Changes of enums, limits, patterns and formats.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::LimitChange;
use crate::model::check::{Card, Level, Section};

/// Every value that was allowed stays allowed.
static ENUM_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "enum-changed",
        section: Section::CrdChanges,
        title: "every value that was allowed stays allowed",
        level: Level::Error,
        why: "A create or change with a value that is gone is refused; objects that hold it may stay as they are from Kubernetes 1.30 on, and cannot be changed at all before.",
        fix: "Keep the value for one more release, or look at the live objects: helm mural crds check CHART.",
    },
    affects: AffectedParty::Objects,
    source: "crdify enum; kapp EnumChange; crd-schema-checker NoEnumRemoval",
};

/// No limit becomes tighter.
static LIMIT_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "limit-changed",
        section: Section::CrdChanges,
        title: "no limit becomes tighter",
        level: Level::Error,
        why: "A create or change that breaks the limit is refused; objects that break it already may stay as they are from Kubernetes 1.30 on, and are refused at any change before.",
        fix: "Keep the limit, or mend the objects that break the new one first: helm mural crds check CHART names them.",
    },
    affects: AffectedParty::Objects,
    source: "crdify and kapp minimum, maximum, length, items, properties; OLM",
};

/// No pattern is added or changed.
static PATTERN_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "pattern-changed",
        section: Section::CrdChanges,
        title: "no pattern is added or changed",
        level: Level::Error,
        why: "Whether another pattern is wider or narrower cannot be told from its text. A create or change that breaks the limit is refused; objects that break it already may stay as they are from Kubernetes 1.30 on, and are refused at any change before.",
        fix: "Look at the live objects: helm mural crds check CHART names those that do not match.",
    },
    affects: AffectedParty::Objects,
    source: "crdify pattern",
};

/// Formats stay.
static FORMAT_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "format-changed",
        section: Section::CrdChanges,
        title: "formats stay",
        level: Level::Error,
        why: "A format that the server knows is checked as a pattern is; from 1.36 on int32 and int64 are limits too.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    affects: AffectedParty::Objects,
    source: "crdify unhandled (format); kubernetes 0835a2fa9",
};

/// Numbers stay as fine as they were.
static MULTIPLE_OF_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "multiple-of-changed",
        section: Section::CrdChanges,
        title: "numbers stay as fine as they were",
        level: Level::Error,
        why: "A number that is no multiple of the new step is refused at its next change.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    affects: AffectedParty::Objects,
    source: "crdify unhandled (multipleOf)",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] =
    &[&ENUM_CHANGED, &LIMIT_CHANGED, &PATTERN_CHANGED, &FORMAT_CHANGED, &MULTIPLE_OF_CHANGED];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
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
