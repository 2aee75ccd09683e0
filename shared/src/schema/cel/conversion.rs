//! A value as rules see it: after the types of the schema, not of the JSON (apiserver `pkg/cel/common/values.go`).

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use kube_cel::cel::Value as CelValue;
use kube_cel::cel::objects::{Key, Map};
use serde_json::Value;

use super::super::formats;
use super::super::node::{AdditionalProperties, Node, Type};
use super::super::value_validation;

/// The whole resource: of its metadata only the name is there (`WithTypeAndObjectMeta`).
pub(super) fn root_to_cel_value(value: &Value, node: &Node) -> CelValue {
    embedded_to_cel_value(value, node)
}

pub(super) fn to_cel_value(value: &Value, node: &Node) -> CelValue {
    match value {
        Value::Object(_) if node.is_embedded_resource => embedded_to_cel_value(value, node),
        Value::Object(fields)
            if matches!(node.additional_properties, AdditionalProperties::Unset | AdditionalProperties::Forbidden)
                && !node.properties.is_empty() =>
        {
            let known = fields.iter().filter_map(|(name, value)| {
                let property = node.properties.get(name)?;
                Some((Key::String(property.cel_name.clone()?), to_cel_value(value, &property.node)))
            });
            build_map(known.collect())
        }
        Value::Object(fields) => {
            let entries = fields.iter().map(|(name, value)| {
                let below = node.child(name).map(|(below, _)| below);
                (
                    Key::String(Arc::new(name.clone())),
                    below.map_or_else(|| untyped_to_cel_value(value), |below| to_cel_value(value, below)),
                )
            });
            build_map(entries.collect())
        }
        Value::Array(items) => {
            let item = |item: &Value| {
                node.items.as_deref().map_or_else(|| untyped_to_cel_value(item), |below| to_cel_value(item, below))
            };
            CelValue::List(Arc::new(items.iter().map(item).collect()))
        }
        Value::Number(number) if node.kind == Some(Type::Number) => {
            CelValue::Float(number.as_f64().unwrap_or(f64::NAN))
        }
        #[expect(clippy::cast_possible_truncation, reason = "a whole number, as it was validated before")]
        Value::Number(number) if node.kind == Some(Type::Integer) => {
            CelValue::Int(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64))
        }
        Value::String(text) => string_to_cel_value(text, node),
        value => untyped_to_cel_value(value),
    }
}

/// Whether a value here or below is not of the type that its schema says. The server hands rules an error in its place
/// (`invalid data, expected string, got int64`), and what a rule makes of an error depends on how far it reads.
pub(super) fn is_mistyped(value: &Value, node: &Node, is_root: bool) -> bool {
    let is_typed = node.kind.is_some() || node.int_or_string;
    // The validator takes 2.0 for an integer; a rule does not.
    let is_float = node.kind == Some(Type::Integer) && value.is_number() && !value.is_i64();
    if is_typed && (is_float || !value_validation::has_matching_type(value, node)) {
        return true;
    }
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let is_resource_field = is_root && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
            !is_resource_field
                && node.child(name).is_some_and(|(below, _)| is_mistyped(value, below, below.is_embedded_resource))
        }),
        Value::Array(items) => node
            .items
            .as_deref()
            .is_some_and(|below| items.iter().any(|item| is_mistyped(item, below, below.is_embedded_resource))),
        Value::String(text) => find_typed_format(node).is_some_and(|format| parse_typed_string(text, format).is_none()),
        _ => false,
    }
}

/// The older root. Its metadata is not that of the newer one, or there would be no update: rules can compare the two, and
/// cannot ask for what differs.
pub(super) fn old_root_to_cel_value(value: &Value, node: &Node) -> CelValue {
    let root = root_to_cel_value(value, node);
    let CelValue::Map(own) = root else { return root };
    let mut entries = (*own.map).clone();
    entries.insert(Key::String(Arc::new("metadata/older".to_owned())), CelValue::Bool(true));
    build_map(entries)
}

fn build_map(entries: HashMap<Key, CelValue>) -> CelValue {
    CelValue::Map(Map { map: Arc::new(entries) })
}

/// `apiVersion`, `kind` and of `metadata` the name are there whether the schema says so or not.
fn embedded_to_cel_value(value: &Value, node: &Node) -> CelValue {
    let Value::Object(fields) = value else { return untyped_to_cel_value(value) };
    let mut entries = HashMap::new();
    for (name, value) in fields {
        match name.as_str() {
            "apiVersion" | "kind" => {
                entries.insert(Key::String(Arc::new(name.clone())), untyped_to_cel_value(value));
            }
            "metadata" => {
                let name_entries =
                    ["name", "generateName"].into_iter().filter_map(|name| Some((name, value.get(name)?)));
                let name_entries = name_entries
                    .map(|(name, value)| (Key::String(Arc::new(name.to_owned())), untyped_to_cel_value(value)));
                entries.insert(Key::String(Arc::new(name.clone())), build_map(name_entries.collect()));
            }
            _ => {
                let Some(property) = node.properties.get(name) else { continue };
                let Some(cel_name) = property.cel_name.clone() else { continue };
                entries.insert(Key::String(cel_name), to_cel_value(value, &property.node));
            }
        }
    }
    build_map(entries)
}

fn string_to_cel_value(text: &str, node: &Node) -> CelValue {
    let typed = find_typed_format(node).and_then(|format| parse_typed_string(text, format));
    typed.unwrap_or_else(|| CelValue::String(Arc::new(text.to_owned())))
}

/// The formats that give a string a type of its own.
fn find_typed_format(node: &Node) -> Option<&'static str> {
    let format = node.format.as_ref().filter(|_| node.kind == Some(Type::String)).map(formats::Format::name);
    format.filter(|name| matches!(*name, "byte" | "duration" | "date-time" | "date"))
}

fn parse_typed_string(text: &str, format: &str) -> Option<CelValue> {
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok().map(CelValue::Timestamp);
    match format {
        "byte" => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
            Some(CelValue::Bytes(Arc::new(bytes)))
        }
        "duration" => Some(CelValue::Duration(chrono::Duration::nanoseconds(formats::parse_nanoseconds(text)?))),
        "date" => time(&format!("{text}T00:00:00Z")),
        _ => time(text),
    }
}

/// A value of which the schema says nothing.
fn untyped_to_cel_value(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| CelValue::Float(number.as_f64().unwrap_or(f64::NAN)), CelValue::Int)
        }
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(untyped_to_cel_value).collect())),
        Value::Object(fields) => build_map(
            fields
                .iter()
                .map(|(name, value)| (Key::String(Arc::new(name.clone())), untyped_to_cel_value(value)))
                .collect(),
        ),
    }
}
