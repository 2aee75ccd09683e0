//! Fields that no schema names are dropped, and nulls that may not stand
//! (apiextensions-apiserver `pkg/apiserver/schema/pruning`, `schema/defaulting/prunenulls.go`).

use serde_json::{Map, Value};

use super::node::{Extra, Node};
use super::place::{Place, Step};

/// What every resource has, and an embedded one too.
const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops the unknown fields of a whole resource; their paths go into `pruned`.
pub(super) fn prune_resource(object: &mut Value, node: &Node, pruned: &mut Vec<String>) {
    let mut walk = Walk { pruned };
    if node.preserve {
        walk.skip(object, node, true, &Place::ROOT);
    } else if let Value::Object(fields) = object {
        walk.fields(fields, node, true, &Place::ROOT);
    }
}

/// Drops the unknown fields of a default, which is the value of one place.
pub(super) fn prune_default(value: &mut Value, node: &Node, pruned: &mut Vec<String>) {
    Walk { pruned }.value(value, Some(node), &Place::ROOT);
}

struct Walk<'a> {
    pruned: &'a mut Vec<String>,
}

impl Walk<'_> {
    fn value(&mut self, value: &mut Value, node: Option<&Node>, place: &Place<'_>) {
        match (value, node) {
            (value, Some(node)) if node.preserve => self.skip(value, node, node.embedded, place),
            (Value::Object(fields), Some(node)) => self.fields(fields, node, node.embedded, place),
            (Value::Object(fields), None) => {
                self.pruned.extend(fields.keys().map(|name| place.then(Step::Field(name)).dotted()));
                fields.clear();
            }
            (Value::Array(items), node) => {
                let below = node.and_then(|node| node.items.as_deref());
                for (at, item) in items.iter_mut().enumerate() {
                    self.value(item, below, &place.then(Step::Index(at)));
                }
            }
            _ => {}
        }
    }

    fn fields(&mut self, fields: &mut Map<String, Value>, node: &Node, embedded: bool, place: &Place<'_>) {
        fields.retain(|name, value| {
            if embedded && META.contains(&name.as_str()) {
                return true;
            }
            let here = place.then(Step::Field(name));
            if let Some(property) = node.properties.get(name) {
                self.value(value, Some(&property.node), &here);
            } else if matches!(node.extra, Extra::Unsaid) {
                self.pruned.push(here.dotted());
                return false;
            } else {
                self.value(value, node.extra_schema(), &here);
            }
            true
        });
    }

    /// Below `x-kubernetes-preserve-unknown-fields` only what the schema names is pruned again.
    fn skip(&mut self, value: &mut Value, node: &Node, embedded: bool, place: &Place<'_>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    if embedded && META.contains(&name.as_str()) {
                        continue;
                    }
                    let here = place.then(Step::Field(name));
                    if let Some(property) = node.properties.get(name) {
                        self.value(value, Some(&property.node), &here);
                    } else if !matches!(node.extra, Extra::Unsaid) {
                        self.value(value, node.extra_schema(), &here);
                    }
                }
            }
            Value::Array(items) => {
                let Some(below) = node.items.as_deref() else { return };
                for (at, item) in items.iter_mut().enumerate() {
                    self.skip(item, below, below.embedded, &place.then(Step::Index(at)));
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
            let below = node.and_then(|node| node.below(name)).map(|(below, _)| below);
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
