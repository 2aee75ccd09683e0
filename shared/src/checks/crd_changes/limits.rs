//! Changes of enums, limits, patterns and formats.

use crate::checks::crd_changes::{Check, Hurts};
use crate::diff::LimitChange;
use crate::model::check::{Card, Level, Section};

/// Every value that was allowed stays allowed.
static ENUM: Check = Check {
    card: Card {
        id: "enum-changed",
        section: Section::Changes,
        title: "every value that was allowed stays allowed",
        level: Level::Error,
        why: "A create or change with a value that is gone is refused; objects that hold it may stay as they are from Kubernetes 1.30 on, and cannot be changed at all before.",
        fix: "Keep the value for one more release, or look at the live objects: helm mural crds check CHART.",
    },
    hurts: Hurts::Objects,
    source: "crdify enum; kapp EnumChange; crd-schema-checker NoEnumRemoval",
};

/// No limit becomes tighter.
static LIMIT: Check = Check {
    card: Card {
        id: "limit-changed",
        section: Section::Changes,
        title: "no limit becomes tighter",
        level: Level::Error,
        why: "A create or change that breaks the limit is refused; objects that break it already may stay as they are from Kubernetes 1.30 on, and are refused at any change before.",
        fix: "Keep the limit, or mend the objects that break the new one first: helm mural crds check CHART names them.",
    },
    hurts: Hurts::Objects,
    source: "crdify and kapp minimum, maximum, length, items, properties; OLM",
};

/// No pattern is added or changed.
static PATTERN: Check = Check {
    card: Card {
        id: "pattern-changed",
        section: Section::Changes,
        title: "no pattern is added or changed",
        level: Level::Error,
        why: "Whether another pattern is wider or narrower cannot be told from its text. A create or change that breaks the limit is refused; objects that break it already may stay as they are from Kubernetes 1.30 on, and are refused at any change before.",
        fix: "Look at the live objects: helm mural crds check CHART names those that do not match.",
    },
    hurts: Hurts::Objects,
    source: "crdify pattern",
};

/// Formats stay.
static FORMAT: Check = Check {
    card: Card {
        id: "format-changed",
        section: Section::Changes,
        title: "formats stay",
        level: Level::Error,
        why: "A format that the server knows is checked as a pattern is; from 1.36 on int32 and int64 are limits too.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    hurts: Hurts::Objects,
    source: "crdify unhandled (format); kubernetes 0835a2fa9",
};

/// Numbers stay as fine as they were.
static MULTIPLE: Check = Check {
    card: Card {
        id: "multiple-of-changed",
        section: Section::Changes,
        title: "numbers stay as fine as they were",
        level: Level::Error,
        why: "A number that is no multiple of the new step is refused at its next change.",
        fix: "Look at the live objects: helm mural crds check CHART.",
    },
    hurts: Hurts::Objects,
    source: "crdify unhandled (multipleOf)",
};

/// The checks of this file.
pub(crate) static ALL: &[&Check] = &[&ENUM, &LIMIT, &PATTERN, &FORMAT, &MULTIPLE];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn claim(change: &LimitChange) -> &'static Check {
    match change {
        LimitChange::EnumAdded { .. }
        | LimitChange::EnumRemoved { .. }
        | LimitChange::EnumValuesAdded { .. }
        | LimitChange::EnumValuesRemoved { .. } => &ENUM,
        LimitChange::Tightened { .. } | LimitChange::Loosened { .. } => &LIMIT,
        LimitChange::Pattern { .. } => &PATTERN,
        LimitChange::Format { .. } => &FORMAT,
        LimitChange::MultipleOf { .. } => &MULTIPLE,
    }
}
