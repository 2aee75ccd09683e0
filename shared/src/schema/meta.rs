//! `metadata`, of the resource and of embedded ones: read into `ObjectMeta` and back, then looked at
//! (apiextensions-apiserver `pkg/apiserver/schema/objectmeta`, apimachinery `pkg/api/validation/objectmeta.go`).

mod names;

use serde_json::{Map, Value};

use super::node::Node;
use super::place::{Place, Step};
use super::said::{ErrorKind, SchemaError, printed};

/// All annotations of an object together, in bytes (`TotalAnnotationSizeLimitB`).
const ANNOTATIONS_LIMIT: usize = 256 << 10;

/// The kinds of JSON values that `ObjectMeta` holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Whole,
    Texts,
    TextMap,
    Owners,
    Managers,
}

/// The fields of `ObjectMeta` (apimachinery `pkg/apis/meta/v1/types.go`).
const FIELDS: [(&str, Shape); 15] = [
    ("name", Shape::Text),
    ("generateName", Shape::Text),
    ("namespace", Shape::Text),
    ("selfLink", Shape::Text),
    ("uid", Shape::Text),
    ("resourceVersion", Shape::Text),
    ("generation", Shape::Whole),
    ("creationTimestamp", Shape::Text),
    ("deletionTimestamp", Shape::Text),
    ("deletionGracePeriodSeconds", Shape::Whole),
    ("labels", Shape::TextMap),
    ("annotations", Shape::TextMap),
    ("ownerReferences", Shape::Owners),
    ("finalizers", Shape::Texts),
    ("managedFields", Shape::Managers),
];

/// Reads the metadata of the object and of every embedded resource, and writes it back as the server would.
pub(super) fn coerce(object: &mut Value, node: &Node, pruned: &mut Vec<String>, errors: &mut Vec<SchemaError>) {
    if let Value::Object(fields) = object {
        let typed = node.properties.get("metadata").is_some_and(|metadata| metadata.node.kind.is_some());
        coerce_resource(fields, typed, &Place::ROOT, pruned, errors);
    }
    walk(object, node, &Place::ROOT, &mut |fields, place| coerce_resource(fields, false, place, pruned, errors));
}

/// Calls `each` for every embedded resource below, the outer ones first.
fn walk(value: &mut Value, node: &Node, place: &Place<'_>, each: &mut dyn FnMut(&mut Map<String, Value>, &Place<'_>)) {
    match value {
        Value::Object(fields) => {
            if node.embedded && !place.is_root() {
                each(fields, place);
            }
            for (name, value) in fields.iter_mut() {
                let Some((below, named)) = node.below(name) else { continue };
                let step = if named { Step::Field(name) } else { Step::Key(name) };
                walk(value, below, &place.then(step), each);
            }
        }
        Value::Array(items) => {
            let Some(below) = node.items.as_deref() else { return };
            for (at, item) in items.iter_mut().enumerate() {
                walk(item, below, &place.then(Step::Index(at)), each);
            }
        }
        _ => {}
    }
}

fn coerce_resource(
    fields: &mut Map<String, Value>,
    typed: bool,
    place: &Place<'_>,
    pruned: &mut Vec<String>,
    errors: &mut Vec<SchemaError>,
) {
    for name in ["apiVersion", "kind"] {
        if let Some(value) = fields.get(name).filter(|value| !value.is_string()) {
            let path = place.then(Step::Field(name)).to_string();
            errors.push(SchemaError::new(path, ErrorKind::Invalid, Some(printed(value)), "must be a string"));
        }
    }
    let here = place.then(Step::Field("metadata"));
    let Some(metadata) = fields.get_mut("metadata") else { return };
    match metadata {
        Value::Object(metadata) => coerce_meta(metadata, &here, pruned, errors),
        // Read into nothing, and nothing is what is left of it.
        Value::Null => *metadata = Value::Object(Map::new()),
        // Of the resource itself the schema says so.
        _ if place.is_root() && typed => {}
        other => {
            let shown = Some(printed(other));
            errors.push(SchemaError::new(here.to_string(), ErrorKind::Invalid, shown, "must be an object"));
        }
    }
}

fn coerce_meta(
    metadata: &mut Map<String, Value>,
    place: &Place<'_>,
    pruned: &mut Vec<String>,
    errors: &mut Vec<SchemaError>,
) {
    metadata.retain(|name, value| {
        let here = place.then(Step::Field(name));
        let Some((_, shape)) = FIELDS.iter().find(|(known, _)| known == name) else {
            pruned.push(here.to_string());
            return false;
        };
        if !value.is_null() && !has_shape(value, *shape) {
            let words = format!("{name} cannot be read as what ObjectMeta has there");
            errors.push(SchemaError::new(place.to_string(), ErrorKind::Invalid, Some("…".to_owned()), words));
        }
        !is_empty(value)
    });
}

fn has_shape(value: &Value, shape: Shape) -> bool {
    let text_or_null = |value: &Value| value.is_string() || value.is_null();
    match shape {
        Shape::Text => value.is_string(),
        Shape::Whole => value.is_i64(),
        Shape::Texts => value.as_array().is_some_and(|all| all.iter().all(text_or_null)),
        Shape::TextMap => value.as_object().is_some_and(|all| all.values().all(text_or_null)),
        Shape::Owners => value.as_array().is_some_and(|all| all.iter().all(is_owner)),
        Shape::Managers => value.as_array().is_some_and(|all| all.iter().all(Value::is_object)),
    }
}

fn is_owner(value: &Value) -> bool {
    value.as_object().is_some_and(|owner| {
        owner.iter().all(|(name, value)| match name.as_str() {
            "apiVersion" | "kind" | "name" | "uid" => value.is_string() || value.is_null(),
            "controller" | "blockOwnerDeletion" => value.is_boolean() || value.is_null(),
            _ => true,
        })
    })
}

/// What a Go struct leaves out when it is written.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(_) => false,
    }
}

/// The resource's own metadata, as at its creation. Its namespace comes with the request and is not asked for here.
pub(super) fn own(object: &Value, errors: &mut Vec<SchemaError>) {
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else { return };
    let root = Place::ROOT;
    let place = root.then(Step::Field("metadata"));
    let here = place.then(Step::Field("name"));
    match text(metadata, "name") {
        "" if text(metadata, "generateName").is_empty() => {
            let words = "name or generateName is required";
            errors.push(SchemaError::new(here.to_string(), ErrorKind::Required, None, words));
        }
        "" => {}
        name => named(&here, name, names::subdomain(name), errors),
    }
    common(metadata, &place, errors);
}

/// The resource's own metadata again, as an update looks at it.
pub(super) fn own_again(object: &Value, errors: &mut Vec<SchemaError>) {
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else { return };
    each_time(metadata, &Place::ROOT.then(Step::Field("metadata")), errors);
}

fn text<'a>(metadata: &'a Map<String, Value>, name: &str) -> &'a str {
    metadata.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn named(place: &Place<'_>, value: &str, wrong: Vec<String>, errors: &mut Vec<SchemaError>) {
    for words in wrong {
        errors.push(SchemaError::new(place.to_string(), ErrorKind::Invalid, Some(format!("{value:?}")), words));
    }
}

/// What a create looks at, beside the name.
fn common(metadata: &Map<String, Value>, place: &Place<'_>, errors: &mut Vec<SchemaError>) {
    let namespace = text(metadata, "namespace");
    if !namespace.is_empty() {
        named(&place.then(Step::Field("namespace")), namespace, names::label(namespace), errors);
    }
    let finalizers = metadata.get("finalizers").and_then(Value::as_array).into_iter().flatten();
    let here = place.then(Step::Field("finalizers"));
    for finalizer in finalizers.filter_map(Value::as_str) {
        named(&here, finalizer, names::qualified(finalizer), errors);
    }
    each_time(metadata, place, errors);
}

/// What an update looks at too (`ValidateObjectMetaAccessorUpdate`).
fn each_time(metadata: &Map<String, Value>, place: &Place<'_>, errors: &mut Vec<SchemaError>) {
    let entries = |name: &str| metadata.get(name).and_then(Value::as_object).into_iter().flatten();
    if metadata.get("generation").and_then(Value::as_i64).is_some_and(i64::is_negative) {
        let shown = metadata.get("generation").map(printed);
        let path = place.then(Step::Field("generation")).to_string();
        errors.push(SchemaError::new(path, ErrorKind::Invalid, shown, "must be greater than or equal to 0"));
    }
    let here = place.then(Step::Field("labels"));
    for (key, value) in entries("labels") {
        named(&here, key, names::qualified(key), errors);
        let value = value.as_str().unwrap_or_default();
        named(&here, value, names::label_value(value), errors);
    }
    let here = place.then(Step::Field("annotations"));
    for (key, _) in entries("annotations") {
        named(&here, key, names::qualified(&key.to_lowercase()), errors);
    }
    let size: usize =
        entries("annotations").map(|(key, value)| key.len() + value.as_str().unwrap_or_default().len()).sum();
    if size > ANNOTATIONS_LIMIT {
        let words = format!("may not be more than {ANNOTATIONS_LIMIT} bytes");
        errors.push(SchemaError::new(here.to_string(), ErrorKind::TooLong, None, words));
    }
    owners(metadata, place, errors);
}

fn owners(metadata: &Map<String, Value>, place: &Place<'_>, errors: &mut Vec<SchemaError>) {
    let here = place.then(Step::Field("ownerReferences"));
    let all = metadata.get("ownerReferences").and_then(Value::as_array).into_iter().flatten();
    for (at, owner) in all.enumerate() {
        let here = here.then(Step::Index(at));
        for name in ["apiVersion", "kind", "name", "uid"] {
            if owner[name].as_str().unwrap_or_default().is_empty() {
                let path = here.then(Step::Field(name)).to_string();
                errors.push(SchemaError::new(path, ErrorKind::Required, None, "must not be empty"));
            }
        }
    }
}

/// Every embedded resource below.
pub(super) fn embedded(object: &mut Value, node: &Node, errors: &mut Vec<SchemaError>) {
    walk(object, node, &Place::ROOT, &mut |fields, place| embedded_resource(fields, place, errors));
}

fn embedded_resource(fields: &Map<String, Value>, place: &Place<'_>, errors: &mut Vec<SchemaError>) {
    for name in ["apiVersion", "kind"] {
        let here = place.then(Step::Field(name));
        let wrong = match fields.get(name).map(Value::as_str) {
            None => {
                errors.push(SchemaError::new(here.to_string(), ErrorKind::Required, None, ""));
                continue;
            }
            Some(None) => continue,
            Some(Some("")) => vec!["must not be empty".to_owned()],
            Some(Some(kind)) if name == "kind" => names::kind(kind),
            Some(Some(version)) if version.matches('/').count() > 1 => {
                vec![format!("unexpected GroupVersion string: {version}")]
            }
            Some(Some(_)) => continue,
        };
        named(&here, fields[name].as_str().unwrap_or_default(), wrong, errors);
    }
    let Some(metadata) = fields.get("metadata").and_then(Value::as_object) else { return };
    let here = place.then(Step::Field("metadata"));
    let name = text(metadata, "name");
    if !name.is_empty() {
        named(&here.then(Step::Field("name")), name, names::path_segment(name), errors);
    }
    common(metadata, &here, errors);
}
