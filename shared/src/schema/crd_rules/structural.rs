//! Structural schemas (apiextensions-apiserver `pkg/apiserver/schema/validation.go`, `complete.go`).

use serde_json::{Value, json};

use super::{get_str, has_match_within, is_flag_set, iter_list};
use crate::model::rejection::Rejection;
use crate::schema::re2;

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Whether a schema is structural.
pub(super) fn is_structural(schema: &Value) -> bool {
    find_unreadable(schema).is_none() && check_structural(schema, "").is_empty()
}

/// What the server does not read at all.
pub(super) fn find_unreadable(schema: &Value) -> Option<String> {
    let set = |here: &Value, key: &str| match &here[key] {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(all) => !all.is_empty(),
        _ => true,
    };
    let keys = [
        ("id", "id"),
        ("$schema", "schema"),
        ("$ref", "$ref"),
        ("patternProperties", "patternProperties"),
        ("dependencies", "dependencies"),
        ("additionalItems", "additionalItems"),
        ("definitions", "definitions"),
    ];
    let unsupported = keys.iter().find(|(key, _)| has_match_within(schema, &|here| set(here, key)));
    let unsupported = unsupported.map(|(_, name)| format!("OpenAPIV3Schema '{name}' is not supported"));
    let has_item_list = || has_match_within(schema, &|here| here["items"].is_array());
    let has_item_list =
        || has_item_list().then(|| "OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    let unset = || has_match_within(schema, &|here| here["x-kubernetes-preserve-unknown-fields"] == false);
    let words = "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
    unsupported.or_else(has_item_list).or_else(|| unset().then(|| words.to_owned()))
}

/// What keeps it from being structural.
pub(super) fn check_structural(schema: &Value, path: &str) -> Vec<Rejection> {
    let mut all = Vec::new();
    check_invariants(schema, Level::Root, path, &mut all);
    check_complete_branches(schema, Some(schema), path, path, &mut all);
    all.sort();
    all
}

fn push_rejection(all: &mut Vec<Rejection>, path: &str, key: &str, words: impl Into<String>) {
    all.push(Rejection::new(format!("{path}.{key}"), words));
}

fn iter_properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn check_invariants(schema: &Value, level: Level, path: &str, all: &mut Vec<Rejection>) {
    if get_str(schema, "type") == "array" && !schema["items"].is_object() {
        push_rejection(all, path, "items", "Required value: must be specified");
    }
    if schema["items"].is_object() {
        check_invariants(&schema["items"], Level::Item, &format!("{path}.items"), all);
    }
    for (name, below) in iter_properties(schema) {
        check_invariants(below, Level::Field, &format!("{path}.properties[{name}]"), all);
    }
    let extra = &schema["additionalProperties"];
    if !extra.is_null() && level == Level::Root {
        push_rejection(all, path, "additionalProperties", "Forbidden: must not be used at the root");
    }
    if extra.is_object() {
        check_invariants(extra, Level::Field, &format!("{path}.additionalProperties"), all);
    }
    check_extensions(schema, path, all);
    let either = json!([{"type": "integer"}, {"type": "string"}]);
    check_value_validations(schema, schema["anyOf"] == either, schema["allOf"][0]["anyOf"] == either, path, all);
    check_type(schema, level, path, all);
    check_metadata(schema, level, path, all);
}

fn check_extensions(schema: &Value, path: &str, all: &mut Vec<Rejection>) {
    if !is_flag_set(schema, "x-kubernetes-int-or-string") {
        return;
    }
    for key in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if is_flag_set(schema, key) {
            push_rejection(all, path, key, "Invalid value: true: must be false if x-kubernetes-int-or-string is true");
        }
    }
}

fn check_type(schema: &Value, level: Level, path: &str, all: &mut Vec<Rejection>) {
    let kind = get_str(schema, "type");
    let embedded = is_flag_set(schema, "x-kubernetes-embedded-resource");
    let may_lack = is_flag_set(schema, "x-kubernetes-int-or-string")
        || is_flag_set(schema, "x-kubernetes-preserve-unknown-fields");
    if embedded && kind != "object" {
        let words = "must be object if x-kubernetes-embedded-resource is true";
        let words = if kind.is_empty() {
            format!("Required value: {words}")
        } else {
            format!("Invalid value: {kind:?}: {words}")
        };
        push_rejection(all, path, "type", words);
    } else if kind.is_empty() && !may_lack {
        let place = match level {
            Level::Root => "at the root",
            Level::Item => "for specified array items",
            Level::Field => "for specified object fields",
        };
        push_rejection(all, path, "type", format!("Required value: must not be empty {place}"));
    }
    if embedded && !schema["additionalProperties"].is_null() {
        let words = "Forbidden: must not be used if x-kubernetes-embedded-resource is set";
        push_rejection(all, path, "additionalProperties", words);
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        push_rejection(all, path, "type", format!("Invalid value: {kind:?}: must be object at the root"));
    }
    if embedded && !is_flag_set(schema, "x-kubernetes-preserve-unknown-fields") && iter_properties(schema).count() == 0
    {
        let words = "Required value: must not be empty if x-kubernetes-embedded-resource is true without \
                     x-kubernetes-preserve-unknown-fields";
        push_rejection(all, path, "properties", words);
    }
}

/// `kind`, `apiVersion` and `metadata` of the resource and of embedded ones.
fn check_metadata(schema: &Value, level: Level, path: &str, all: &mut Vec<Rejection>) {
    let is_resource = level == Level::Root || is_flag_set(schema, "x-kubernetes-embedded-resource");
    let of = |name: &str| schema["properties"].get(name).filter(|_| is_resource);
    let mistyped = |name: &str, wanted: &str, all: &mut Vec<Rejection>| {
        if let Some(kind) = of(name).map(|field| get_str(field, "type")).filter(|kind| *kind != wanted) {
            push_rejection(
                all,
                &format!("{path}.properties[{name}]"),
                "type",
                format!("Invalid value: {kind:?}: must be {wanted}"),
            );
        }
    };
    mistyped("kind", "string", all);
    mistyped("apiVersion", "string", all);
    mistyped("metadata", "object", all);
    let restricted = |metadata: &Value| {
        let names = || iter_properties(metadata).map(|(name, _)| name.as_str());
        let only_names = names().all(|name| matches!(name, "name" | "generateName"));
        let says = |key: &str| !matches!(key, "type" | "default" | "properties") && !is_zero(&metadata[key]);
        !only_names || metadata.as_object().is_some_and(|all| all.keys().any(|key| says(key)))
    };
    if level == Level::Root && of("metadata").is_some_and(restricted) {
        let words = "Forbidden: must not specify anything other than name and generateName, but metadata is implicitly \
                     specified";
        all.push(Rejection::new(format!("{path}.properties[metadata]"), words));
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Value validations of one place, and the branches in which only such may stand.
fn check_value_validations(schema: &Value, skip_any: bool, skip_first: bool, path: &str, all: &mut Vec<Rejection>) {
    for (key, skip) in [("anyOf", skip_any), ("allOf", false), ("oneOf", false)] {
        for (at, branch) in iter_list(&schema[key]).enumerate().filter(|_| !skip) {
            let either = key == "allOf" && at == 0 && skip_first;
            check_nested(branch, either, &format!("{path}.{key}[{at}]"), all);
        }
    }
    if schema["not"].is_object() {
        check_nested(&schema["not"], false, &format!("{path}.not"), all);
    }
    let pattern = get_str(schema, "pattern");
    if let Err(why) = re2::check_readable(pattern) {
        let words = format!("Invalid value: {pattern:?}: must be a valid regular expression, but isn't: {why}");
        push_rejection(all, path, "pattern", words);
    }
}

fn check_nested(branch: &Value, skip_any: bool, path: &str, all: &mut Vec<Rejection>) {
    check_value_validations(branch, skip_any, false, path, all);
    if branch["items"].is_object() {
        check_nested(&branch["items"], false, &format!("{path}.items"), all);
    }
    for (name, below) in iter_properties(branch) {
        check_nested(below, false, &format!("{path}.properties[{name}]"), all);
    }
    let empty = "must be empty to be structural";
    let (undefined, unset) = ("must be undefined to be structural", "must be false to be structural");
    let forbidden = [
        ("type", empty),
        ("additionalProperties", undefined),
        ("default", undefined),
        ("title", empty),
        ("description", empty),
        ("nullable", unset),
        ("x-kubernetes-preserve-unknown-fields", unset),
        ("x-kubernetes-embedded-resource", unset),
        ("x-kubernetes-int-or-string", unset),
        ("x-kubernetes-list-map-keys", empty),
        ("x-kubernetes-list-type", undefined),
        ("x-kubernetes-map-type", undefined),
        ("x-kubernetes-validations", empty),
    ];
    for (key, words) in forbidden {
        let set = if key == "default" { !branch[key].is_null() } else { !is_zero(&branch[key]) };
        if set {
            push_rejection(all, path, key, format!("Forbidden: {words}"));
        }
    }
    if branch["properties"].get("metadata").is_some() {
        push_rejection(all, path, "properties[metadata]", "Forbidden: must not be specified in a nested context");
    }
}

/// What a branch judges must be specified outside of the branches.
fn check_complete_branches(branch: &Value, main: Option<&Value>, path: &str, at: &str, all: &mut Vec<Rejection>) {
    if branch["not"].is_object() {
        check_complete(&branch["not"], main, path, &format!("{at}.not"), all);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (number, inner) in iter_list(&branch[key]).enumerate() {
            check_complete(inner, main, path, &format!("{at}.{key}[{number}]"), all);
        }
    }
}

fn check_complete(branch: &Value, main: Option<&Value>, path: &str, at: &str, all: &mut Vec<Rejection>) {
    let Some(main) = main else {
        all.push(Rejection::new(path, format!("Required value: because it is defined in {at}")));
        return;
    };
    check_complete_branches(branch, Some(main), path, at, all);
    if branch["items"].is_object() {
        let items = main.get("items").filter(|items| items.is_object());
        check_complete(&branch["items"], items, &format!("{path}.items"), &format!("{at}.items"), all);
    }
    for (name, below) in iter_properties(branch) {
        let inner = main["properties"].get(name);
        check_complete(below, inner, &format!("{path}.properties[{name}]"), &format!("{at}.properties[{name}]"), all);
    }
}
