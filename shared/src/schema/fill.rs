//! Defaults (apiextensions-apiserver `pkg/apiserver/schema/defaulting/algorithm.go`).

use serde_json::{Map, Value};

use super::node::Node;
use super::place::{Place, Step};

/// Fills in the defaults; the paths of fields that gained one go into `defaulted`, each told once, at its top.
pub(super) fn fill(value: &mut Value, node: &Node, place: &Place<'_>, defaulted: &mut Vec<String>) {
    fill_told(value, node, place, &mut Some(defaulted));
}

type Told<'a> = Option<&'a mut Vec<String>>;

fn fill_told(value: &mut Value, node: &Node, place: &Place<'_>, told: &mut Told<'_>) {
    match value {
        Value::Object(fields) => {
            let mut gained = missing(fields, node);
            for name in &gained {
                tell(told, &place.then(Step::Field(name)));
            }
            for (name, value) in fields.iter_mut() {
                let Some((below, named)) = node.below(name) else { continue };
                let here = place.then(Step::Field(name));
                if !named && value.is_null() && !below.nullable {
                    *value = below.default.clone().unwrap_or(Value::Null);
                    tell_if(told, &here, below.default.is_some());
                }
                // What stands inside of a default that was just filled in is part of it.
                let inside = gained.iter().position(|gained| *gained == name).map(|at| gained.swap_remove(at));
                if inside.is_some() {
                    fill_told(value, below, &here, &mut None);
                } else {
                    fill_told(value, below, &here, told);
                }
            }
        }
        Value::Array(items) => {
            let Some(below) = node.items.as_deref() else { return };
            for (at, item) in items.iter_mut().enumerate() {
                let here = place.then(Step::Index(at));
                if item.is_null() && !below.nullable {
                    *item = below.default.clone().unwrap_or(Value::Null);
                    tell_if(told, &here, below.default.is_some());
                }
                fill_told(item, below, &here, told);
            }
        }
        _ => {}
    }
}

/// Puts in the defaults of fields that are absent, or null where null may not stand.
fn missing<'a>(fields: &mut Map<String, Value>, node: &'a Node) -> Vec<&'a str> {
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

fn tell(told: &mut Told<'_>, place: &Place<'_>) {
    tell_if(told, place, true);
}

fn tell_if(told: &mut Told<'_>, place: &Place<'_>, really: bool) {
    if let Some(paths) = told.as_mut().filter(|_| really) {
        paths.push(place.dotted());
    }
}
