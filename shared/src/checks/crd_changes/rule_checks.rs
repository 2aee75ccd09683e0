//! Changes of CEL rules.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::RuleChange;
use crate::model::check::{Card, Level, Section};

/// No CEL rule is added.
static RULE_ADDED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rule-added",
        section: Section::CrdChanges,
        title: "no CEL rule is added",
        level: Level::Error,
        why: "An object that breaks the rule is refused at a create, and at every update that touches the rule's place.",
        fix: "Look at the live objects: helm mural crds check CHART judges each of them by the rule.",
    },
    affects: AffectedParty::Objects,
    source: "crdify unhandled (validations); C.6",
};

/// Every CEL rule says the same.
static RULE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rule-changed",
        section: Section::CrdChanges,
        title: "every CEL rule says the same",
        level: Level::Error,
        why: "Whether the new text is wider or narrower cannot be told: objects that held before may break it.",
        fix: "Look at the live objects: helm mural crds check CHART judges each of them by the rule.",
    },
    affects: AffectedParty::Objects,
    source: "crdify unhandled (validations); C.6",
};

/// CEL rules go.
static RULE_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rule-removed",
        section: Section::CrdChanges,
        title: "CEL rules go",
        level: Level::Info,
        why: "Objects stay valid; a controller may meet what the rule kept out.",
        fix: "See that the controller copes with it.",
    },
    affects: AffectedParty::Clients,
    source: "C.6",
};

/// Messages of rules change.
static RULE_MESSAGE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rule-message-changed",
        section: Section::CrdChanges,
        title: "messages of rules change",
        level: Level::Info,
        why: "Only the words of a refusal change.",
        fix: "Nothing has to be done.",
    },
    affects: AffectedParty::None,
    source: "C.6",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&RULE_ADDED, &RULE_CHANGED, &RULE_REMOVED, &RULE_MESSAGE_CHANGED];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn select_check(change: &RuleChange) -> &'static ChangeCheck {
    match change {
        RuleChange::Added { .. } => &RULE_ADDED,
        RuleChange::Changed { .. } => &RULE_CHANGED,
        RuleChange::Removed { .. } => &RULE_REMOVED,
        RuleChange::Message { .. } => &RULE_MESSAGE_CHANGED,
    }
}
