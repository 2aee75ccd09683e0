//! What no schema of a CRD may hold, whether it is structural or not (`ValidateCustomResourceDefinitionOpenAPISchema`).

use serde_json::Value;

use super::{OPENAPI_TYPES, ValidationOptions, format_unsupported, get_str, is_flag_set, iter_list, list_type};
use crate::model::rejection::Rejection;
use crate::schema::parse_rule_features;

/// Keywords that are not supported, by the name in the server's words.
const UNSUPPORTED_KEYWORDS: [&str; 6] =
    ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"];
const RULE_REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// What holds for everything below a place.
#[derive(Clone, Copy)]
struct PositionContext<'a> {
    options: ValidationOptions,
    /// Inside of `apiVersion`, `kind` or `metadata` of a resource.
    in_metadata: bool,
    /// Why no default may stand here.
    default_forbidden_reason: Option<&'a str>,
}

/// All refusals of a schema.
pub(super) fn check_openapi(schema: &Value, path: &str, options: ValidationOptions) -> Vec<Rejection> {
    let mut all = Vec::new();
    let context = PositionContext { options, in_metadata: false, default_forbidden_reason: None };
    check_below(schema, path, true, context, &mut all);
    all
}

/// Transition rules where no older value can be found. The server asks for it where all else is right.
pub(super) fn check_transition_rules(schema: &Value, path: &str) -> Vec<Rejection> {
    let mut all = Vec::new();
    check_transitions_below(schema, path, None, &mut all);
    all
}

fn check_transitions_below(schema: &Value, path: &str, uncorrelated: Option<&str>, all: &mut Vec<Rejection>) {
    // Without a type the server cannot even declare the value to CEL, and refuses it with an error of its own.
    let typed = schema["type"].is_string() || schema["x-kubernetes-int-or-string"] == true;
    for (at, rule) in iter_list(&schema["x-kubernetes-validations"]).enumerate() {
        let rule_text = get_str(rule, "rule");
        let Some(uses) = parse_rule_features(rule_text) else { continue };
        let place = format!("{path}.x-kubernetes-validations[{at}]");
        if let Some(container) = uncorrelated.filter(|_| uses.uses_old_self && typed) {
            let words =
                format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {container}");
            all.push(Rejection::new(format!("{place}.rule"), format!("Invalid value: {rule_text:?}: {words}")));
        } else if typed && !uses.uses_old_self && !rule["optionalOldSelf"].is_null() {
            let words =
                format!("Invalid value: {}: may not be set if oldSelf is not used in rule", rule["optionalOldSelf"]);
            all.push(Rejection::new(format!("{place}.optionalOldSelf"), words));
        }
    }
    // Fields are found again in maps of either type (`MapIsCorrelatable`).
    let of_items = uncorrelated.or((schema["x-kubernetes-list-type"] != "map").then_some(path));
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        check_transitions_below(below, &format!("{path}.properties[{name}]"), uncorrelated, all);
    }
    for (key, container) in [("items", of_items), ("additionalProperties", uncorrelated)] {
        if schema[key].is_object() {
            check_transitions_below(&schema[key], &format!("{path}.{key}"), container, all);
        }
    }
}

pub(super) fn is_known_type(schema: &Value) -> bool {
    let kind = get_str(schema, "type");
    kind.is_empty() || OPENAPI_TYPES.contains(&kind)
}

fn check_additional_properties(extra: &Value, path: &str, context: PositionContext<'_>, all: &mut Vec<Rejection>) {
    if !extra.is_object() {
        return;
    }
    let words = "inside additionalProperties applying to object metadata";
    let default_forbidden_reason = if context.in_metadata { Some(words) } else { context.default_forbidden_reason };
    let below = PositionContext { default_forbidden_reason, ..context };
    check_below(extra, &format!("{path}.additionalProperties"), false, below, all);
}

fn check_below(schema: &Value, path: &str, root: bool, context: PositionContext<'_>, all: &mut Vec<Rejection>) {
    check_keywords(schema, path, context, all);
    list_type::check_list_type(schema, path, context.options.require_atomic_set_type, all);
    if context.options.require_map_list_keys {
        all.extend(list_type::check_map_keys(path, schema));
    }
    check_rules(schema, path, all);
    check_additional_properties(&schema["additionalProperties"], path, context, all);
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{path}.properties[{name}]");
        let meta = matches!(name.as_str(), "metadata" | "kind" | "apiVersion")
            && (root || is_flag_set(schema, "x-kubernetes-embedded-resource"));
        let words = format!("in top-level {name}");
        let no_defaults = if meta && root { Some(words.as_str()) } else { context.default_forbidden_reason };
        check_below(
            below,
            &place,
            false,
            PositionContext {
                in_metadata: context.in_metadata || meta,
                default_forbidden_reason: no_defaults,
                ..context
            },
            all,
        );
    }
    for key in ["not", "items"] {
        if schema[key].is_object() {
            check_below(&schema[key], &format!("{path}.{key}"), false, context, all);
        }
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for (at, branch) in iter_list(&schema[key]).enumerate() {
            check_below(branch, &format!("{path}.{key}[{at}]"), false, context, all);
        }
    }
}

fn check_keywords(schema: &Value, path: &str, context: PositionContext<'_>, all: &mut Vec<Rejection>) {
    let mut push_rejection = |key: &str, words: String| all.push(Rejection::new(format!("{path}.{key}"), words));
    let kind = get_str(schema, "type");
    if context.options.require_known_types && !is_known_type(schema) {
        push_rejection("type", format_unsupported(kind, &OPENAPI_TYPES));
    }
    if let Some(reason) = context.default_forbidden_reason.filter(|_| !schema["default"].is_null()) {
        push_rejection("default", format!("Forbidden: must not be set {reason}"));
    }
    for key in UNSUPPORTED_KEYWORDS.into_iter().filter(|key| is_set(schema, key)) {
        push_rejection(key, format!("Forbidden: {key} is not supported"));
    }
    if kind == "null" {
        push_rejection("type", "Forbidden: type cannot be set to null, use nullable as an alternative".to_owned());
    }
    if schema["items"].is_array() {
        push_rejection("items", "Forbidden: items must be a schema object and not an array".to_owned());
    }
    if context.in_metadata && is_flag_set(schema, "x-kubernetes-embedded-resource") {
        push_rejection(
            "x-kubernetes-embedded-resource",
            "Forbidden: must not be used inside of resource meta".to_owned(),
        );
    }
    if is_flag_set(schema, "uniqueItems") {
        let words = "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        push_rejection("uniqueItems", words.to_owned());
    }
    let extra = &schema["additionalProperties"];
    let has_fields = schema["properties"].as_object().is_some_and(|fields| !fields.is_empty());
    if has_fields && (extra.is_object() || *extra == false) {
        let words = "Forbidden: additionalProperties and properties are mutual exclusive";
        push_rejection("additionalProperties", words.to_owned());
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let words = "Invalid value: false: must be true or undefined";
        push_rejection("x-kubernetes-preserve-unknown-fields", words.to_owned());
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
fn check_rules(schema: &Value, path: &str, all: &mut Vec<Rejection>) {
    for (at, rule) in iter_list(&schema["x-kubernetes-validations"]).enumerate() {
        let mut push_rejection = |key: &str, words: String| {
            all.push(Rejection::new(format!("{path}.x-kubernetes-validations[{at}].{key}"), words));
        };
        let (rule_text, message, place) = (get_str(rule, "rule"), get_str(rule, "message"), get_str(rule, "fieldPath"));
        let has_line_break = |text: &str| text.contains(['\n', '\r']);
        if rule_text.trim().is_empty() {
            push_rejection("rule", "Required value: rule is not specified".to_owned());
        } else if !message.is_empty() && message.trim().is_empty() {
            push_rejection("message", format!("Invalid value: {message:?}: must be non-empty if specified"));
        } else if has_line_break(message.trim()) {
            push_rejection("message", format!("Invalid value: {message:?}: must not contain line breaks"));
        } else if has_line_break(rule_text.trim()) && message.trim().is_empty() {
            let words = "Required value: message must be specified if rule contains line breaks";
            push_rejection("message", words.to_owned());
        }
        let expression = get_str(rule, "messageExpression");
        if !expression.is_empty() && expression.trim().is_empty() {
            let words = "Required value: messageExpression must be non-empty if specified";
            push_rejection("messageExpression", words.to_owned());
        }
        if let Some(reason) = rule["reason"].as_str().filter(|reason| !RULE_REASONS.contains(reason)) {
            push_rejection("reason", format_unsupported(reason, &RULE_REASONS));
        }
        if !place.is_empty() && place.trim().is_empty() {
            push_rejection("fieldPath", format!("Invalid value: {place:?}: must be non-empty if specified"));
        } else if has_line_break(place) {
            push_rejection("fieldPath", format!("Invalid value: {place:?}: must not contain line breaks"));
        }
    }
}
