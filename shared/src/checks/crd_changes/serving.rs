//! Changes of conversion, subresources, columns and selectable fields.

use crate::checks::crd_changes::{Check, Hurts};
use crate::diff::ServingChange;
use crate::model::check::{Card, Level, Section};

/// Objects are converted as before.
static CONVERSION: Check = Check {
    card: Card {
        id: "conversion-changed",
        section: Section::Changes,
        title: "objects are converted as before",
        level: Level::Warning,
        why: "Without the old webhook objects of other versions are served with another apiVersion and nothing else; with a new one that does not answer they can be neither read nor written.",
        fix: "See that the webhook lives before the CRD names it, and that nothing is stored in a version that only it understood.",
    },
    hurts: Hurts::Clients,
    source: "crds.md 1.2, 1.3; C.6",
};

/// The status subresource stays.
static STATUS: Check = Check {
    card: Card {
        id: "status-subresource-changed",
        section: Section::Changes,
        title: "the status subresource stays",
        level: Level::Warning,
        why: "With a new status subresource, writes of status through the main resource are dropped silently: old controllers stop reporting. Without it, users overwrite status.",
        fix: "Upgrade the controller with the CRD.",
    },
    hurts: Hurts::Clients,
    source: "C.6; Sherpack RemoveSubresource",
};

/// The scale subresource stays.
static SCALE: Check = Check {
    card: Card {
        id: "scale-subresource-changed",
        section: Section::Changes,
        title: "the scale subresource stays",
        level: Level::Warning,
        why: "Autoscalers read and write through it: with other paths, or without it, they stop.",
        fix: "Look for HorizontalPodAutoscalers of the kind first.",
    },
    hurts: Hurts::Clients,
    source: "crds.md 1.3; C.6",
};

/// Every selectable field stays.
static SELECTABLE: Check = Check {
    card: Card {
        id: "selectable-field-removed",
        section: Section::Changes,
        title: "every selectable field stays",
        level: Level::Warning,
        why: "Selections by that field fail with an error.",
        fix: "Find who selects by it, and move them.",
    },
    hurts: Hurts::Clients,
    source: "C.6",
};

/// Columns change.
static COLUMNS: Check = Check {
    card: Card {
        id: "printer-columns-changed",
        section: Section::Changes,
        title: "columns change",
        level: Level::Info,
        why: "Only what kubectl get prints changes; scripts should not read it.",
        fix: "Nothing has to be done.",
    },
    hurts: Hurts::Nobody,
    source: "C.6",
};

/// The checks of this file.
pub(crate) static ALL: &[&Check] = &[&CONVERSION, &STATUS, &SCALE, &SELECTABLE, &COLUMNS];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn claim(change: &ServingChange) -> &'static Check {
    match change {
        ServingChange::Strategy { .. }
        | ServingChange::Webhook { .. }
        | ServingChange::CaBundle { .. }
        | ServingChange::ReviewVersions { .. } => &CONVERSION,
        ServingChange::StatusAdded | ServingChange::StatusRemoved => &STATUS,
        ServingChange::ScaleAdded { .. } | ServingChange::ScaleRemoved { .. } | ServingChange::ScaleChanged { .. } => {
            &SCALE
        }
        ServingChange::SelectableAdded { .. } | ServingChange::SelectableRemoved { .. } => &SELECTABLE,
        ServingChange::Columns { .. } => &COLUMNS,
    }
}
