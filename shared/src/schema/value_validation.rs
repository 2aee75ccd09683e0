//! Values against the schema, as the server's OpenAPI validator sees it (kube-openapi `pkg/validation/validate`).

use serde_json::{Map, Value};

use super::combinators;
use super::error::{ErrorKind, SchemaError, UndeterminedField, format_go_value};
use super::node::{AdditionalProperties, Node, Type};
use super::number;
use super::object_path::{ObjectPath, PathPart};
use super::ratcheting::CorrelatedValue;

/// What one look found. `matched` counts as the server counts: of several branches that fail, the one that fitted best
/// is reported.
#[derive(Debug, Default)]
pub(super) struct NodeResult {
    pub(super) errors: Vec<SchemaError>,
    pub(super) undetermined: Vec<UndeterminedField>,
    pub(super) match_count: u32,
}

impl NodeResult {
    pub(super) fn merge(&mut self, mut other: Self) {
        self.errors.append(&mut other.errors);
        self.undetermined.append(&mut other.undetermined);
        self.match_count += other.match_count;
    }

    pub(super) const fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn push_error(
        &mut self,
        place: &ObjectPath<'_>,
        kind: ErrorKind,
        value: Option<String>,
        detail: impl Into<String>,
    ) {
        self.errors.push(SchemaError::new(place.to_dotted(), kind, value, detail));
    }
}

/// How it is looked.
#[derive(Debug, Clone, Copy)]
pub(super) enum ValidationMode<'a> {
    /// Everything counts.
    Create,
    /// As a default in a CRD: there the API server knows no type of int-or-string fields
    /// (<https://github.com/kubernetes/apiextensions-apiserver/blob/v0.34.0/pkg/apiserver/schema/kubeopenapi.go>).
    Default,
    /// As an update: what is found in the older object and is equal is forgiven. It is searched for through the schema of
    /// the field, also from inside of `anyOf` and its like.
    Ratcheted(CorrelatedValue<'a>),
}

impl<'a> ValidationMode<'a> {
    /// How a field is looked at. `apiVersion` and `kind` are never forgiven.
    fn field(self, name: &str, place: &ObjectPath<'_>) -> Self {
        let is_type_meta = place.is_root() && matches!(name, "apiVersion" | "kind");
        self.descend(|older| older.field(name).filter(|_| !is_type_meta))
    }

    fn item(self, item: &Value) -> Self {
        self.descend(|older| older.item(item))
    }

    fn descend(self, find: impl FnOnce(CorrelatedValue<'a>) -> Option<CorrelatedValue<'a>>) -> Self {
        let Self::Ratcheted(older) = self else { return self };
        find(older).map_or(Self::Create, Self::Ratcheted)
    }
}

/// Looks at a value below another; its errors are forgiven where it is equal.
fn validate_below(value: &Value, node: &Node, place: &ObjectPath<'_>, mode: ValidationMode<'_>) -> NodeResult {
    let mut result = validate(value, node, place, mode);
    if let ValidationMode::Ratcheted(older) = mode
        && !result.is_valid()
        && older.is_equal_to(value)
    {
        result.errors.clear();
    }
    result
}

/// Looks at one value.
pub(super) fn validate(value: &Value, node: &Node, place: &ObjectPath<'_>, mode: ValidationMode<'_>) -> NodeResult {
    let mut result = NodeResult::default();
    if value.is_null() {
        result.merge(validate_type(value, node, place));
        validate_enum(value, node, place, &mut result);
        return result;
    }
    let is_untyped = node.int_or_string && matches!(mode, ValidationMode::Default);
    if !is_untyped && (node.kind.is_some() || node.int_or_string || node.format.is_some()) {
        result.merge(validate_type(value, node, place));
        result.match_count += 1;
    }
    result.merge(combinators::validate_branches(value, node, place, mode));
    result.match_count += 1;
    match value {
        Value::String(text) => {
            validate_string(text, node, place, &mut result);
            result.match_count += 1 + u32::from(node.format.is_some());
        }
        Value::Number(number) => {
            number::validate_limits(number, node, place, &mut result);
            result.match_count += 2;
        }
        Value::Array(items) => {
            validate_list(items, node, place, mode, &mut result);
            result.match_count += 2;
        }
        Value::Object(fields) => {
            validate_fields(fields, node, place, mode, &mut result);
            result.match_count += 1;
        }
        Value::Null | Value::Bool(_) => {}
    }
    validate_enum(value, node, place, &mut result);
    result.match_count += 2;
    result
}

/// The words for the types, as the server joins them.
fn expected_type(node: &Node) -> &'static str {
    if node.int_or_string { "integer,string" } else { node.kind.map_or("", Type::name) }
}

fn actual_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) => {
            if number::is_integer(number) {
                "integer"
            } else {
                "number"
            }
        }
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn validate_type(value: &Value, node: &Node, place: &ObjectPath<'_>) -> NodeResult {
    let mut result = NodeResult { match_count: 1, ..NodeResult::default() };
    let wanted_types = expected_type(node);
    let says_type = !wanted_types.is_empty();
    if value.is_null() {
        if says_type && !node.nullable {
            return build_type_error(place, wanted_types, "null");
        }
        return result;
    }
    let numeric = node.int_or_string || matches!(node.kind, Some(Type::Integer | Type::Number));
    let is = actual_type(value);
    if let Some(format) = &node.format {
        // A list passes where a string with a format is wanted: the server's own oversight.
        if matches!(value, Value::String(_) | Value::Array(_)) {
            if !numeric {
                return result;
            }
        } else if !has_matching_type(value, node) && number::infer_format(value) != format.name() {
            return build_type_error(place, format.name(), number::infer_format(value));
        }
    }
    if !has_matching_type(value, node) {
        result = build_type_error(place, wanted_types, is);
    }
    result
}

/// Whether a value is of the type that the schema says.
pub(super) fn has_matching_type(value: &Value, node: &Node) -> bool {
    let integer = node.int_or_string || node.kind == Some(Type::Integer);
    match value {
        Value::Null => node.nullable,
        Value::Bool(_) => node.kind == Some(Type::Boolean),
        Value::Number(number) => node.kind == Some(Type::Number) || (integer && number::is_whole(number)),
        Value::String(_) => node.int_or_string || node.kind == Some(Type::String),
        Value::Array(_) => node.kind == Some(Type::Array),
        Value::Object(_) => node.kind == Some(Type::Object),
    }
}

fn build_type_error(place: &ObjectPath<'_>, wanted: &str, is: &str) -> NodeResult {
    let mut result = NodeResult::default();
    let detail = format!("{} in body must be of type {wanted}: {is:?}", place.to_dotted());
    result.push_error(place, ErrorKind::TypeInvalid, Some(format!("{is:?}")), detail);
    result
}

/// Go converts the value into the type of each enum value before it compares: `1.5` is cut to the integer `1`.
fn is_equal_to_enum_value(value: &Value, one: &Value) -> bool {
    match (value, one) {
        (Value::Number(value), Value::Number(one)) => number::is_equal_after_conversion(value, one),
        (Value::Number(value), Value::String(one)) => number::to_character(value).is_some_and(|text| text == *one),
        (Value::Null, _) | (_, Value::Null) => false,
        (value, one) => value == one,
    }
}

fn validate_enum(value: &Value, node: &Node, place: &ObjectPath<'_>, result: &mut NodeResult) {
    if node.enum_values.is_empty() || node.enum_values.iter().any(|one| is_equal_to_enum_value(value, one)) {
        return;
    }
    let supported: Vec<String> = node
        .enum_values
        .iter()
        .map(|one| one.as_str().map_or_else(|| format!("{:?}", one.to_string()), |text| format!("{text:?}")))
        .collect();
    let detail = format!("supported values: {}", supported.join(", "));
    result.push_error(place, ErrorKind::NotSupported, Some(format_go_value(value)), detail);
}

/// Only the first violation is reported.
fn validate_string(text: &str, node: &Node, place: &ObjectPath<'_>, result: &mut NodeResult) {
    let limits = &node.limits;
    let length = || i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let shown = || Some(format!("{text:?}"));
    if let Some(most) = limits.max_length.filter(|most| length() > *most) {
        let unit = if most == 1 { "byte" } else { "bytes" };
        result.push_error(place, ErrorKind::TooLong, None, format!("may not be more than {most} {unit}"));
    } else if let Some(least) = limits.min_length.filter(|least| length() < *least) {
        let detail = format!("{} in body should be at least {least} chars long", place.to_dotted());
        result.push_error(place, ErrorKind::Invalid, shown(), detail);
    } else if let Some(pattern) = &limits.pattern {
        match pattern.is_match(text) {
            Ok(true) => {}
            Ok(false) => {
                let detail = format!("{} in body should match '{}'", place.to_dotted(), pattern.text);
                result.push_error(place, ErrorKind::Invalid, shown(), detail);
            }
            Err(reason) => result.undetermined.push(UndeterminedField { path: place.to_dotted(), reason }),
        }
    }
    if let Some(format) = node.format.as_ref().filter(|format| !format.accepts(text)) {
        // The server's text repeats the value; here it would be the only place where one shows.
        let server = format!("{} in body must be of type {}: {text:?}", place.to_dotted(), format.name());
        let detail = format!("{} in body must be of type {}", place.to_dotted(), format.name());
        result.errors.push(
            SchemaError::new(place.to_dotted(), ErrorKind::TypeInvalid, shown(), detail).with_server_detail(server),
        );
    }
}

fn validate_list(
    items: &[Value],
    node: &Node,
    place: &ObjectPath<'_>,
    mode: ValidationMode<'_>,
    result: &mut NodeResult,
) {
    if let Some(below) = node.items.as_deref() {
        for (at, item) in items.iter().enumerate() {
            result.merge(validate_below(item, below, &place.child(PathPart::Index(at)), mode.item(item)));
        }
    }
    let size = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if let Some(least) = node.limits.min_items.filter(|least| size < *least) {
        let detail = format!("{} in body should have at least {least} items", place.to_dotted());
        result.push_error(place, ErrorKind::Invalid, Some(size.to_string()), detail);
    }
    if let Some(most) = node.limits.max_items.filter(|most| size > *most) {
        push_too_many(place, size, most, result);
    }
    if node.limits.unique_items && items.iter().enumerate().any(|(at, item)| items[..at].contains(item)) {
        let detail = format!("{} in body shouldn't contain duplicates", place.to_dotted());
        result.push_error(place, ErrorKind::Invalid, Some("\"\"".to_owned()), detail);
    }
}

fn push_too_many(place: &ObjectPath<'_>, size: i64, most: i64, result: &mut NodeResult) {
    let unit = if most == 1 { "item" } else { "items" };
    let detail = format!("must have at most {most} {unit}");
    result.errors.push(SchemaError::with_value(place.to_dotted(), ErrorKind::TooMany, size.to_string(), &detail));
}

fn validate_fields(
    fields: &Map<String, Value>,
    node: &Node,
    place: &ObjectPath<'_>,
    mode: ValidationMode<'_>,
    result: &mut NodeResult,
) {
    let size = i64::try_from(fields.len()).unwrap_or(i64::MAX);
    if let Some(least) = node.limits.min_properties.filter(|least| size < *least) {
        let detail = format!("{} in body should have at least {least} properties", place.to_dotted());
        result.push_error(place, ErrorKind::Invalid, Some(size.to_string()), detail);
    }
    if let Some(most) = node.limits.max_properties.filter(|most| size > *most) {
        push_too_many(place, size, most, result);
    }
    for (name, value) in fields {
        let here = place.child(PathPart::Field(name));
        if matches!(node.additional_properties, AdditionalProperties::Forbidden) && !node.properties.contains_key(name)
        {
            let detail = format!("{}.{name} in body is a forbidden property", place.to_dotted());
            result.push_error(place, ErrorKind::Invalid, Some(format!("{name:?}")), detail);
        } else if let Some((below, _)) = node.child(name) {
            result.merge(validate_below(value, below, &here, mode.field(name, place)));
        }
    }
    for name in node.required.iter().filter(|name| !fields.contains_key(*name)) {
        result.push_error(&place.child(PathPart::Field(name)), ErrorKind::Required, None, "");
    }
}
