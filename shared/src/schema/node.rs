//! A schema, read once into a tree that is quick to walk.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::ServerVersion;
use super::cel::{self, Rules};
use super::formats::{Format, find_format};
use super::re2::Pattern;

/// `type`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    /// One that no server knows: nothing fits it.
    Unknown,
}

impl Type {
    fn from_name(name: &str) -> Self {
        match name {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => Self::Unknown,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Unknown => "unknown",
        }
    }
}

/// `additionalProperties`
#[derive(Debug)]
pub(super) enum AdditionalProperties {
    /// Not said.
    Unset,
    /// `true`: allowed, and nothing known of them.
    Any,
    /// `false`
    Forbidden,
    /// Each after this schema.
    Schema(Box<Node>),
}

/// `x-kubernetes-list-type`
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ListType {
    Atomic,
    Set,
    /// With its keys.
    Map(Vec<String>),
}

/// One property, with its name as CEL rules write it (none where they cannot name it).
#[derive(Debug)]
pub(super) struct Property {
    pub(super) node: Node,
    pub(super) cel_name: Option<Arc<String>>,
}

/// The limits of a value.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_maximum: bool,
    pub(super) minimum: Option<f64>,
    pub(super) exclusive_minimum: bool,
    pub(super) multiple_of: Option<f64>,
    pub(super) max_length: Option<i64>,
    pub(super) min_length: Option<i64>,
    pub(super) pattern: Option<Pattern>,
    pub(super) max_items: Option<i64>,
    pub(super) min_items: Option<i64>,
    pub(super) unique_items: bool,
    pub(super) max_properties: Option<i64>,
    pub(super) min_properties: Option<i64>,
}

/// One position of the schema.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Option<Type>,
    pub(super) int_or_string: bool,
    pub(super) nullable: bool,
    pub(super) preserves_unknown_fields: bool,
    pub(super) is_embedded_resource: bool,
    pub(super) default: Option<Value>,
    pub(super) format: Option<Format>,
    pub(super) properties: BTreeMap<String, Property>,
    pub(super) additional_properties: AdditionalProperties,
    pub(super) items: Option<Box<Node>>,
    pub(super) list_type: ListType,
    pub(super) required: Vec<String>,
    pub(super) enum_values: Vec<Value>,
    pub(super) limits: Limits,
    pub(super) all_of: Vec<Node>,
    pub(super) any_of: Vec<Node>,
    pub(super) one_of: Vec<Node>,
    pub(super) not: Option<Box<Node>>,
    pub(super) rules: Rules,
    /// Whether a rule stands here or below.
    pub(super) has_rules: bool,
}

impl Node {
    /// The position at a dotted path such as `spec.items[0].name`. `None` if the schema does not have it, or if a key of the path
    /// contains a dot.
    pub(super) fn find(&self, path: &str) -> Option<&Self> {
        path.split('.').filter(|part| !part.is_empty()).try_fold(self, |node, part| {
            let name = part.split('[').next()?;
            let node = node.child(name).map(|(below, _)| below)?;
            part.matches('[').try_fold(node, |node, _| node.items.as_deref())
        })
    }

    /// Reads a schema; what it does not know it leaves alone, as the server does.
    pub(super) fn read(schema: &Value, server: ServerVersion) -> Self {
        let properties: BTreeMap<String, Property> = iter_entries(&schema["properties"])
            .map(|(name, below)| (name.clone(), Property::read(name, below, server)))
            .collect();
        let additional_properties = match &schema["additionalProperties"] {
            Value::Bool(true) => AdditionalProperties::Any,
            Value::Bool(false) => AdditionalProperties::Forbidden,
            below @ Value::Object(_) => AdditionalProperties::Schema(Box::new(Self::read(below, server))),
            _ => AdditionalProperties::Unset,
        };
        let one = |key: &str| schema[key].is_object().then(|| Box::new(Self::read(&schema[key], server)));
        let many = |key: &str| iter_list(&schema[key]).map(|below| Self::read(below, server)).collect::<Vec<_>>();
        let int_or_string = is_flag_set(schema, "x-kubernetes-int-or-string");
        let kind =
            schema["type"].as_str().filter(|name| !name.is_empty()).map(Type::from_name).filter(|_| !int_or_string);
        let mut node = Self {
            kind,
            int_or_string,
            nullable: is_flag_set(schema, "nullable"),
            preserves_unknown_fields: is_flag_set(schema, "x-kubernetes-preserve-unknown-fields"),
            is_embedded_resource: is_flag_set(schema, "x-kubernetes-embedded-resource"),
            default: schema.get("default").filter(|value| !value.is_null()).cloned(),
            format: schema["format"].as_str().and_then(|name| find_format(kind, name, server)),
            properties,
            additional_properties,
            items: one("items"),
            list_type: read_list_type(schema),
            required: to_strings(&schema["required"]),
            enum_values: iter_list(&schema["enum"]).cloned().collect(),
            limits: read_limits(schema),
            all_of: many("allOf"),
            any_of: many("anyOf"),
            one_of: many("oneOf"),
            not: one("not"),
            rules: cel::compile(schema, server),
            has_rules: false,
        };
        node.has_rules = node.contains_rules();
        node
    }

    /// Below `anyOf`, `oneOf` and `not` no rule is allowed. The server looks for them below the type that it reads.
    fn contains_rules(&self) -> bool {
        let may_be = |kind| self.kind.is_none() || self.kind == Some(kind);
        let in_fields = self.properties.values().any(|property| property.node.has_rules)
            || self.additional_schema().is_some_and(|extra| extra.has_rules);
        !self.rules.is_empty()
            || (may_be(Type::Object) && in_fields)
            || (may_be(Type::Array) && self.items.as_ref().is_some_and(|items| items.has_rules))
            || self.all_of.iter().any(|branch| branch.has_rules)
    }

    pub(super) fn additional_schema(&self) -> Option<&Self> {
        match &self.additional_properties {
            AdditionalProperties::Schema(node) => Some(node),
            AdditionalProperties::Unset | AdditionalProperties::Any | AdditionalProperties::Forbidden => None,
        }
    }

    /// The schema of a field, and whether the schema names it.
    pub(super) fn child(&self, name: &str) -> Option<(&Self, bool)> {
        self.properties
            .get(name)
            .map(|property| (&property.node, true))
            .or_else(|| self.additional_schema().map(|extra| (extra, false)))
    }
}

impl Property {
    fn read(name: &str, schema: &Value, server: ServerVersion) -> Self {
        Self { node: Node::read(schema, server), cel_name: cel::escape_field_name(name).map(Arc::new) }
    }
}

pub(super) fn is_flag_set(schema: &Value, key: &str) -> bool {
    schema[key] == true
}

fn iter_list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn iter_entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn to_strings(value: &Value) -> Vec<String> {
    iter_list(value).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn read_list_type(schema: &Value) -> ListType {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(to_strings(&schema["x-kubernetes-list-map-keys"])),
        _ => ListType::Atomic,
    }
}

fn read_limits(schema: &Value) -> Limits {
    let float = |key: &str| schema[key].as_f64();
    let whole = |key: &str| schema[key].as_i64();
    Limits {
        maximum: float("maximum"),
        exclusive_maximum: is_flag_set(schema, "exclusiveMaximum"),
        minimum: float("minimum"),
        exclusive_minimum: is_flag_set(schema, "exclusiveMinimum"),
        multiple_of: float("multipleOf"),
        max_length: whole("maxLength"),
        min_length: whole("minLength"),
        pattern: schema["pattern"].as_str().filter(|text| !text.is_empty()).map(Pattern::new),
        max_items: whole("maxItems"),
        min_items: whole("minItems"),
        unique_items: is_flag_set(schema, "uniqueItems"),
        max_properties: whole("maxProperties"),
        min_properties: whole("minProperties"),
    }
}
