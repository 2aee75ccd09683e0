//! Values against the schema, as the server's OpenAPI validator sees it (kube-openapi `pkg/validation/validate`).

use serde_json::{Map, Value};

use super::logic;
use super::node::{Extra, Node, Type};
use super::number;
use super::place::{Place, Step};
use super::ratchet::Older;
use super::said::{ErrorKind, SchemaError, Unsure, printed};

/// What one look found. `matched` counts as the server counts: of several branches that fail, the one that fitted best
/// is told.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) errors: Vec<SchemaError>,
    pub(super) unsure: Vec<Unsure>,
    pub(super) matched: u32,
}

impl Found {
    pub(super) fn take(&mut self, mut other: Self) {
        self.errors.append(&mut other.errors);
        self.unsure.append(&mut other.unsure);
        self.matched += other.matched;
    }

    pub(super) const fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn say(&mut self, place: &Place<'_>, kind: ErrorKind, value: Option<String>, detail: impl Into<String>) {
        self.errors.push(SchemaError::new(place.dotted(), kind, value, detail));
    }
}

/// How it is looked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look<'a> {
    /// Everything counts.
    Create,
    /// As an update: what is found in the older object and is equal is forgiven. It is searched for through the schema of
    /// the field, also from inside of `anyOf` and its like.
    Ratcheted(Older<'a>),
}

impl<'a> Look<'a> {
    /// How a field is looked at. `apiVersion` and `kind` are never forgiven.
    fn field(self, name: &str, place: &Place<'_>) -> Self {
        let own = place.is_root() && matches!(name, "apiVersion" | "kind");
        self.below(|older| older.field(name).filter(|_| !own))
    }

    fn item(self, item: &Value) -> Self {
        self.below(|older| older.item(item))
    }

    fn below(self, found: impl FnOnce(Older<'a>) -> Option<Older<'a>>) -> Self {
        let Self::Ratcheted(older) = self else { return Self::Create };
        found(older).map_or(Self::Create, Self::Ratcheted)
    }
}

/// Looks at a value below another; its errors are forgiven where it is equal.
fn validate_below(value: &Value, node: &Node, place: &Place<'_>, look: Look<'_>) -> Found {
    let mut found = validate(value, node, place, look);
    if let Look::Ratcheted(older) = look
        && !found.is_valid()
        && older.is_same(value)
    {
        found.errors.clear();
    }
    found
}

/// Looks at one value.
pub(super) fn validate(value: &Value, node: &Node, place: &Place<'_>, look: Look<'_>) -> Found {
    let mut found = Found::default();
    if value.is_null() {
        found.take(type_of(value, node, place));
        enumerated(value, node, place, &mut found);
        return found;
    }
    if node.kind.is_some() || node.int_or_string || node.format.is_some() {
        found.take(type_of(value, node, place));
        found.matched += 1;
    }
    found.take(logic::branches(value, node, place, look));
    found.matched += 1;
    match value {
        Value::String(text) => {
            string(text, node, place, &mut found);
            found.matched += 1 + u32::from(node.format.is_some());
        }
        Value::Number(number) => {
            number::limits(number, node, place, &mut found);
            found.matched += 2;
        }
        Value::Array(items) => {
            list(items, node, place, look, &mut found);
            found.matched += 2;
        }
        Value::Object(fields) => {
            object(fields, node, place, look, &mut found);
            found.matched += 1;
        }
        Value::Null | Value::Bool(_) => {}
    }
    enumerated(value, node, place, &mut found);
    found.matched += 2;
    found
}

/// The words for the types, as the server joins them.
fn wanted(node: &Node) -> &'static str {
    if node.int_or_string { "integer,string" } else { node.kind.map_or("", Type::name) }
}

fn actual(value: &Value) -> &'static str {
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

fn type_of(value: &Value, node: &Node, place: &Place<'_>) -> Found {
    let mut found = Found { matched: 1, ..Found::default() };
    let wanted_types = wanted(node);
    let says_type = !wanted_types.is_empty();
    if value.is_null() {
        if says_type && !node.nullable {
            return mistyped(place, wanted_types, "null");
        }
        return found;
    }
    let numeric = node.int_or_string || matches!(node.kind, Some(Type::Integer | Type::Number));
    let is = actual(value);
    if let Some(format) = &node.format {
        // A list passes where a string with a format is wanted: the server's own oversight.
        if matches!(value, Value::String(_) | Value::Array(_)) {
            if !numeric {
                return found;
            }
        } else if !fits(value, node) && number::own_format(value) != format.name() {
            return mistyped(place, format.name(), number::own_format(value));
        }
    }
    if !fits(value, node) {
        found = mistyped(place, wanted_types, is);
    }
    found
}

/// Whether a value is of the type that the schema says.
pub(super) fn fits(value: &Value, node: &Node) -> bool {
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

fn mistyped(place: &Place<'_>, wanted: &str, is: &str) -> Found {
    let mut found = Found::default();
    let detail = format!("{} in body must be of type {wanted}: {is:?}", place.dotted());
    found.say(place, ErrorKind::TypeInvalid, Some(format!("{is:?}")), detail);
    found
}

/// Go converts the value into the type of each enum value before it compares: `1.5` is cut to the integer `1`.
fn same_as_enum(value: &Value, one: &Value) -> bool {
    match (value, one) {
        (Value::Number(value), Value::Number(one)) => number::converted_equal(value, one),
        (Value::Number(value), Value::String(one)) => number::as_character(value).is_some_and(|text| text == *one),
        (Value::Null, _) | (_, Value::Null) => false,
        (value, one) => value == one,
    }
}

fn enumerated(value: &Value, node: &Node, place: &Place<'_>, found: &mut Found) {
    if node.values.is_empty() || node.values.iter().any(|one| same_as_enum(value, one)) {
        return;
    }
    let told: Vec<String> = node
        .values
        .iter()
        .map(|one| one.as_str().map_or_else(|| format!("{:?}", one.to_string()), |text| format!("{text:?}")))
        .collect();
    let detail = format!("supported values: {}", told.join(", "));
    found.say(place, ErrorKind::NotSupported, Some(printed(value)), detail);
}

/// The first that is broken is told.
fn string(text: &str, node: &Node, place: &Place<'_>, found: &mut Found) {
    let limits = &node.limits;
    let length = || i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let shown = || Some(format!("{text:?}"));
    if let Some(most) = limits.max_length.filter(|most| length() > *most) {
        let unit = if most == 1 { "byte" } else { "bytes" };
        found.say(place, ErrorKind::TooLong, None, format!("may not be more than {most} {unit}"));
    } else if let Some(least) = limits.min_length.filter(|least| length() < *least) {
        let detail = format!("{} in body should be at least {least} chars long", place.dotted());
        found.say(place, ErrorKind::Invalid, shown(), detail);
    } else if let Some(pattern) = &limits.pattern {
        match pattern.is_match(text) {
            Ok(true) => {}
            Ok(false) => {
                let detail = format!("{} in body should match '{}'", place.dotted(), pattern.text);
                found.say(place, ErrorKind::Invalid, shown(), detail);
            }
            Err(reason) => found.unsure.push(Unsure { path: place.dotted(), reason }),
        }
    }
    if let Some(format) = node.format.as_ref().filter(|format| !format.accepts(text)) {
        // The server's text repeats the value; here it would be the only place where one shows.
        let server = format!("{} in body must be of type {}: {text:?}", place.dotted(), format.name());
        let detail = format!("{} in body must be of type {}", place.dotted(), format.name());
        found
            .errors
            .push(SchemaError::new(place.dotted(), ErrorKind::TypeInvalid, shown(), detail).with_server_detail(server));
    }
}

fn list(items: &[Value], node: &Node, place: &Place<'_>, look: Look<'_>, found: &mut Found) {
    if let Some(below) = node.items.as_deref() {
        for (at, item) in items.iter().enumerate() {
            found.take(validate_below(item, below, &place.then(Step::Index(at)), look.item(item)));
        }
    }
    let size = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if let Some(least) = node.limits.min_items.filter(|least| size < *least) {
        let detail = format!("{} in body should have at least {least} items", place.dotted());
        found.say(place, ErrorKind::Invalid, Some(size.to_string()), detail);
    }
    if let Some(most) = node.limits.max_items.filter(|most| size > *most) {
        too_many(place, size, most, found);
    }
    if node.limits.unique_items && items.iter().enumerate().any(|(at, item)| items[..at].contains(item)) {
        let detail = format!("{} in body shouldn't contain duplicates", place.dotted());
        found.say(place, ErrorKind::Invalid, Some("\"\"".to_owned()), detail);
    }
}

fn too_many(place: &Place<'_>, size: i64, most: i64, found: &mut Found) {
    let unit = if most == 1 { "item" } else { "items" };
    let detail = format!("must have at most {most} {unit}");
    found.errors.push(SchemaError::shown(place.dotted(), ErrorKind::TooMany, size.to_string(), &detail));
}

fn object(fields: &Map<String, Value>, node: &Node, place: &Place<'_>, look: Look<'_>, found: &mut Found) {
    let size = i64::try_from(fields.len()).unwrap_or(i64::MAX);
    if let Some(least) = node.limits.min_properties.filter(|least| size < *least) {
        let detail = format!("{} in body should have at least {least} properties", place.dotted());
        found.say(place, ErrorKind::Invalid, Some(size.to_string()), detail);
    }
    if let Some(most) = node.limits.max_properties.filter(|most| size > *most) {
        too_many(place, size, most, found);
    }
    for (name, value) in fields {
        let here = place.then(Step::Field(name));
        if matches!(node.extra, Extra::None) && !node.properties.contains_key(name) {
            let detail = format!("{}.{name} in body is a forbidden property", place.dotted());
            found.say(place, ErrorKind::Invalid, Some(format!("{name:?}")), detail);
        } else if let Some((below, _)) = node.below(name) {
            found.take(validate_below(value, below, &here, look.field(name, place)));
        }
    }
    for name in node.required.iter().filter(|name| !fields.contains_key(*name)) {
        found.say(&place.then(Step::Field(name)), ErrorKind::Required, None, "");
    }
}
