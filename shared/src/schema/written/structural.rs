//! Structural schemas (apiextensions-apiserver `pkg/apiserver/schema/validation.go`, `complete.go`).

use serde_json::{Value, json};

use super::{any, flag, list, text};
use crate::model::refusal::Refusal;
use crate::schema::re2;

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Whether a schema is structural.
pub(super) fn is(schema: &Value) -> bool {
    unreadable(schema).is_none() && refused(schema, "").is_empty()
}

/// What the server does not read at all.
pub(super) fn unreadable(schema: &Value) -> Option<String> {
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
    let unsupported = keys.iter().find(|(key, _)| any(schema, &|here| set(here, key)));
    let unsupported = unsupported.map(|(_, name)| format!("OpenAPIV3Schema '{name}' is not supported"));
    let listed = || any(schema, &|here| here["items"].is_array());
    let listed = || listed().then(|| "OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    let unset = || any(schema, &|here| here["x-kubernetes-preserve-unknown-fields"] == false);
    let words = "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
    unsupported.or_else(listed).or_else(|| unset().then(|| words.to_owned()))
}

/// What keeps it from being structural.
pub(super) fn refused(schema: &Value, path: &str) -> Vec<Refusal> {
    let mut all = Vec::new();
    invariants(schema, Level::Root, path, &mut all);
    complete_branches(schema, Some(schema), path, path, &mut all);
    all.sort();
    all
}

fn say(all: &mut Vec<Refusal>, path: &str, key: &str, words: impl Into<String>) {
    all.push(Refusal::new(format!("{path}.{key}"), words));
}

fn fields(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn invariants(schema: &Value, level: Level, path: &str, all: &mut Vec<Refusal>) {
    if text(schema, "type") == "array" && !schema["items"].is_object() {
        say(all, path, "items", "Required value: must be specified");
    }
    if schema["items"].is_object() {
        invariants(&schema["items"], Level::Item, &format!("{path}.items"), all);
    }
    for (name, below) in fields(schema) {
        invariants(below, Level::Field, &format!("{path}.properties[{name}]"), all);
    }
    let extra = &schema["additionalProperties"];
    if !extra.is_null() && level == Level::Root {
        say(all, path, "additionalProperties", "Forbidden: must not be used at the root");
    }
    if extra.is_object() {
        invariants(extra, Level::Field, &format!("{path}.additionalProperties"), all);
    }
    extensions(schema, path, all);
    let either = json!([{"type": "integer"}, {"type": "string"}]);
    value(schema, schema["anyOf"] == either, schema["allOf"][0]["anyOf"] == either, path, all);
    of_type(schema, level, path, all);
    metadata(schema, level, path, all);
}

fn extensions(schema: &Value, path: &str, all: &mut Vec<Refusal>) {
    if !flag(schema, "x-kubernetes-int-or-string") {
        return;
    }
    for key in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if flag(schema, key) {
            say(all, path, key, "Invalid value: true: must be false if x-kubernetes-int-or-string is true");
        }
    }
}

fn of_type(schema: &Value, level: Level, path: &str, all: &mut Vec<Refusal>) {
    let kind = text(schema, "type");
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    let may_lack = flag(schema, "x-kubernetes-int-or-string") || flag(schema, "x-kubernetes-preserve-unknown-fields");
    if embedded && kind != "object" {
        let words = "must be object if x-kubernetes-embedded-resource is true";
        let words = if kind.is_empty() {
            format!("Required value: {words}")
        } else {
            format!("Invalid value: {kind:?}: {words}")
        };
        say(all, path, "type", words);
    } else if kind.is_empty() && !may_lack {
        let place = match level {
            Level::Root => "at the root",
            Level::Item => "for specified array items",
            Level::Field => "for specified object fields",
        };
        say(all, path, "type", format!("Required value: must not be empty {place}"));
    }
    if embedded && !schema["additionalProperties"].is_null() {
        let words = "Forbidden: must not be used if x-kubernetes-embedded-resource is set";
        say(all, path, "additionalProperties", words);
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        say(all, path, "type", format!("Invalid value: {kind:?}: must be object at the root"));
    }
    if embedded && !flag(schema, "x-kubernetes-preserve-unknown-fields") && fields(schema).count() == 0 {
        let words = "Required value: must not be empty if x-kubernetes-embedded-resource is true without \
                     x-kubernetes-preserve-unknown-fields";
        say(all, path, "properties", words);
    }
}

/// `kind`, `apiVersion` and `metadata` of the resource and of embedded ones.
fn metadata(schema: &Value, level: Level, path: &str, all: &mut Vec<Refusal>) {
    let own = level == Level::Root || flag(schema, "x-kubernetes-embedded-resource");
    let of = |name: &str| schema["properties"].get(name).filter(|_| own);
    let mistyped = |name: &str, wanted: &str, all: &mut Vec<Refusal>| {
        if let Some(kind) = of(name).map(|field| text(field, "type")).filter(|kind| *kind != wanted) {
            say(
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
        let names = || fields(metadata).map(|(name, _)| name.as_str());
        let only_names = names().all(|name| matches!(name, "name" | "generateName"));
        let says = |key: &str| !matches!(key, "type" | "default" | "properties") && !is_zero(&metadata[key]);
        !only_names || metadata.as_object().is_some_and(|all| all.keys().any(|key| says(key)))
    };
    if level == Level::Root && of("metadata").is_some_and(restricted) {
        let words = "Forbidden: must not specify anything other than name and generateName, but metadata is implicitly \
                     specified";
        all.push(Refusal::new(format!("{path}.properties[metadata]"), words));
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
fn value(schema: &Value, skip_any: bool, skip_first: bool, path: &str, all: &mut Vec<Refusal>) {
    for (key, skip) in [("anyOf", skip_any), ("allOf", false), ("oneOf", false)] {
        for (at, branch) in list(&schema[key]).enumerate().filter(|_| !skip) {
            let either = key == "allOf" && at == 0 && skip_first;
            nested(branch, either, &format!("{path}.{key}[{at}]"), all);
        }
    }
    if schema["not"].is_object() {
        nested(&schema["not"], false, &format!("{path}.not"), all);
    }
    let pattern = text(schema, "pattern");
    if let Err(why) = re2::readable(pattern) {
        let words = format!("Invalid value: {pattern:?}: must be a valid regular expression, but isn't: {why}");
        say(all, path, "pattern", words);
    }
}

fn nested(branch: &Value, skip_any: bool, path: &str, all: &mut Vec<Refusal>) {
    value(branch, skip_any, false, path, all);
    if branch["items"].is_object() {
        nested(&branch["items"], false, &format!("{path}.items"), all);
    }
    for (name, below) in fields(branch) {
        nested(below, false, &format!("{path}.properties[{name}]"), all);
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
            say(all, path, key, format!("Forbidden: {words}"));
        }
    }
    if branch["properties"].get("metadata").is_some() {
        say(all, path, "properties[metadata]", "Forbidden: must not be specified in a nested context");
    }
}

/// What a branch judges must be specified outside of the branches.
fn complete_branches(branch: &Value, main: Option<&Value>, path: &str, at: &str, all: &mut Vec<Refusal>) {
    if branch["not"].is_object() {
        complete(&branch["not"], main, path, &format!("{at}.not"), all);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (number, inner) in list(&branch[key]).enumerate() {
            complete(inner, main, path, &format!("{at}.{key}[{number}]"), all);
        }
    }
}

fn complete(branch: &Value, main: Option<&Value>, path: &str, at: &str, all: &mut Vec<Refusal>) {
    let Some(main) = main else {
        all.push(Refusal::new(path, format!("Required value: because it is defined in {at}")));
        return;
    };
    complete_branches(branch, Some(main), path, at, all);
    if branch["items"].is_object() {
        let items = main.get("items").filter(|items| items.is_object());
        complete(&branch["items"], items, &format!("{path}.items"), &format!("{at}.items"), all);
    }
    for (name, below) in fields(branch) {
        let inner = main["properties"].get(name);
        complete(below, inner, &format!("{path}.properties[{name}]"), &format!("{at}.properties[{name}]"), all);
    }
}
