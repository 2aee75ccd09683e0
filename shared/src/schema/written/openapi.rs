//! What no schema of a CRD may hold, whether it is structural or not (`ValidateCustomResourceDefinitionOpenAPISchema`).

use serde_json::Value;

use super::{Asks, TYPES, flag, list, lists, text, unsupported};
use crate::model::refusal::Refusal;
use crate::schema::rule_uses;

/// Keywords that are not supported, by the name in the server's words.
const UNSUPPORTED: [&str; 6] = ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"];
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// What holds for everything below a place.
#[derive(Clone, Copy)]
struct Inside<'a> {
    asks: Asks,
    /// Inside of `apiVersion`, `kind` or `metadata` of a resource.
    meta: bool,
    /// Why no default may stand here.
    no_defaults: Option<&'a str>,
}

/// All refusals of a schema.
pub(super) fn refused(schema: &Value, path: &str, asks: Asks) -> Vec<Refusal> {
    let mut all = Vec::new();
    let inside = Inside { asks, meta: false, no_defaults: None };
    walk(schema, path, true, inside, &mut all);
    all
}

/// Transition rules where no older value can be found. The server asks for it where all else is right.
pub(super) fn transitions(schema: &Value, path: &str) -> Vec<Refusal> {
    let mut all = Vec::new();
    transition(schema, path, None, &mut all);
    all
}

fn transition(schema: &Value, path: &str, uncorrelated: Option<&str>, all: &mut Vec<Refusal>) {
    // Without a type the server cannot even declare the value to CEL, and refuses it with an error of its own.
    let typed = schema["type"].is_string() || schema["x-kubernetes-int-or-string"] == true;
    for (at, rule) in list(&schema["x-kubernetes-validations"]).enumerate() {
        let own = text(rule, "rule");
        let Some(uses) = rule_uses(own) else { continue };
        let place = format!("{path}.x-kubernetes-validations[{at}]");
        if let Some(around) = uncorrelated.filter(|_| uses.old_self && typed) {
            let words = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {around}");
            all.push(Refusal::new(format!("{place}.rule"), format!("Invalid value: {own:?}: {words}")));
        } else if typed && !uses.old_self && !rule["optionalOldSelf"].is_null() {
            let words =
                format!("Invalid value: {}: may not be set if oldSelf is not used in rule", rule["optionalOldSelf"]);
            all.push(Refusal::new(format!("{place}.optionalOldSelf"), words));
        }
    }
    // Fields are found again in maps of either type (`MapIsCorrelatable`).
    let of_items = uncorrelated.or((schema["x-kubernetes-list-type"] != "map").then_some(path));
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        transition(below, &format!("{path}.properties[{name}]"), uncorrelated, all);
    }
    for (key, around) in [("items", of_items), ("additionalProperties", uncorrelated)] {
        if schema[key].is_object() {
            transition(&schema[key], &format!("{path}.{key}"), around, all);
        }
    }
}

pub(super) fn is_known_type(schema: &Value) -> bool {
    let kind = text(schema, "type");
    kind.is_empty() || TYPES.contains(&kind)
}

fn walk(schema: &Value, path: &str, root: bool, inside: Inside<'_>, all: &mut Vec<Refusal>) {
    here(schema, path, inside, all);
    lists::refused(schema, path, inside.asks.atomic_sets, all);
    if inside.asks.keys {
        all.extend(lists::keys(path, schema));
    }
    rules(schema, path, all);
    let extra = &schema["additionalProperties"];
    if extra.is_object() {
        let words = "inside additionalProperties applying to object metadata";
        let below = if inside.meta { Inside { no_defaults: Some(words), ..inside } } else { inside };
        walk(extra, &format!("{path}.additionalProperties"), false, below, all);
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{path}.properties[{name}]");
        let meta = matches!(name.as_str(), "metadata" | "kind" | "apiVersion")
            && (root || flag(schema, "x-kubernetes-embedded-resource"));
        let words = format!("in top-level {name}");
        let no_defaults = if meta && root { Some(words.as_str()) } else { inside.no_defaults };
        walk(below, &place, false, Inside { meta: inside.meta || meta, no_defaults, ..inside }, all);
    }
    for key in ["not", "items"] {
        if schema[key].is_object() {
            walk(&schema[key], &format!("{path}.{key}"), false, inside, all);
        }
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for (at, branch) in list(&schema[key]).enumerate() {
            walk(branch, &format!("{path}.{key}[{at}]"), false, inside, all);
        }
    }
}

fn here(schema: &Value, path: &str, inside: Inside<'_>, all: &mut Vec<Refusal>) {
    let mut say = |key: &str, words: String| all.push(Refusal::new(format!("{path}.{key}"), words));
    let kind = text(schema, "type");
    if inside.asks.known_types && !is_known_type(schema) {
        say("type", unsupported(kind, &TYPES));
    }
    if let Some(reason) = inside.no_defaults.filter(|_| !schema["default"].is_null()) {
        say("default", format!("Forbidden: must not be set {reason}"));
    }
    for key in UNSUPPORTED.into_iter().filter(|key| is_set(schema, key)) {
        say(key, format!("Forbidden: {key} is not supported"));
    }
    if kind == "null" {
        say("type", "Forbidden: type cannot be set to null, use nullable as an alternative".to_owned());
    }
    if schema["items"].is_array() {
        say("items", "Forbidden: items must be a schema object and not an array".to_owned());
    }
    if inside.meta && flag(schema, "x-kubernetes-embedded-resource") {
        say("x-kubernetes-embedded-resource", "Forbidden: must not be used inside of resource meta".to_owned());
    }
    if flag(schema, "uniqueItems") {
        let words = "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        say("uniqueItems", words.to_owned());
    }
    let extra = &schema["additionalProperties"];
    let has_fields = schema["properties"].as_object().is_some_and(|fields| !fields.is_empty());
    if has_fields && (extra.is_object() || *extra == false) {
        let words = "Forbidden: additionalProperties and properties are mutual exclusive";
        say("additionalProperties", words.to_owned());
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let words = "Invalid value: false: must be true or undefined";
        say("x-kubernetes-preserve-unknown-fields", words.to_owned());
    }
}

fn is_set(schema: &Value, key: &str) -> bool {
    match &schema[key] {
        Value::Null => false,
        Value::String(text) => !text.is_empty() || key == "$ref",
        Value::Object(entries) => !entries.is_empty() || key == "dependencies",
        _ => true,
    }
}

/// What stands around a rule; the rule itself is another matter.
fn rules(schema: &Value, path: &str, all: &mut Vec<Refusal>) {
    for (at, rule) in list(&schema["x-kubernetes-validations"]).enumerate() {
        let mut say = |key: &str, words: String| {
            all.push(Refusal::new(format!("{path}.x-kubernetes-validations[{at}].{key}"), words));
        };
        let (own, message, place) = (text(rule, "rule"), text(rule, "message"), text(rule, "fieldPath"));
        let broken = |text: &str| text.contains(['\n', '\r']);
        if own.trim().is_empty() {
            say("rule", "Required value: rule is not specified".to_owned());
        } else if !message.is_empty() && message.trim().is_empty() {
            say("message", format!("Invalid value: {message:?}: must be non-empty if specified"));
        } else if broken(message.trim()) {
            say("message", format!("Invalid value: {message:?}: must not contain line breaks"));
        } else if broken(own.trim()) && message.trim().is_empty() {
            let words = "Required value: message must be specified if rule contains line breaks";
            say("message", words.to_owned());
        }
        let expression = text(rule, "messageExpression");
        if !expression.is_empty() && expression.trim().is_empty() {
            let words = "Required value: messageExpression must be non-empty if specified";
            say("messageExpression", words.to_owned());
        }
        if let Some(reason) = rule["reason"].as_str().filter(|reason| !REASONS.contains(reason)) {
            say("reason", unsupported(reason, &REASONS));
        }
        if !place.is_empty() && place.trim().is_empty() {
            say("fieldPath", format!("Invalid value: {place:?}: must be non-empty if specified"));
        } else if broken(place) {
            say("fieldPath", format!("Invalid value: {place:?}: must not contain line breaks"));
        }
    }
}
