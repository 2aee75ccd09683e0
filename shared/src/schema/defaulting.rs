//! Defaults (apiextensions-apiserver `pkg/apiserver/schema/defaulting/algorithm.go`).

use serde_json::{Map, Value};

use super::node::Node;
use super::object_path::{ObjectPath, PathPart};

/// Fills in the defaults; the paths of fields that gained one go into `defaulted`, each once, at its top.
pub(super) fn apply_defaults(value: &mut Value, node: &Node, place: &ObjectPath<'_>, defaulted: &mut Vec<String>) {
    apply_defaults_below(value, node, place, &mut Some(defaulted));
}

type DefaultedPaths<'a> = Option<&'a mut Vec<String>>;

fn apply_defaults_below(value: &mut Value, node: &Node, place: &ObjectPath<'_>, defaulted: &mut DefaultedPaths<'_>) {
    match value {
        Value::Object(fields) => {
            let mut gained = insert_missing(fields, node);
            for name in &gained {
                record_path(defaulted, &place.child(PathPart::Field(name)));
            }
            for (name, value) in fields.iter_mut() {
                let Some((below, named)) = node.child(name) else { continue };
                let here = place.child(PathPart::Field(name));
                if !named && value.is_null() && !below.nullable {
                    *value = below.default.clone().unwrap_or(Value::Null);
                    record_path_if(defaulted, &here, below.default.is_some());
                }
                // What stands inside of a default that was just filled in is part of it.
                let inside = gained.iter().position(|gained| *gained == name).map(|at| gained.swap_remove(at));
                if inside.is_some() {
                    apply_defaults_below(value, below, &here, &mut None);
                } else {
                    apply_defaults_below(value, below, &here, defaulted);
                }
            }
        }
        Value::Array(items) => {
            let Some(below) = node.items.as_deref() else { return };
            for (at, item) in items.iter_mut().enumerate() {
                let here = place.child(PathPart::Index(at));
                if item.is_null() && !below.nullable {
                    *item = below.default.clone().unwrap_or(Value::Null);
                    record_path_if(defaulted, &here, below.default.is_some());
                }
                apply_defaults_below(item, below, &here, defaulted);
            }
        }
        _ => {}
    }
}

/// Puts in the defaults of fields that are absent, or null where null may not stand.
fn insert_missing<'a>(fields: &mut Map<String, Value>, node: &'a Node) -> Vec<&'a str> {
    let mut gained = Vec::new();
    for (name, property) in &node.properties {
        let Some(default) = &property.node.default else { continue };
        let lacks = fields.get(name).is_none_or(|value| value.is_null() && !property.node.nullable);
        if lacks {
            fields.insert(name.clone(), default.clone());
            gained.push(name.as_str());
        }
    }
    gained
}

fn record_path(defaulted: &mut DefaultedPaths<'_>, place: &ObjectPath<'_>) {
    record_path_if(defaulted, place, true);
}

fn record_path_if(defaulted: &mut DefaultedPaths<'_>, place: &ObjectPath<'_>, was_defaulted: bool) {
    if let Some(paths) = defaulted.as_mut().filter(|_| was_defaulted) {
        paths.push(place.to_dotted());
    }
}
