//! A schema, read once into a tree that is quick to walk.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::ServerVersion;
use super::cel::{self, Rules};
use super::formats::{Format, format_of};
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
    Other,
}

impl Type {
    fn of(name: &str) -> Self {
        match name {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => Self::Other,
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
            Self::Other => "unknown",
        }
    }
}

/// `additionalProperties`
#[derive(Debug)]
pub(super) enum Extra {
    /// Not said.
    Unsaid,
    /// `true`: allowed, and nothing known of them.
    Any,
    /// `false`
    None,
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
    pub(super) preserve: bool,
    pub(super) embedded: bool,
    pub(super) default: Option<Value>,
    pub(super) format: Option<Format>,
    pub(super) properties: BTreeMap<String, Property>,
    pub(super) extra: Extra,
    pub(super) items: Option<Box<Node>>,
    pub(super) list_type: ListType,
    pub(super) required: Vec<String>,
    pub(super) values: Vec<Value>,
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
    /// Reads a schema; what it does not know it leaves alone, as the server does.
    pub(super) fn read(schema: &Value, server: ServerVersion) -> Self {
        let properties: BTreeMap<String, Property> = entries(&schema["properties"])
            .map(|(name, below)| (name.clone(), Property::read(name, below, server)))
            .collect();
        let extra = match &schema["additionalProperties"] {
            Value::Bool(true) => Extra::Any,
            Value::Bool(false) => Extra::None,
            below @ Value::Object(_) => Extra::Schema(Box::new(Self::read(below, server))),
            _ => Extra::Unsaid,
        };
        let one = |key: &str| schema[key].is_object().then(|| Box::new(Self::read(&schema[key], server)));
        let many = |key: &str| list(&schema[key]).map(|below| Self::read(below, server)).collect::<Vec<_>>();
        let int_or_string = flag(schema, "x-kubernetes-int-or-string");
        let kind = schema["type"].as_str().filter(|name| !name.is_empty()).map(Type::of).filter(|_| !int_or_string);
        let mut node = Self {
            kind,
            int_or_string,
            nullable: flag(schema, "nullable"),
            preserve: flag(schema, "x-kubernetes-preserve-unknown-fields"),
            embedded: flag(schema, "x-kubernetes-embedded-resource"),
            default: schema.get("default").filter(|value| !value.is_null()).cloned(),
            format: schema["format"].as_str().and_then(|name| format_of(kind, name, server)),
            properties,
            extra,
            items: one("items"),
            list_type: list_type(schema),
            required: strings(&schema["required"]),
            values: list(&schema["enum"]).cloned().collect(),
            limits: limits(schema),
            all_of: many("allOf"),
            any_of: many("anyOf"),
            one_of: many("oneOf"),
            not: one("not"),
            rules: cel::compile(schema, server),
            has_rules: false,
        };
        node.has_rules = node.finds_rules();
        node
    }

    /// Below `anyOf`, `oneOf` and `not` no rule is allowed. The server looks for them below the type that it reads.
    fn finds_rules(&self) -> bool {
        let may_be = |kind| self.kind.is_none() || self.kind == Some(kind);
        let in_fields = self.properties.values().any(|property| property.node.has_rules)
            || self.extra_schema().is_some_and(|extra| extra.has_rules);
        !self.rules.is_empty()
            || (may_be(Type::Object) && in_fields)
            || (may_be(Type::Array) && self.items.as_ref().is_some_and(|items| items.has_rules))
            || self.all_of.iter().any(|branch| branch.has_rules)
    }

    pub(super) fn extra_schema(&self) -> Option<&Self> {
        match &self.extra {
            Extra::Schema(node) => Some(node),
            Extra::Unsaid | Extra::Any | Extra::None => None,
        }
    }

    /// The schema of a field, and whether the schema names it.
    pub(super) fn below(&self, name: &str) -> Option<(&Self, bool)> {
        self.properties
            .get(name)
            .map(|property| (&property.node, true))
            .or_else(|| self.extra_schema().map(|extra| (extra, false)))
    }
}

impl Property {
    fn read(name: &str, schema: &Value, server: ServerVersion) -> Self {
        Self { node: Node::read(schema, server), cel_name: cel::escape(name).map(Arc::new) }
    }
}

pub(super) fn flag(schema: &Value, key: &str) -> bool {
    schema[key] == true
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn strings(value: &Value) -> Vec<String> {
    list(value).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn list_type(schema: &Value) -> ListType {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(strings(&schema["x-kubernetes-list-map-keys"])),
        _ => ListType::Atomic,
    }
}

fn limits(schema: &Value) -> Limits {
    let float = |key: &str| schema[key].as_f64();
    let whole = |key: &str| schema[key].as_i64();
    Limits {
        maximum: float("maximum"),
        exclusive_maximum: flag(schema, "exclusiveMaximum"),
        minimum: float("minimum"),
        exclusive_minimum: flag(schema, "exclusiveMinimum"),
        multiple_of: float("multipleOf"),
        max_length: whole("maxLength"),
        min_length: whole("minLength"),
        pattern: schema["pattern"].as_str().filter(|text| !text.is_empty()).map(Pattern::new),
        max_items: whole("maxItems"),
        min_items: whole("minItems"),
        unique_items: flag(schema, "uniqueItems"),
        max_properties: whole("maxProperties"),
        min_properties: whole("minProperties"),
    }
}
