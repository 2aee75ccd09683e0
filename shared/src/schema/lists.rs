//! Duplicates in lists that are sets or maps (apiextensions-apiserver `pkg/apiserver/schema/listtype/validation.go`).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::node::{ListType, Node};
use super::place::{Place, Step};
use super::said::{ErrorKind, SchemaError, printed};

/// Looks at every list below.
pub(super) fn duplicates(value: &Value, node: &Node, place: &Place<'_>, errors: &mut Vec<SchemaError>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let Some((below, named)) = node.below(name) else { continue };
                let step = if named { Step::Field(name) } else { Step::Key(name) };
                duplicates(value, below, &place.then(step), errors);
            }
        }
        Value::Array(items) => {
            match &node.list_type {
                ListType::Atomic => {}
                ListType::Set => set(items, place, errors),
                ListType::Map(keys) => map(items, keys, place, errors),
            }
            let Some(below) = node.items.as_deref() else { return };
            for (at, item) in items.iter().enumerate() {
                duplicates(item, below, &place.then(Step::Index(at)), errors);
            }
        }
        _ => {}
    }
}

/// The second of each that is there more than once. `1` and `1.0` are two values, as they are to the server.
fn repeated<'a>(items: impl Iterator<Item = &'a Value>) -> Vec<usize> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut again = Vec::new();
    for (at, item) in items.enumerate() {
        let times = seen.entry(item.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            again.push(at);
        }
    }
    again
}

fn set(items: &[Value], place: &Place<'_>, errors: &mut Vec<SchemaError>) {
    for at in repeated(items.iter()) {
        let path = place.then(Step::Index(at)).to_string();
        errors.push(SchemaError::new(path, ErrorKind::Duplicate, Some(printed(&items[at])), ""));
    }
}

fn map(items: &[Value], keys: &[String], place: &Place<'_>, errors: &mut Vec<SchemaError>) {
    let stranger = items.iter().position(|item| !item.is_null() && !item.is_object());
    if let Some(at) = stranger {
        let path = place.then(Step::Index(at)).to_string();
        let words = "must be an object for an array of list-type map";
        errors.push(SchemaError::new(path, ErrorKind::Invalid, Some(printed(&items[at])), words));
        return;
    }
    let told: Vec<Value> = items.iter().map(|item| keys_of(item, keys)).collect();
    for at in repeated(told.iter()) {
        let path = place.then(Step::Index(at)).to_string();
        errors.push(SchemaError::shown(path, ErrorKind::Duplicate, printed(&told[at]), ""));
    }
}

fn keys_of(item: &Value, keys: &[String]) -> Value {
    let mut told = Map::new();
    for key in keys {
        if let Some(value) = item.get(key) {
            told.insert(key.clone(), value.clone());
        }
    }
    json!(told)
}
