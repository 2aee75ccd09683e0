//! Changes of CEL rules.

use crate::checks::crd_changes::{Check, Hurts};
use crate::diff::RuleChange;
use crate::model::check::{Card, Level, Section};

/// No CEL rule is added.
static ADDED: Check = Check {
    card: Card {
        id: "rule-added",
        section: Section::Changes,
        title: "no CEL rule is added",
        level: Level::Error,
        why: "An object that breaks the rule is refused at a create, and at every update that touches the rule's place.",
        fix: "Look at the live objects: helm mural crds check CHART judges each of them by the rule.",
    },
    hurts: Hurts::Objects,
    source: "crdify unhandled (validations); C.6",
};

/// Every CEL rule says the same.
static CHANGED: Check = Check {
    card: Card {
        id: "rule-changed",
        section: Section::Changes,
        title: "every CEL rule says the same",
        level: Level::Error,
        why: "Whether the new text is wider or narrower cannot be told: objects that held before may break it.",
        fix: "Look at the live objects: helm mural crds check CHART judges each of them by the rule.",
    },
    hurts: Hurts::Objects,
    source: "crdify unhandled (validations); C.6",
};

/// CEL rules go.
static REMOVED: Check = Check {
    card: Card {
        id: "rule-removed",
        section: Section::Changes,
        title: "CEL rules go",
        level: Level::Info,
        why: "Objects stay valid; a controller may meet what the rule kept out.",
        fix: "See that the controller copes with it.",
    },
    hurts: Hurts::Clients,
    source: "C.6",
};

/// Messages of rules change.
static MESSAGE: Check = Check {
    card: Card {
        id: "rule-message-changed",
        section: Section::Changes,
        title: "messages of rules change",
        level: Level::Info,
        why: "Only the words of a refusal change.",
        fix: "Nothing has to be done.",
    },
    hurts: Hurts::Nobody,
    source: "C.6",
};

/// The checks of this file.
pub(crate) static ALL: &[&Check] = &[&ADDED, &CHANGED, &REMOVED, &MESSAGE];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn claim(change: &RuleChange) -> &'static Check {
    match change {
        RuleChange::Added { .. } => &ADDED,
        RuleChange::Changed { .. } => &CHANGED,
        RuleChange::Removed { .. } => &REMOVED,
        RuleChange::Message { .. } => &MESSAGE,
    }
}
