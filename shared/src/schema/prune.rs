//! Fields that no schema names are dropped, and nulls that may not stand
//! (apiextensions-apiserver `pkg/apiserver/schema/pruning`, `schema/defaulting/prunenulls.go`).

use serde_json::{Map, Value};

use super::node::{AdditionalProperties, Node};
use super::object_path::{ObjectPath, PathPart};

/// What every resource has, and an embedded one too.
const RESOURCE_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops the unknown fields of a whole resource; their paths go into `pruned`.
pub(super) fn prune_resource(object: &mut Value, node: &Node, pruned: &mut Vec<String>) {
    let mut pruner = Pruner { pruned };
    if node.preserves_unknown_fields {
        pruner.prune_below_preserved(object, node, true, &ObjectPath::ROOT);
    } else if let Value::Object(fields) = object {
        pruner.prune_fields(fields, node, true, &ObjectPath::ROOT);
    }
}

/// Drops the unknown fields of a default, which is the value of one place.
pub(super) fn prune_default(value: &mut Value, node: &Node, pruned: &mut Vec<String>) {
    Pruner { pruned }.prune_value(value, Some(node), &ObjectPath::ROOT);
}

struct Pruner<'a> {
    pruned: &'a mut Vec<String>,
}

impl Pruner<'_> {
    fn prune_value(&mut self, value: &mut Value, node: Option<&Node>, place: &ObjectPath<'_>) {
        match (value, node) {
            (value, Some(node)) if node.preserves_unknown_fields => {
                self.prune_below_preserved(value, node, node.is_embedded_resource, place);
            }
            (Value::Object(fields), Some(node)) => self.prune_fields(fields, node, node.is_embedded_resource, place),
            (Value::Object(fields), None) => {
                self.pruned.extend(fields.keys().map(|name| place.child(PathPart::Field(name)).to_dotted()));
                fields.clear();
            }
            (Value::Array(items), node) => {
                let below = node.and_then(|node| node.items.as_deref());
                for (at, item) in items.iter_mut().enumerate() {
                    self.prune_value(item, below, &place.child(PathPart::Index(at)));
                }
            }
            _ => {}
        }
    }

    fn prune_fields(&mut self, fields: &mut Map<String, Value>, node: &Node, embedded: bool, place: &ObjectPath<'_>) {
        fields.retain(|name, value| {
            if embedded && RESOURCE_FIELDS.contains(&name.as_str()) {
                return true;
            }
            let here = place.child(PathPart::Field(name));
            if let Some(property) = node.properties.get(name) {
                self.prune_value(value, Some(&property.node), &here);
            } else if matches!(node.additional_properties, AdditionalProperties::Unset) {
                self.pruned.push(here.to_dotted());
                return false;
            } else {
                self.prune_value(value, node.additional_schema(), &here);
            }
            true
        });
    }

    /// Below `x-kubernetes-preserve-unknown-fields` only what the schema names is pruned again.
    fn prune_below_preserved(&mut self, value: &mut Value, node: &Node, embedded: bool, place: &ObjectPath<'_>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    if embedded && RESOURCE_FIELDS.contains(&name.as_str()) {
                        continue;
                    }
                    let here = place.child(PathPart::Field(name));
                    if let Some(property) = node.properties.get(name) {
                        self.prune_value(value, Some(&property.node), &here);
                    } else if !matches!(node.additional_properties, AdditionalProperties::Unset) {
                        self.prune_value(value, node.additional_schema(), &here);
                    }
                }
            }
            Value::Array(items) => {
                let Some(below) = node.items.as_deref() else { return };
                for (at, item) in items.iter_mut().enumerate() {
                    self.prune_below_preserved(
                        item,
                        below,
                        below.is_embedded_resource,
                        &place.child(PathPart::Index(at)),
                    );
                }
            }
            _ => {}
        }
    }
}

/// Drops every null that is neither nullable nor has a default. Items of lists stay.
pub(super) fn drop_nulls(value: &mut Value, node: Option<&Node>) {
    match value {
        Value::Object(fields) => fields.retain(|name, value| {
            let below = node.and_then(|node| node.child(name)).map(|(below, _)| below);
            if value.is_null() && below.is_some_and(|below| !below.nullable && below.default.is_none()) {
                return false;
            }
            drop_nulls(value, below);
            true
        }),
        Value::Array(items) => {
            let below = node.and_then(|node| node.items.as_deref());
            items.iter_mut().for_each(|item| drop_nulls(item, below));
        }
        _ => {}
    }
}

/// The paths of the nulls that [`drop_nulls`] drops.
pub(super) fn list_dropped_nulls(value: &Value, node: Option<&Node>, place: &ObjectPath<'_>, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let below = node.and_then(|node| node.child(name)).map(|(below, _)| below);
                let place = place.child(PathPart::Field(name));
                if value.is_null() && below.is_some_and(|below| !below.nullable && below.default.is_none()) {
                    into.push(place.to_dotted());
                } else {
                    list_dropped_nulls(value, below, &place, into);
                }
            }
        }
        Value::Array(items) => {
            let below = node.and_then(|node| node.items.as_deref());
            for (at, item) in items.iter().enumerate() {
                list_dropped_nulls(item, below, &place.child(PathPart::Index(at)), into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
