//! Fields: added, removed, required; and what an object keeps though no schema names it.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::kind::{Effect, format_value};
use super::path::Segment;
use super::walk::{ChangeCollector, PositionPair, walk};

/// A change of which fields there are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum FieldChange {
    /// A field that the old schema does not have. The fields below it are part of this change and have none of their own.
    #[serde(rename = "field-added")]
    Added {
        /// Its schema.
        new: Value,
        /// Whether objects may hold it already, unspecified or under other rules: the new schema then prunes or refuses.
        constrains: bool,
    },
    /// A field that the new schema does not name: every read prunes it, every write deletes it for good.
    #[serde(rename = "field-removed")]
    Removed {
        /// Its schema.
        old: Value,
        /// Whether objects keep it all the same (unknown fields preserved, or a map).
        preserved: bool,
    },
    /// A field must be there now.
    #[serde(rename = "required-added")]
    RequiredAdded {
        /// Its default, which fills the gap before validation.
        default: Option<Value>,
        /// Whether the field itself is new.
        new_field: bool,
    },
    /// The schema requires a field that every Kubernetes object has: the API server takes none without it anyway.
    #[serde(rename = "required-stated")]
    RequiredStated,
    /// A field need not be there any more.
    #[serde(rename = "required-removed")]
    RequiredRemoved,
    /// The schema of a list's items, where there was none.
    #[serde(rename = "items-added")]
    ItemsAdded {
        /// The schema.
        new: Value,
    },
    /// A list's items have no schema any more.
    #[serde(rename = "items-removed")]
    ItemsRemoved {
        /// The schema.
        old: Value,
        /// Whether objects keep them all the same.
        preserved: bool,
    },
    /// A map's values are specified, where there was no map.
    #[serde(rename = "map-values-added")]
    ValuesAdded {
        /// The schema, or `false`.
        new: Value,
        /// Whether objects may hold keys already, named or kept though unknown.
        constrains: bool,
    },
    /// A map's values are no longer specified: keys that `properties` does not name are pruned.
    #[serde(rename = "map-values-removed")]
    ValuesRemoved {
        /// The schema, or `false`.
        old: Value,
        /// Whether objects keep the keys all the same.
        preserved: bool,
    },
    /// Unknown fields are kept from now on.
    #[serde(rename = "preserve-unknown-fields-added")]
    PreserveAdded,
    /// Unknown fields are pruned from now on.
    #[serde(rename = "preserve-unknown-fields-removed")]
    PreserveRemoved,
    /// The value must be a whole object now, with apiVersion, kind and valid metadata.
    #[serde(rename = "embedded-resource-added")]
    EmbeddedAdded,
    /// The value need not be a whole object: its apiVersion, kind and metadata are pruned where nothing names them.
    #[serde(rename = "embedded-resource-removed")]
    EmbeddedRemoved {
        /// Whether unknown fields are kept all the same.
        preserved: bool,
    },
}

impl FieldChange {
    /// How grave this can be.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self {
            Self::Added { constrains: false, .. }
            | Self::Removed { preserved: true, .. }
            | Self::RequiredAdded { default: Some(_), .. }
            | Self::RequiredStated
            | Self::RequiredRemoved
            | Self::ItemsRemoved { preserved: true, .. }
            | Self::ValuesAdded { constrains: false, .. }
            | Self::ValuesRemoved { preserved: true, .. }
            | Self::PreserveAdded
            | Self::EmbeddedRemoved { preserved: true } => Effect::Safe,
            Self::Added { .. }
            | Self::Removed { .. }
            | Self::RequiredAdded { .. }
            | Self::ItemsAdded { .. }
            | Self::ItemsRemoved { .. }
            | Self::ValuesAdded { .. }
            | Self::ValuesRemoved { .. }
            | Self::PreserveRemoved
            | Self::EmbeddedAdded
            | Self::EmbeddedRemoved { .. } => Effect::Breaking,
        }
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { constrains: false, .. } => f.write_str("field added"),
            Self::Added { .. } => f.write_str("field added to the schema; objects may already hold it"),
            Self::Removed { preserved: false, .. } => f.write_str("field removed"),
            Self::Removed { .. } => f.write_str("field removed from the schema; objects keep it"),
            Self::RequiredAdded { default: Some(value), .. } => {
                write!(f, "now required, with the default {}", format_value(value))
            }
            Self::RequiredAdded { new_field: true, .. } => f.write_str("now required, and the field is new"),
            Self::RequiredAdded { .. } => f.write_str("now required"),
            Self::RequiredStated => f.write_str("now required, as it is in every object"),
            Self::RequiredRemoved => f.write_str("no longer required"),
            Self::ItemsAdded { .. } => f.write_str("list items now have a schema"),
            Self::ItemsRemoved { .. } => f.write_str("list items no longer have a schema"),
            Self::ValuesAdded { .. } => f.write_str("map values now have a schema"),
            Self::ValuesRemoved { .. } => f.write_str("map values no longer have a schema"),
            Self::PreserveAdded => f.write_str("unknown fields are now preserved"),
            Self::PreserveRemoved => f.write_str("unknown fields are now pruned"),
            Self::EmbeddedAdded => f.write_str("now an embedded resource"),
            Self::EmbeddedRemoved { .. } => f.write_str("no longer an embedded resource"),
        }
    }
}

/// The keywords that this file speaks for, besides those that hold schemas.
pub(super) const KEYWORDS: [&str; 3] =
    ["required", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"];

pub(super) fn compare(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    compare_preservation(pair, collector);
    compare_required(pair, collector);
    compare_properties(pair, collector);
    compare_items(pair, collector);
    compare_map_values(pair, collector);
}

/// Whether objects keep what this position no longer names.
fn is_preserved(pair: &PositionPair<'_>) -> bool {
    pair.context.value_validation_only || pair.new_preserves_unknown()
}

fn compare_preservation(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    let both = |key: &str| (pair.old_keyword(key).is_some(), pair.new_keyword(key).is_some());
    match both("x-kubernetes-preserve-unknown-fields") {
        (false, true) => collector.add(pair, FieldChange::PreserveAdded),
        (true, false) => collector.add(pair, FieldChange::PreserveRemoved),
        _ => {}
    }
    match both("x-kubernetes-embedded-resource") {
        (false, true) => collector.add(pair, FieldChange::EmbeddedAdded),
        (true, false) => collector.add(pair, FieldChange::EmbeddedRemoved { preserved: is_preserved(pair) }),
        _ => {}
    }
}

/// A required field below something that is new itself is never met here: the walk stops at what is new, so an
/// optional new parent hides it, as it should (openshift/crd-schema-checker, `NoNewRequiredFields`).
fn compare_required(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    let names = |schema: &'_ Value| -> BTreeSet<String> {
        let all = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (old, new) = (names(pair.old), names(pair.new));
    for name in new.difference(&old) {
        let default = pair.new.pointer("/properties").and_then(|all| all.get(name)?.get("default")).cloned();
        let new_field = pair.old.pointer("/properties").is_none_or(|all| all.get(name).is_none());
        let change = if is_always_present(pair, name) {
            FieldChange::RequiredStated
        } else {
            FieldChange::RequiredAdded { default, new_field }
        };
        collector.add_at(pair.path.field(name), change);
    }
    for name in old.difference(&new) {
        // A field that went away whole says so itself.
        if pair.new.pointer("/properties").is_some_and(|all| all.get(name).is_some()) || !has_property(pair.old, name) {
            collector.add_at(pair.path.field(name), FieldChange::RequiredRemoved);
        }
    }
}

/// Whether every object that the API server takes has the field: the type and the metadata of the resource itself, and the type of
/// an embedded one (apiextensions-apiserver `pkg/apiserver/schema/objectmeta/validation.go`).
fn is_always_present(pair: &PositionPair<'_>, name: &str) -> bool {
    let is_type = matches!(name, "apiVersion" | "kind");
    let is_root = pair.path.segments().iter().all(|segment| matches!(segment, Segment::AllOf(_)));
    let is_embedded = |keyword: Option<&Value>| keyword.is_some_and(|embedded| embedded == true);
    let key = "x-kubernetes-embedded-resource";
    (is_root && (is_type || name == "metadata"))
        || (is_type && is_embedded(pair.old_keyword(key)) && is_embedded(pair.new_keyword(key)))
}

fn has_property(schema: &Value, name: &str) -> bool {
    schema.get("properties").is_some_and(|all| all.get(name).is_some())
}

fn compare_properties(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    let none = Map::new();
    let old = pair.old_keyword("properties").and_then(Value::as_object).unwrap_or(&none);
    let new = pair.new_keyword("properties").and_then(Value::as_object).unwrap_or(&none);
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) => walk(&pair.child(Segment::Property(name.clone()), before, after), collector),
            (None, Some(after)) => {
                let constrains = pair.context.value_validation_only || pair.old_preserves_unknown();
                let change = FieldChange::Added { new: after.clone(), constrains };
                collector.add_at(pair.path.field(name), change);
            }
            (Some(before), None) => {
                collector.add_at(
                    pair.path.field(name),
                    FieldChange::Removed { old: before.clone(), preserved: is_preserved(pair) },
                );
            }
            (None, None) => {}
        }
    }
}

fn compare_items(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    match (pair.old_keyword("items"), pair.new_keyword("items")) {
        (Some(old), Some(new)) => walk(&pair.child(Segment::Items, old, new), collector),
        (None, Some(new)) => collector.add(pair, FieldChange::ItemsAdded { new: new.clone() }),
        (Some(old), None) => {
            collector.add(pair, FieldChange::ItemsRemoved { old: old.clone(), preserved: is_preserved(pair) });
        }
        (None, None) => {}
    }
}

fn compare_map_values(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    match (pair.old_keyword("additionalProperties"), pair.new_keyword("additionalProperties")) {
        (Some(old), Some(new)) if old.is_object() && new.is_object() => {
            walk(&pair.child(Segment::Values, old, new), collector);
        }
        (Some(old), Some(new)) if old != new => {
            collector.add(pair, FieldChange::ValuesRemoved { old: old.clone(), preserved: is_preserved(pair) });
            collector.add(pair, FieldChange::ValuesAdded { new: new.clone(), constrains: true });
        }
        (None, Some(new)) => {
            let constrains = pair.context.value_validation_only
                || pair.old_preserves_unknown()
                || pair.old_keyword("properties").is_some();
            collector.add(pair, FieldChange::ValuesAdded { new: new.clone(), constrains });
        }
        (Some(old), None) => {
            collector.add(pair, FieldChange::ValuesRemoved { old: old.clone(), preserved: is_preserved(pair) });
        }
        _ => {}
    }
}
