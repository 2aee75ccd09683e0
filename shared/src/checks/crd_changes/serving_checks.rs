//! Changes of conversion, subresources, columns and selectable fields.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::ServingChange;
use crate::model::check::{Card, Level, Section};

/// Objects are converted as before.
static CONVERSION_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "conversion-changed",
        section: Section::CrdChanges,
        title: "objects are converted as before",
        level: Level::Warning,
        why: "Without the old webhook objects of other versions are served with another apiVersion and nothing else; with a new one that does not answer they can be neither read nor written.",
        fix: "See that the webhook lives before the CRD names it, and that nothing is stored in a version that only it understood.",
    },
    affects: AffectedParty::Clients,
    source: "crds.md 1.2, 1.3; C.6",
};

/// The status subresource stays.
static STATUS_SUBRESOURCE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "status-subresource-changed",
        section: Section::CrdChanges,
        title: "the status subresource stays",
        level: Level::Warning,
        why: "With a new status subresource, writes of status through the main resource are dropped silently: old controllers stop reporting. Without it, users overwrite status.",
        fix: "Upgrade the controller with the CRD.",
    },
    affects: AffectedParty::Clients,
    source: "C.6; Sherpack RemoveSubresource",
};

/// The scale subresource stays.
static SCALE_SUBRESOURCE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "scale-subresource-changed",
        section: Section::CrdChanges,
        title: "the scale subresource stays",
        level: Level::Warning,
        why: "Autoscalers read and write through it: with other paths, or without it, they stop.",
        fix: "Look for HorizontalPodAutoscalers of the kind first.",
    },
    affects: AffectedParty::Clients,
    source: "crds.md 1.3; C.6",
};

/// Every selectable field stays.
static SELECTABLE_FIELD_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "selectable-field-removed",
        section: Section::CrdChanges,
        title: "every selectable field stays",
        level: Level::Warning,
        why: "Selections by that field fail with an error.",
        fix: "Find who selects by it, and move them.",
    },
    affects: AffectedParty::Clients,
    source: "C.6",
};

/// Columns change.
static PRINTER_COLUMNS_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "printer-columns-changed",
        section: Section::CrdChanges,
        title: "columns change",
        level: Level::Info,
        why: "Only what kubectl get prints changes; scripts should not read it.",
        fix: "Nothing has to be done.",
    },
    affects: AffectedParty::None,
    source: "C.6",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] = &[
    &CONVERSION_CHANGED,
    &STATUS_SUBRESOURCE_CHANGED,
    &SCALE_SUBRESOURCE_CHANGED,
    &SELECTABLE_FIELD_REMOVED,
    &PRINTER_COLUMNS_CHANGED,
];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn select_check(change: &ServingChange) -> &'static ChangeCheck {
    match change {
        ServingChange::Strategy { .. }
        | ServingChange::Webhook { .. }
        | ServingChange::CaBundle { .. }
        | ServingChange::ReviewVersions { .. } => &CONVERSION_CHANGED,
        ServingChange::StatusAdded | ServingChange::StatusRemoved => &STATUS_SUBRESOURCE_CHANGED,
        ServingChange::ScaleAdded { .. } | ServingChange::ScaleRemoved { .. } | ServingChange::ScaleChanged { .. } => {
            &SCALE_SUBRESOURCE_CHANGED
        }
        ServingChange::SelectableAdded { .. } | ServingChange::SelectableRemoved { .. } => &SELECTABLE_FIELD_REMOVED,
        ServingChange::Columns { .. } => &PRINTER_COLUMNS_CHANGED,
    }
}
