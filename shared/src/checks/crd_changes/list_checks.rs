//! Changes of how lists and maps are merged.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::ListChange;
use crate::model::check::{Card, Level, Section};

static LIST_TYPE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "list-type-changed",
        section: Section::CrdChanges,
        title: "a changed list type or list map keys",
        level: Level::Error,
        why: "Existing duplicates make every update of the list fail. Server-side apply owns items instead of the \
            whole list: a later apply may delete or duplicate items.",
        fix: "Find live objects with duplicates: helm mural crds check CHART",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy",
};

static MAP_TYPE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "map-type-changed",
        section: Section::CrdChanges,
        title: "a changed map type",
        level: Level::Warning,
        why: "Server-side apply owns the map as a whole, or each field. Managers that share the map start, or stop, \
            overwriting each other.",
        fix: "List the managers of the map: kubectl get KIND NAME -o yaml --show-managed-fields",
    },
    affects: AffectedParty::Clients,
    source: "https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] = &[&LIST_TYPE_CHANGED, &MAP_TYPE_CHANGED];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
pub(crate) const fn select_check(change: &ListChange) -> &'static ChangeCheck {
    match change {
        ListChange::ListTypeStated { .. } | ListChange::ListType { .. } | ListChange::ListMapKeys { .. } => {
            &LIST_TYPE_CHANGED
        }
        ListChange::MapTypeStated { .. } | ListChange::MapType { .. } => &MAP_TYPE_CHANGED,
    }
}
