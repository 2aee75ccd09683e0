//! How lists and maps say that they are merged.

use serde_json::Value;

use super::{format_unsupported, get_str, is_flag_set, iter_list};
use crate::model::rejection::Rejection;

fn is_set(value: &Value) -> bool {
    !value.is_null()
}

/// Refusals of `x-kubernetes-map-type`, `x-kubernetes-list-type` and `x-kubernetes-list-map-keys` at one place.
pub(super) fn check_list_type(schema: &Value, path: &str, atomic_sets: bool, all: &mut Vec<Rejection>) {
    let kind = get_str(schema, "type");
    let mut push_rejection = |key: &str, words: String| all.push(Rejection::new(format!("{path}.{key}"), words));
    let must_be = |wanted: &str, key: &str| match kind {
        "" => format!("Required value: must be {wanted} if {key} is specified"),
        other => format!("Invalid value: {other:?}: must be {wanted} if {key} is specified"),
    };
    let (map, list_type) = (&schema["x-kubernetes-map-type"], &schema["x-kubernetes-list-type"]);
    if is_set(map) && kind != "object" {
        push_rejection("type", must_be("object", "x-kubernetes-map-type"));
    }
    if is_set(map) && map != "atomic" && map != "granular" {
        let words = format_unsupported(map.as_str().unwrap_or_default(), &["atomic", "granular"]);
        push_rejection("x-kubernetes-map-type", words);
    }
    if is_set(list_type) && kind != "array" {
        push_rejection("type", must_be("array", "x-kubernetes-list-type"));
    } else if let Some(key) = find_non_atomic_item(schema).filter(|_| atomic_sets) {
        let words = "Invalid value: must be atomic as item of a list with x-kubernetes-list-type=set";
        push_rejection(&format!("items.{key}"), words.to_owned());
    }
    if is_set(list_type) && list_type != "atomic" && list_type != "set" && list_type != "map" {
        let words = format_unsupported(list_type.as_str().unwrap_or_default(), &["atomic", "set", "map"]);
        push_rejection("x-kubernetes-list-type", words);
    }
    if iter_list(&schema["x-kubernetes-list-map-keys"]).count() > 0 && list_type != "map" {
        let words = "must be map if x-kubernetes-list-map-keys is non-empty";
        let words = match list_type.as_str() {
            None => format!("Required value: {words}"),
            Some(other) => format!("Invalid value: {other:?}: {words}"),
        };
        push_rejection("x-kubernetes-list-type", words);
    }
    if list_type == "map" {
        check_map_list(schema, path, all);
    }
}

/// A list that is a set of what is not atomic: the keyword of its items that is wrong.
pub(super) fn find_non_atomic_item(schema: &Value) -> Option<&'static str> {
    if schema["x-kubernetes-list-type"] != "set" || !schema["items"].is_object() {
        return None;
    }
    let items = &schema["items"];
    match get_str(items, "type") {
        "array" => {
            let list_type = &items["x-kubernetes-list-type"];
            (is_set(list_type) && list_type != "atomic").then_some("x-kubernetes-list-type")
        }
        "object" => (items["x-kubernetes-map-type"] != "atomic").then_some("x-kubernetes-map-type"),
        _ => None,
    }
}

fn check_map_list(schema: &Value, path: &str, all: &mut Vec<Rejection>) {
    let mut push_rejection = |key: &str, words: String| all.push(Rejection::new(format!("{path}.{key}"), words));
    let keys: Vec<&str> = iter_list(&schema["x-kubernetes-list-map-keys"]).filter_map(Value::as_str).collect();
    if keys.is_empty() {
        let words = "Required value: must not be empty if x-kubernetes-list-type is map";
        push_rejection("x-kubernetes-list-map-keys", words.to_owned());
    }
    let items = &schema["items"];
    if items.is_null() {
        push_rejection("items", "Required value: must have a schema if x-kubernetes-list-type is map".to_owned());
    } else if !items.is_object() {
        push_rejection(
            "items",
            "Invalid value: must only have a single schema if x-kubernetes-list-type is map".to_owned(),
        );
    } else if get_str(items, "type") != "object" {
        let kind = get_str(items, "type");
        let words = format!("Invalid value: {kind:?}: must be object if parent array's x-kubernetes-list-type is map");
        push_rejection("items.type", words);
    } else {
        let shown = serde_json::to_string(&keys).unwrap_or_default();
        for (at, key) in keys.iter().enumerate() {
            match items["properties"].get(*key) {
                Some(field) if matches!(get_str(field, "type"), "array" | "object") => {
                    let words = "Invalid value: \"object\": must be a scalar type if parent array's \
                                 x-kubernetes-list-type is map";
                    push_rejection(&format!("items.properties[{key}].type"), words.to_owned());
                }
                Some(_) => {}
                None => {
                    let words = format!("Invalid value: {shown}: entries must all be names of item properties");
                    push_rejection("x-kubernetes-list-map-keys", words);
                }
            }
            if keys[..at].contains(key) {
                let words = format!("Invalid value: {shown}: must not contain duplicate entries");
                push_rejection("x-kubernetes-list-map-keys", words);
            }
        }
    }
}

/// Keys that may be absent or null, and items that may be null.
pub(super) fn check_map_keys(path: &str, schema: &Value) -> Vec<Rejection> {
    let (list_type, items) = (get_str(schema, "x-kubernetes-list-type"), &schema["items"]);
    let mut all = Vec::new();
    if !items.is_object() || !matches!(list_type, "set" | "map") {
        return all;
    }
    if is_flag_set(items, "nullable") {
        let words = format!("Forbidden: cannot be nullable when x-kubernetes-list-type is {list_type}");
        all.push(Rejection::new(format!("{path}.items.nullable"), words));
    }
    let keys =
        iter_list(&schema["x-kubernetes-list-map-keys"]).filter_map(Value::as_str).filter(|_| list_type == "map");
    for key in keys {
        let Some(field) = items["properties"].get(key) else { continue };
        let place = format!("{path}.items.properties[{key}]");
        let required = iter_list(&items["required"]).any(|name| name == key);
        if !required && field["default"].is_null() {
            let words = "Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a \
                         required property";
            all.push(Rejection::new(format!("{place}.default"), words));
        }
        if is_flag_set(field, "nullable") {
            let words = "Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            all.push(Rejection::new(format!("{place}.nullable"), words));
        }
    }
    all
}
