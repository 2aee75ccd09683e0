//! Changes of how lists and maps are merged.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::ListChange;
use crate::model::check::{Card, Level, Section};

/// Lists are merged as before.
static LIST_TYPE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "list-type-changed",
        section: Section::CrdChanges,
        title: "lists are merged as before",
        level: Level::Error,
        why: "Duplicates that were allowed make every update of the list fail, and server-side apply owns items instead of the list: a later apply may delete or repeat some.",
        fix: "Look at the live objects for duplicates: helm mural crds check CHART.",
    },
    affects: AffectedParty::Objects,
    source: "crdify unhandled (list-type, list-map-keys); crds.md 1.3",
};

/// Maps are merged as before.
static MAP_TYPE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "map-type-changed",
        section: Section::CrdChanges,
        title: "maps are merged as before",
        level: Level::Warning,
        why: "Server-side apply owns the map as a whole, or each of its fields: appliers that share it overwrite each other, or no longer do.",
        fix: "See who applies parts of it: kubectl get KIND NAME -o yaml --show-managed-fields",
    },
    affects: AffectedParty::Clients,
    source: "crdify unhandled (map-type)",
};

/// The checks of this file.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&LIST_TYPE_CHANGED, &MAP_TYPE_CHANGED];

/// Which check judges a change. Every kind of change has one: the compiler sees to it.
pub(crate) const fn select_check(change: &ListChange) -> &'static ChangeCheck {
    match change {
        ListChange::ListTypeStated { .. } | ListChange::ListType { .. } | ListChange::ListMapKeys { .. } => {
            &LIST_TYPE_CHANGED
        }
        ListChange::MapTypeStated { .. } | ListChange::MapType { .. } => &MAP_TYPE_CHANGED,
    }
}
