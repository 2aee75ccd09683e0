//! Changes of CEL rules.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::{RuleChange, is_transition_rule};
use crate::model::check::{Card, Level, Section};

static RULE_ADDED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rule-added",
        section: Section::CrdChanges,
        title: "an added CEL rule",
        level: Level::Error,
        why: "The API server rejects creates that break the rule, and updates that change the field with the rule.",
        fix: "Evaluate the rule for each live object: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules",
};

static RULE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rule-changed",
        section: Section::CrdChanges,
        title: "a changed CEL rule",
        level: Level::Error,
        why: "Two rules cannot be compared by their text, so each change counts as tighter: valid objects may break \
            the new rule.",
        fix: "Evaluate the rule for each live object: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules",
};

static TRANSITION_RULE_ADDED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "transition-rule-added",
        section: Section::CrdChanges,
        title: "a new CEL rule for changes (oldSelf)",
        level: Level::Warning,
        why: "The API server evaluates the rule only if an update changes the value: creates and stored objects cannot \
            break it. From now on, the API server rejects such a change.",
        fix: "Find the controllers and pipelines that change the value, and stop them before the upgrade.",
    },
    affects: AffectedParty::Clients,
    source: "https://kubernetes.io/docs/reference/using-api/cel/#transition-rules",
};

static RULE_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rule-removed",
        section: Section::CrdChanges,
        title: "a removed CEL rule",
        level: Level::Info,
        why: "Objects stay valid. A controller may read values that the rule rejected before.",
        fix: "Verify that the controller handles these values.",
    },
    affects: AffectedParty::Clients,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules",
};

static RULE_MESSAGE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rule-message-changed",
        section: Section::CrdChanges,
        title: "a changed message of a CEL rule",
        level: Level::Info,
        why: "Only the text of the error changes.",
        fix: "Do nothing: the change is safe.",
    },
    affects: AffectedParty::None,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] =
    &[&RULE_ADDED, &RULE_CHANGED, &TRANSITION_RULE_ADDED, &RULE_REMOVED, &RULE_MESSAGE_CHANGED];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
pub(crate) fn select_check(change: &RuleChange) -> &'static ChangeCheck {
    match change {
        RuleChange::Added { new } | RuleChange::Changed { new, .. } if is_transition_rule(new) => {
            &TRANSITION_RULE_ADDED
        }
        RuleChange::Added { .. } => &RULE_ADDED,
        RuleChange::Changed { .. } => &RULE_CHANGED,
        RuleChange::Removed { .. } => &RULE_REMOVED,
        RuleChange::Message { .. } => &RULE_MESSAGE_CHANGED,
    }
}
