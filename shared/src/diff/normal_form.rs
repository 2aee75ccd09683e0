//! The normal form of a schema: two schemas that mean the same to the API server have the same one.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

/// What a normal form calls the type of a field that takes an integer or a string.
pub const INT_OR_STRING: &str = "int-or-string";

/// Keywords that mean nothing when they hold this: the zero values that `omitempty` drops in `JSONSchemaProps`
/// (`apiextensions/v1/types_jsonschema.go`), and lower limits that every value keeps.
fn is_insignificant(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set && key != "additionalProperties" && key != "default" && key != "example",
        Value::Number(number) => {
            number.as_f64() == Some(0.0) && ["minLength", "minItems", "minProperties"].contains(&key)
        }
        Value::String(text) => text.is_empty() && key != "default" && key != "example",
        Value::Array(all) => all.is_empty() && key != "default" && key != "example",
        Value::Object(all) => all.is_empty() && key == "properties",
    }
}

/// The normal form of a schema (of a version's `openAPIV3Schema`, or of any position below it).
///
/// `1` = `1.0`; int-or-string is a type of its own in each of its spellings; `additionalProperties: true` = `{}`;
/// `required`, `enum` and list map keys are sorted sets; what says nothing (`nullable: false`, `minLength: 0`) is left out.
/// Unknown keywords stay.
#[must_use]
pub fn normalise(schema: &Value) -> Value {
    let Value::Object(raw) = schema else { return normalise_numbers(schema) };
    let mut out = Map::new();
    for (key, value) in raw {
        let value = normalise_keyword(key, value);
        if !is_insignificant(key, &value) {
            out.insert(key.clone(), value);
        }
    }
    if is_int_or_string(&out) {
        normalise_int_or_string(&mut out);
    }
    Value::Object(out)
}

fn normalise_keyword(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("properties", Value::Object(all)) => {
            Value::Object(all.iter().map(|(name, inner)| (name.clone(), normalise(inner))).collect())
        }
        ("items" | "not" | "additionalProperties", Value::Object(_)) => normalise(value),
        ("additionalProperties", Value::Bool(true)) => Value::Object(Map::new()),
        ("allOf" | "anyOf" | "oneOf", Value::Array(branches)) => branches.iter().map(normalise).collect(),
        ("required" | "enum" | "x-kubernetes-list-map-keys", Value::Array(all)) => to_sorted_set(all),
        _ => normalise_numbers(value),
    }
}

fn to_sorted_set(all: &[Value]) -> Value {
    // By text, since values have no order of their own.
    let sorted: BTreeMap<String, Value> =
        all.iter().map(normalise_numbers).map(|value| (value.to_string(), value)).collect();
    sorted.into_values().collect()
}

/// The same value with whole numbers written as integers: JSON, YAML and Go spell them differently.
#[must_use]
pub fn normalise_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(to_integer_if_whole(number)),
        Value::Array(all) => all.iter().map(normalise_numbers).collect(),
        Value::Object(all) => all.iter().map(|(key, inner)| (key.clone(), normalise_numbers(inner))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only whole numbers that fit are converted")]
fn to_integer_if_whole(number: &Number) -> Number {
    /// 2^53: beyond it a float does not name one integer.
    const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= MAX_EXACT_INTEGER => {
            Number::from(float as i64)
        }
        _ => number.clone(),
    }
}

fn is_integer_or_string(branches: Option<&Value>) -> bool {
    let Some(Value::Array(branches)) = branches else { return false };
    let one = |name: &str| {
        branches.iter().any(|branch| branch.as_object().is_some_and(|all| all.len() == 1 && branch["type"] == name))
    };
    branches.len() == 2 && one("integer") && one("string")
}

/// The spellings that the API server takes for one (`apiextensions/validation`, `isIntOrStringAnyOf`), and the bare `anyOf`.
fn is_int_or_string(schema: &Map<String, Value>) -> bool {
    schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true))
        || (!schema.contains_key("type") && is_integer_or_string(schema.get("anyOf")))
}

fn normalise_int_or_string(schema: &mut Map<String, Value>) {
    schema.remove("x-kubernetes-int-or-string");
    if is_integer_or_string(schema.get("anyOf")) {
        schema.remove("anyOf");
    }
    if let Some(Value::Array(branches)) = schema.get_mut("allOf") {
        // The bare `anyOf` inside has its normal form already.
        branches.retain(|branch| *branch != serde_json::json!({"type": INT_OR_STRING}));
        if branches.is_empty() {
            schema.remove("allOf");
        }
    }
    schema.entry("type").or_insert_with(|| INT_OR_STRING.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn equal(one: &Value, other: &Value) {
        assert_eq!(normalise(one), normalise(other));
    }

    #[test]
    fn different_spellings_of_one_meaning_are_equal() {
        equal(&json!({"maximum": 1, "default": {"a": [2]}}), &json!({"maximum": 1.0, "default": {"a": [2.0]}}));
        equal(&json!({"additionalProperties": true}), &json!({"additionalProperties": {}}));
        equal(
            &json!({"required": ["b", "a"], "enum": ["x", "y"]}),
            &json!({"required": ["a", "b"], "enum": ["y", "x", "x"]}),
        );
        equal(&json!({"nullable": false, "minItems": 0, "description": "", "default": null}), &json!({}));
    }

    #[test]
    fn int_or_string_is_one_type_in_every_spelling() {
        let any = json!([{"type": "string"}, {"type": "integer"}]);
        let wanted = json!({"type": INT_OR_STRING});
        for spelling in [
            json!({"x-kubernetes-int-or-string": true}),
            json!({"x-kubernetes-int-or-string": true, "anyOf": any}),
            json!({"x-kubernetes-int-or-string": true, "allOf": [{"anyOf": any}]}),
            json!({"anyOf": any}),
        ] {
            assert_eq!(normalise(&spelling), wanted, "{spelling}");
        }
        let pattern = json!({"x-kubernetes-int-or-string": true, "allOf": [{"anyOf": any}, {"pattern": "a"}]});
        assert_eq!(normalise(&pattern), json!({"type": INT_OR_STRING, "allOf": [{"pattern": "a"}]}));
    }

    #[test]
    fn a_field_named_like_a_keyword_is_a_field() {
        let schema =
            json!({"properties": {"default": {"type": "string"}, "required": {"minLength": 0, "type": "array"}}});
        let wanted = json!({"properties": {"default": {"type": "string"}, "required": {"type": "array"}}});
        assert_eq!(normalise(&schema), wanted);
    }

    #[test]
    fn a_meaningful_keyword_stays() {
        for schema in [
            json!({"default": false}),
            json!({"default": ""}),
            json!({"minimum": 0}),
            json!({"additionalProperties": false}),
            json!({"x-new": {"a": []}}),
        ] {
            assert_eq!(normalise(&schema), schema);
        }
    }
}
