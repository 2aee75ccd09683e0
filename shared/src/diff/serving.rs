//! How objects are served: conversion, subresources, printer columns, selectable fields.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::kind::{Effect, format_change};
use super::outline::{Outline, VersionOutline};

/// A change of what the API server does around an object.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "old and new are the same everywhere: before and after")]
pub enum ServingChange {
    /// `spec.conversion.strategy`: without a webhook only the apiVersion is rewritten.
    #[serde(rename = "conversion-strategy-changed")]
    Strategy { old: Value, new: Value },
    /// The webhook's service or url.
    #[serde(rename = "conversion-webhook-changed")]
    Webhook { old: Value, new: Value },
    /// The webhook's CA; often written by another tool.
    #[serde(rename = "conversion-ca-bundle-changed")]
    CaBundle { old: Value, new: Value },
    /// The review versions that the webhook understands.
    #[serde(rename = "conversion-review-versions-changed")]
    ReviewVersions { old: Value, new: Value },
    /// From now on writes through the main resource drop `status`.
    #[serde(rename = "status-subresource-added")]
    StatusAdded,
    /// From now on writes through the main resource overwrite `status`.
    #[serde(rename = "status-subresource-removed")]
    StatusRemoved,
    /// The kind can be scaled now.
    #[serde(rename = "scale-subresource-added")]
    ScaleAdded { new: Value },
    /// Autoscalers of the kind stop.
    #[serde(rename = "scale-subresource-removed")]
    ScaleRemoved { old: Value },
    /// Scaling reads or writes other fields.
    #[serde(rename = "scale-subresource-changed")]
    ScaleChanged { old: Value, new: Value },
    /// `additionalPrinterColumns`: output only.
    #[serde(rename = "printer-columns-changed")]
    Columns { old: Vec<Value>, new: Vec<Value> },
    /// Clients can select by this field now.
    #[serde(rename = "selectable-field-added")]
    SelectableAdded { new: String },
    /// Selections by this field fail.
    #[serde(rename = "selectable-field-removed")]
    SelectableRemoved { old: String },
}

impl ServingChange {
    /// How grave this can be.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self {
            Self::Columns { .. } => Effect::Text,
            Self::ScaleAdded { .. } | Self::SelectableAdded { .. } => Effect::Safe,
            Self::Strategy { .. }
            | Self::Webhook { .. }
            | Self::CaBundle { .. }
            | Self::ReviewVersions { .. }
            | Self::StatusAdded
            | Self::StatusRemoved
            | Self::ScaleRemoved { .. }
            | Self::ScaleChanged { .. }
            | Self::SelectableRemoved { .. } => Effect::Risky,
        }
    }
}

impl fmt::Display for ServingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides = |old, new| format_change(Some(old), Some(new));
        match self {
            Self::Strategy { old, new } => write!(f, "conversion strategy changed: {}", sides(old, new)),
            Self::Webhook { old, new } => write!(f, "conversion webhook changed: {}", sides(old, new)),
            Self::CaBundle { .. } => f.write_str("CA of the conversion webhook changed"),
            Self::ReviewVersions { old, new } => write!(f, "conversion review versions changed: {}", sides(old, new)),
            Self::StatusAdded => f.write_str("status subresource added"),
            Self::StatusRemoved => f.write_str("status subresource removed"),
            Self::ScaleAdded { .. } => f.write_str("scale subresource added"),
            Self::ScaleRemoved { .. } => f.write_str("scale subresource removed"),
            Self::ScaleChanged { old, new } => write!(f, "scale subresource changed: {}", sides(old, new)),
            Self::Columns { old, new } => write!(f, "printer columns changed ({} → {})", old.len(), new.len()),
            Self::SelectableAdded { new } => write!(f, "selectable field added: {new}"),
            Self::SelectableRemoved { old } => write!(f, "selectable field removed: {old}"),
        }
    }
}

/// Changes of the conversion.
pub(super) fn compare_crd(old: &Outline, new: &Outline) -> Vec<ServingChange> {
    let (before, after) = (&old.conversion, &new.conversion);
    if before["strategy"] != after["strategy"] {
        return vec![ServingChange::Strategy { old: before["strategy"].clone(), new: after["strategy"].clone() }];
    }
    let both = |pointer: &str| {
        let of = |conversion: &Value| conversion.pointer(pointer).cloned().unwrap_or_default();
        (of(before), of(after))
    };
    let mut all = Vec::new();
    for (pointer, change) in WEBHOOK_FIELDS {
        let (old, new) = both(pointer);
        if old != new {
            all.push(change(old, new));
        }
    }
    all
}

type ChangeConstructor = fn(Value, Value) -> ServingChange;

const WEBHOOK_FIELDS: [(&str, ChangeConstructor); 4] = [
    ("/client/service", |old, new| ServingChange::Webhook { old, new }),
    ("/client/url", |old, new| ServingChange::Webhook { old, new }),
    ("/client/caBundle", |old, new| ServingChange::CaBundle { old, new }),
    ("/reviewVersions", |old, new| ServingChange::ReviewVersions { old, new }),
];

/// Changes of one version that both sides have.
pub(super) fn compare_version(old: &VersionOutline, new: &VersionOutline) -> Vec<ServingChange> {
    let mut all = Vec::new();
    match (old.has_status, new.has_status) {
        (false, true) => all.push(ServingChange::StatusAdded),
        (true, false) => all.push(ServingChange::StatusRemoved),
        _ => {}
    }
    match (old.scale.clone(), new.scale.clone()) {
        (None, Some(new)) => all.push(ServingChange::ScaleAdded { new }),
        (Some(old), None) => all.push(ServingChange::ScaleRemoved { old }),
        (Some(old), Some(new)) if old != new => all.push(ServingChange::ScaleChanged { old, new }),
        _ => {}
    }
    if old.printer_columns != new.printer_columns {
        all.push(ServingChange::Columns { old: old.printer_columns.clone(), new: new.printer_columns.clone() });
    }
    let added = new.selectable_fields.difference(&old.selectable_fields);
    all.extend(added.map(|new| ServingChange::SelectableAdded { new: new.clone() }));
    let gone = old.selectable_fields.difference(&new.selectable_fields);
    all.extend(gone.map(|old| ServingChange::SelectableRemoved { old: old.clone() }));
    all
}
