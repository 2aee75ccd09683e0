//! Changes of conversion, subresources, columns and selectable fields.

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::ServingChange;
use crate::model::check::{Card, Level, Section};

static CONVERSION_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "conversion-changed",
        section: Section::CrdChanges,
        title: "a changed conversion between versions",
        level: Level::Warning,
        why: "Without the old webhook, the API server rewrites only the apiVersion of an object. If a new webhook \
            does not answer, objects in other versions can be neither read nor written.",
        fix: "Start the webhook before you apply the CRD. Migrate objects out of versions that only the old webhook \
            can convert.",
    },
    affects: AffectedParty::Clients,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion",
};

static STATUS_SUBRESOURCE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "status-subresource-changed",
        section: Section::CrdChanges,
        title: "an added or removed status subresource",
        level: Level::Warning,
        why: "With the status subresource, the API server drops status from writes to the main resource: old \
            controllers stop reporting. Without it, users can overwrite status.",
        fix: "Upgrade the controller together with the CRD.",
    },
    affects: AffectedParty::Clients,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#status-subresource",
};

static SCALE_SUBRESOURCE_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "scale-subresource-changed",
        section: Section::CrdChanges,
        title: "a changed scale subresource",
        level: Level::Warning,
        why: "Autoscalers read and write through the scale subresource. They stop if its paths change or it is \
            removed.",
        fix: "Find the autoscalers of the kind first: kubectl get horizontalpodautoscalers --all-namespaces",
    },
    affects: AffectedParty::Clients,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#scale-subresource",
};

static SELECTABLE_FIELD_REMOVED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "selectable-field-removed",
        section: Section::CrdChanges,
        title: "a removed selectable field",
        level: Level::Warning,
        why: "The API server rejects requests with a field selector on the removed field.",
        fix: "Find the clients that select by the field and change them first.",
    },
    affects: AffectedParty::Clients,
    source: "https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4358-custom-resource-field-selectors",
};

static PRINTER_COLUMNS_CHANGED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "printer-columns-changed",
        section: Section::CrdChanges,
        title: "changed printer columns",
        level: Level::Info,
        why: "Only the table of kubectl get changes. Scripts should read -o json instead.",
        fix: "Do nothing: the change is safe.",
    },
    affects: AffectedParty::None,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#additional-printer-columns",
};

/// The checks of this file, in the order of the documentation.
pub(crate) static CHECKS: &[&ChangeCheck] = &[
    &CONVERSION_CHANGED,
    &STATUS_SUBRESOURCE_CHANGED,
    &SCALE_SUBRESOURCE_CHANGED,
    &SELECTABLE_FIELD_REMOVED,
    &PRINTER_COLUMNS_CHANGED,
];

/// Selects the check of a change. The match is exhaustive: a new kind of change does not compile without a check.
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
