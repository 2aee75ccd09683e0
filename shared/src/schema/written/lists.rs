//! How lists and maps say that they are merged.

use serde_json::Value;

use super::{flag, list, text, unsupported};
use crate::model::refusal::Refusal;

fn is_set(value: &Value) -> bool {
    !value.is_null()
}

/// Refusals of `x-kubernetes-map-type`, `x-kubernetes-list-type` and `x-kubernetes-list-map-keys` at one place.
pub(super) fn refused(schema: &Value, path: &str, atomic_sets: bool, all: &mut Vec<Refusal>) {
    let kind = text(schema, "type");
    let mut say = |key: &str, words: String| all.push(Refusal::new(format!("{path}.{key}"), words));
    let must_be = |wanted: &str, key: &str| match kind {
        "" => format!("Required value: must be {wanted} if {key} is specified"),
        other => format!("Invalid value: {other:?}: must be {wanted} if {key} is specified"),
    };
    let (map, own) = (&schema["x-kubernetes-map-type"], &schema["x-kubernetes-list-type"]);
    if is_set(map) && kind != "object" {
        say("type", must_be("object", "x-kubernetes-map-type"));
    }
    if is_set(map) && map != "atomic" && map != "granular" {
        let words = unsupported(map.as_str().unwrap_or_default(), &["atomic", "granular"]);
        say("x-kubernetes-map-type", words);
    }
    if is_set(own) && kind != "array" {
        say("type", must_be("array", "x-kubernetes-list-type"));
    } else if let Some(key) = is_loose_set(schema).filter(|_| atomic_sets) {
        let words = "Invalid value: must be atomic as item of a list with x-kubernetes-list-type=set";
        say(&format!("items.{key}"), words.to_owned());
    }
    if is_set(own) && own != "atomic" && own != "set" && own != "map" {
        let words = unsupported(own.as_str().unwrap_or_default(), &["atomic", "set", "map"]);
        say("x-kubernetes-list-type", words);
    }
    if list(&schema["x-kubernetes-list-map-keys"]).count() > 0 && own != "map" {
        let words = "must be map if x-kubernetes-list-map-keys is non-empty";
        let words = match own.as_str() {
            None => format!("Required value: {words}"),
            Some(other) => format!("Invalid value: {other:?}: {words}"),
        };
        say("x-kubernetes-list-type", words);
    }
    if own == "map" {
        of_map(schema, path, all);
    }
}

/// A list that is a set of what is not atomic: the keyword of its items that is wrong.
pub(super) fn is_loose_set(schema: &Value) -> Option<&'static str> {
    if schema["x-kubernetes-list-type"] != "set" || !schema["items"].is_object() {
        return None;
    }
    let items = &schema["items"];
    match text(items, "type") {
        "array" => {
            let own = &items["x-kubernetes-list-type"];
            (is_set(own) && own != "atomic").then_some("x-kubernetes-list-type")
        }
        "object" => (items["x-kubernetes-map-type"] != "atomic").then_some("x-kubernetes-map-type"),
        _ => None,
    }
}

fn of_map(schema: &Value, path: &str, all: &mut Vec<Refusal>) {
    let mut say = |key: &str, words: String| all.push(Refusal::new(format!("{path}.{key}"), words));
    let keys: Vec<&str> = list(&schema["x-kubernetes-list-map-keys"]).filter_map(Value::as_str).collect();
    if keys.is_empty() {
        let words = "Required value: must not be empty if x-kubernetes-list-type is map";
        say("x-kubernetes-list-map-keys", words.to_owned());
    }
    let items = &schema["items"];
    if items.is_null() {
        say("items", "Required value: must have a schema if x-kubernetes-list-type is map".to_owned());
    } else if !items.is_object() {
        say("items", "Invalid value: must only have a single schema if x-kubernetes-list-type is map".to_owned());
    } else if text(items, "type") != "object" {
        let kind = text(items, "type");
        let words = format!("Invalid value: {kind:?}: must be object if parent array's x-kubernetes-list-type is map");
        say("items.type", words);
    } else {
        let shown = serde_json::to_string(&keys).unwrap_or_default();
        for (at, key) in keys.iter().enumerate() {
            match items["properties"].get(*key) {
                Some(field) if matches!(text(field, "type"), "array" | "object") => {
                    let words = "Invalid value: \"object\": must be a scalar type if parent array's \
                                 x-kubernetes-list-type is map";
                    say(&format!("items.properties[{key}].type"), words.to_owned());
                }
                Some(_) => {}
                None => {
                    let words = format!("Invalid value: {shown}: entries must all be names of item properties");
                    say("x-kubernetes-list-map-keys", words);
                }
            }
            if keys[..at].contains(key) {
                let words = format!("Invalid value: {shown}: must not contain duplicate entries");
                say("x-kubernetes-list-map-keys", words);
            }
        }
    }
}

/// Keys that may be absent or null, and items that may be null.
pub(super) fn keys(path: &str, schema: &Value) -> Vec<Refusal> {
    let (own, items) = (text(schema, "x-kubernetes-list-type"), &schema["items"]);
    let mut all = Vec::new();
    if !items.is_object() || !matches!(own, "set" | "map") {
        return all;
    }
    if flag(items, "nullable") {
        let words = format!("Forbidden: cannot be nullable when x-kubernetes-list-type is {own}");
        all.push(Refusal::new(format!("{path}.items.nullable"), words));
    }
    let keys = list(&schema["x-kubernetes-list-map-keys"]).filter_map(Value::as_str).filter(|_| own == "map");
    for key in keys {
        let Some(field) = items["properties"].get(key) else { continue };
        let place = format!("{path}.items.properties[{key}]");
        let required = list(&items["required"]).any(|name| name == key);
        if !required && field["default"].is_null() {
            let words = "Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a \
                         required property";
            all.push(Refusal::new(format!("{place}.default"), words));
        }
        if flag(field, "nullable") {
            let words = "Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            all.push(Refusal::new(format!("{place}.nullable"), words));
        }
    }
    all
}
