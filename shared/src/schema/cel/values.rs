//! A value as rules see it: after the types of the schema, not of the JSON (apiserver `pkg/cel/common/values.go`).

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use kube_cel::cel::Value as CelValue;
use kube_cel::cel::objects::{Key, Map};
use serde_json::Value;

use super::super::formats;
use super::super::node::{Extra, Node, Type};

/// The whole resource: of its metadata only the name is there (`WithTypeAndObjectMeta`).
pub(super) fn of_root(value: &Value, node: &Node) -> CelValue {
    embedded(value, node)
}

pub(super) fn of(value: &Value, node: &Node) -> CelValue {
    match value {
        Value::Object(_) if node.embedded => embedded(value, node),
        Value::Object(fields) if matches!(node.extra, Extra::Unsaid | Extra::None) && !node.properties.is_empty() => {
            let known = fields.iter().filter_map(|(name, value)| {
                let property = node.properties.get(name)?;
                Some((Key::String(property.cel_name.clone()?), of(value, &property.node)))
            });
            map(known.collect())
        }
        Value::Object(fields) => {
            let entries = fields.iter().map(|(name, value)| {
                let below = node.below(name).map(|(below, _)| below);
                (Key::String(Arc::new(name.clone())), below.map_or_else(|| plain(value), |below| of(value, below)))
            });
            map(entries.collect())
        }
        Value::Array(items) => {
            let item = |item: &Value| node.items.as_deref().map_or_else(|| plain(item), |below| of(item, below));
            CelValue::List(Arc::new(items.iter().map(item).collect()))
        }
        Value::Number(number) if node.kind == Some(Type::Number) => {
            CelValue::Float(number.as_f64().unwrap_or(f64::NAN))
        }
        #[expect(clippy::cast_possible_truncation, reason = "a whole number, as it was validated before")]
        Value::Number(number) if node.kind == Some(Type::Integer) => {
            CelValue::Int(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64))
        }
        Value::String(text) => string(text, node),
        value => plain(value),
    }
}

fn map(entries: HashMap<Key, CelValue>) -> CelValue {
    CelValue::Map(Map { map: Arc::new(entries) })
}

/// `apiVersion`, `kind` and of `metadata` the name are there whether the schema says so or not.
fn embedded(value: &Value, node: &Node) -> CelValue {
    let Value::Object(fields) = value else { return plain(value) };
    let mut entries = HashMap::new();
    for (name, value) in fields {
        match name.as_str() {
            "apiVersion" | "kind" => {
                entries.insert(Key::String(Arc::new(name.clone())), plain(value));
            }
            "metadata" => {
                let named = ["name", "generateName"].into_iter().filter_map(|name| Some((name, value.get(name)?)));
                let named = named.map(|(name, value)| (Key::String(Arc::new(name.to_owned())), plain(value)));
                entries.insert(Key::String(Arc::new(name.clone())), map(named.collect()));
            }
            _ => {
                let Some(property) = node.properties.get(name) else { continue };
                let Some(cel_name) = property.cel_name.clone() else { continue };
                entries.insert(Key::String(cel_name), of(value, &property.node));
            }
        }
    }
    map(entries)
}

fn string(text: &str, node: &Node) -> CelValue {
    let format = node.format.as_ref().filter(|_| node.kind == Some(Type::String)).map(formats::Format::name);
    let special = match format {
        Some("byte") => {
            base64::engine::general_purpose::STANDARD.decode(text).ok().map(|bytes| CelValue::Bytes(Arc::new(bytes)))
        }
        Some("duration") => {
            formats::nanoseconds(text).map(|nanos| CelValue::Duration(chrono::Duration::nanoseconds(nanos)))
        }
        Some("date-time") => chrono::DateTime::parse_from_rfc3339(text).ok().map(CelValue::Timestamp),
        Some("date") => {
            let midnight = format!("{text}T00:00:00Z");
            chrono::DateTime::parse_from_rfc3339(&midnight).ok().map(CelValue::Timestamp)
        }
        _ => None,
    };
    special.unwrap_or_else(|| CelValue::String(Arc::new(text.to_owned())))
}

/// A value of which the schema says nothing.
fn plain(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| CelValue::Float(number.as_f64().unwrap_or(f64::NAN)), CelValue::Int)
        }
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(plain).collect())),
        Value::Object(fields) => {
            map(fields.iter().map(|(name, value)| (Key::String(Arc::new(name.clone())), plain(value))).collect())
        }
    }
}
