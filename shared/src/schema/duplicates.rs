//! Duplicates in lists that are sets or maps (apiextensions-apiserver `pkg/apiserver/schema/listtype/validation.go`).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::error::{ErrorKind, SchemaError, format_go_value};
use super::node::{ListType, Node};
use super::object_path::{ObjectPath, PathPart};

/// Looks at every list below.
pub(super) fn find_duplicates(value: &Value, node: &Node, place: &ObjectPath<'_>, errors: &mut Vec<SchemaError>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let Some((below, named)) = node.child(name) else { continue };
                let step = if named { PathPart::Field(name) } else { PathPart::Key(name) };
                find_duplicates(value, below, &place.child(step), errors);
            }
        }
        Value::Array(items) => {
            match &node.list_type {
                ListType::Atomic => {}
                ListType::Set => check_set(items, place, errors),
                ListType::Map(keys) => check_map(items, keys, place, errors),
            }
            let Some(below) = node.items.as_deref() else { return };
            for (at, item) in items.iter().enumerate() {
                find_duplicates(item, below, &place.child(PathPart::Index(at)), errors);
            }
        }
        _ => {}
    }
}

/// The second of each that is there more than once. `1` and `1.0` are two values, as they are to the server.
fn find_repeated<'a>(items: impl Iterator<Item = &'a Value>) -> Vec<usize> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut repeated_indexes = Vec::new();
    for (at, item) in items.enumerate() {
        let times = counts.entry(item.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            repeated_indexes.push(at);
        }
    }
    repeated_indexes
}

fn check_set(items: &[Value], place: &ObjectPath<'_>, errors: &mut Vec<SchemaError>) {
    for at in find_repeated(items.iter()) {
        let path = place.child(PathPart::Index(at)).to_string();
        errors.push(SchemaError::new(path, ErrorKind::Duplicate, Some(format_go_value(&items[at])), ""));
    }
}

fn check_map(items: &[Value], keys: &[String], place: &ObjectPath<'_>, errors: &mut Vec<SchemaError>) {
    let non_object = items.iter().position(|item| !item.is_null() && !item.is_object());
    if let Some(at) = non_object {
        let path = place.child(PathPart::Index(at)).to_string();
        let words = "must be an object for an array of list-type map";
        errors.push(SchemaError::new(path, ErrorKind::Invalid, Some(format_go_value(&items[at])), words));
        return;
    }
    let key_values: Vec<Value> = items.iter().map(|item| select_keys(item, keys)).collect();
    for at in find_repeated(key_values.iter()) {
        let path = place.child(PathPart::Index(at)).to_string();
        errors.push(SchemaError::with_value(path, ErrorKind::Duplicate, format_go_value(&key_values[at]), ""));
    }
}

fn select_keys(item: &Value, keys: &[String]) -> Value {
    let mut selected = Map::new();
    for key in keys {
        if let Some(value) = item.get(key) {
            selected.insert(key.clone(), value.clone());
        }
    }
    json!(selected)
}
