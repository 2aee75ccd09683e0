//! `metadata`, of the resource and of embedded ones: read into `ObjectMeta` and back, then looked at
//! (apiextensions-apiserver `pkg/apiserver/schema/objectmeta`, apimachinery `pkg/api/validation/objectmeta.go`).

mod name_rules;

use serde_json::{Map, Value};

use super::error::{ErrorKind, SchemaError, format_go_value};
use super::node::Node;
use super::object_path::{ObjectPath, PathPart};

/// All annotations of an object together, in bytes (`TotalAnnotationSizeLimitB`).
const MAX_ANNOTATION_BYTES: usize = 256 << 10;

/// The kinds of JSON values that `ObjectMeta` holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MetaFieldType {
    String,
    Integer,
    StringList,
    StringMap,
    OwnerReferences,
    ManagedFields,
}

/// The fields of `ObjectMeta` (apimachinery `pkg/apis/meta/v1/types.go`).
const OBJECT_META_FIELDS: [(&str, MetaFieldType); 15] = [
    ("name", MetaFieldType::String),
    ("generateName", MetaFieldType::String),
    ("namespace", MetaFieldType::String),
    ("selfLink", MetaFieldType::String),
    ("uid", MetaFieldType::String),
    ("resourceVersion", MetaFieldType::String),
    ("generation", MetaFieldType::Integer),
    ("creationTimestamp", MetaFieldType::String),
    ("deletionTimestamp", MetaFieldType::String),
    ("deletionGracePeriodSeconds", MetaFieldType::Integer),
    ("labels", MetaFieldType::StringMap),
    ("annotations", MetaFieldType::StringMap),
    ("ownerReferences", MetaFieldType::OwnerReferences),
    ("finalizers", MetaFieldType::StringList),
    ("managedFields", MetaFieldType::ManagedFields),
];

/// Reads the metadata of the object and of every embedded resource, and writes it back as the server would.
pub(super) fn coerce(object: &mut Value, node: &Node, pruned: &mut Vec<String>, errors: &mut Vec<SchemaError>) {
    if let Value::Object(fields) = object {
        let typed = node.properties.get("metadata").is_some_and(|metadata| metadata.node.kind.is_some());
        coerce_resource(fields, typed, &ObjectPath::ROOT, pruned, errors);
    }
    walk_embedded(object, node, &ObjectPath::ROOT, &mut |fields, place| {
        coerce_resource(fields, false, place, pruned, errors);
    });
}

/// Calls `each` for every embedded resource below, the outer ones first.
fn walk_embedded(
    value: &mut Value,
    node: &Node,
    place: &ObjectPath<'_>,
    each: &mut dyn FnMut(&mut Map<String, Value>, &ObjectPath<'_>),
) {
    match value {
        Value::Object(fields) => {
            if node.is_embedded_resource && !place.is_root() {
                each(fields, place);
            }
            for (name, value) in fields.iter_mut() {
                let Some((below, named)) = node.child(name) else { continue };
                let step = if named { PathPart::Field(name) } else { PathPart::Key(name) };
                walk_embedded(value, below, &place.child(step), each);
            }
        }
        Value::Array(items) => {
            let Some(below) = node.items.as_deref() else { return };
            for (at, item) in items.iter_mut().enumerate() {
                walk_embedded(item, below, &place.child(PathPart::Index(at)), each);
            }
        }
        _ => {}
    }
}

fn coerce_resource(
    fields: &mut Map<String, Value>,
    typed: bool,
    place: &ObjectPath<'_>,
    pruned: &mut Vec<String>,
    errors: &mut Vec<SchemaError>,
) {
    for name in ["apiVersion", "kind"] {
        if let Some(value) = fields.get(name).filter(|value| !value.is_string()) {
            let path = place.child(PathPart::Field(name)).to_string();
            errors.push(SchemaError::new(path, ErrorKind::Invalid, Some(format_go_value(value)), "must be a string"));
        }
    }
    let here = place.child(PathPart::Field("metadata"));
    let Some(metadata) = fields.get_mut("metadata") else { return };
    match metadata {
        Value::Object(metadata) => coerce_meta(metadata, &here, pruned, errors),
        // Read into nothing, and nothing is what is left of it.
        Value::Null => *metadata = Value::Object(Map::new()),
        // Of the resource itself the schema says so.
        _ if place.is_root() && typed => {}
        other => {
            let shown = Some(format_go_value(other));
            errors.push(SchemaError::new(here.to_string(), ErrorKind::Invalid, shown, "must be an object"));
        }
    }
}

fn coerce_meta(
    metadata: &mut Map<String, Value>,
    place: &ObjectPath<'_>,
    pruned: &mut Vec<String>,
    errors: &mut Vec<SchemaError>,
) {
    metadata.retain(|name, value| {
        let here = place.child(PathPart::Field(name));
        let Some((_, shape)) = OBJECT_META_FIELDS.iter().find(|(known, _)| known == name) else {
            pruned.push(here.to_string());
            return false;
        };
        if !value.is_null() && !has_field_type(value, *shape) {
            let words = format!("{name} cannot be read as what ObjectMeta has there");
            errors.push(SchemaError::new(place.to_string(), ErrorKind::Invalid, Some("…".to_owned()), words));
        }
        !is_empty(value)
    });
}

fn has_field_type(value: &Value, shape: MetaFieldType) -> bool {
    let text_or_null = |value: &Value| value.is_string() || value.is_null();
    match shape {
        MetaFieldType::String => value.is_string(),
        MetaFieldType::Integer => value.is_i64(),
        MetaFieldType::StringList => value.as_array().is_some_and(|all| all.iter().all(text_or_null)),
        MetaFieldType::StringMap => value.as_object().is_some_and(|all| all.values().all(text_or_null)),
        MetaFieldType::OwnerReferences => value.as_array().is_some_and(|all| all.iter().all(is_owner_reference)),
        MetaFieldType::ManagedFields => value.as_array().is_some_and(|all| all.iter().all(Value::is_object)),
    }
}

fn is_owner_reference(value: &Value) -> bool {
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
pub(super) fn validate_on_create(object: &Value, errors: &mut Vec<SchemaError>) {
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else { return };
    let root = ObjectPath::ROOT;
    let place = root.child(PathPart::Field("metadata"));
    let here = place.child(PathPart::Field("name"));
    match get_str(metadata, "name") {
        "" if get_str(metadata, "generateName").is_empty() => {
            let words = "name or generateName is required";
            errors.push(SchemaError::new(here.to_string(), ErrorKind::Required, None, words));
        }
        "" => {}
        name => push_name_errors(&here, name, name_rules::check_subdomain(name), errors),
    }
    validate_common(metadata, &place, errors);
}

/// The resource's own metadata again, as an update looks at it.
pub(super) fn validate_on_update(object: &Value, errors: &mut Vec<SchemaError>) {
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else { return };
    validate_mutable_fields(metadata, &ObjectPath::ROOT.child(PathPart::Field("metadata")), errors);
}

fn get_str<'a>(metadata: &'a Map<String, Value>, name: &str) -> &'a str {
    metadata.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn push_name_errors(place: &ObjectPath<'_>, value: &str, wrong: Vec<String>, errors: &mut Vec<SchemaError>) {
    for words in wrong {
        errors.push(SchemaError::new(place.to_string(), ErrorKind::Invalid, Some(format!("{value:?}")), words));
    }
}

/// What a create looks at, beside the name.
fn validate_common(metadata: &Map<String, Value>, place: &ObjectPath<'_>, errors: &mut Vec<SchemaError>) {
    let namespace = get_str(metadata, "namespace");
    if !namespace.is_empty() {
        push_name_errors(
            &place.child(PathPart::Field("namespace")),
            namespace,
            name_rules::check_label(namespace),
            errors,
        );
    }
    let finalizers = metadata.get("finalizers").and_then(Value::as_array).into_iter().flatten();
    let here = place.child(PathPart::Field("finalizers"));
    for finalizer in finalizers.filter_map(Value::as_str) {
        push_name_errors(&here, finalizer, name_rules::check_qualified_name(finalizer), errors);
    }
    validate_mutable_fields(metadata, place, errors);
}

/// What an update looks at too (`ValidateObjectMetaAccessorUpdate`).
fn validate_mutable_fields(metadata: &Map<String, Value>, place: &ObjectPath<'_>, errors: &mut Vec<SchemaError>) {
    let entries = |name: &str| metadata.get(name).and_then(Value::as_object).into_iter().flatten();
    if metadata.get("generation").and_then(Value::as_i64).is_some_and(i64::is_negative) {
        let shown = metadata.get("generation").map(format_go_value);
        let path = place.child(PathPart::Field("generation")).to_string();
        errors.push(SchemaError::new(path, ErrorKind::Invalid, shown, "must be greater than or equal to 0"));
    }
    let here = place.child(PathPart::Field("labels"));
    for (key, value) in entries("labels") {
        push_name_errors(&here, key, name_rules::check_qualified_name(key), errors);
        let value = value.as_str().unwrap_or_default();
        push_name_errors(&here, value, name_rules::check_label_value(value), errors);
    }
    let here = place.child(PathPart::Field("annotations"));
    for (key, _) in entries("annotations") {
        push_name_errors(&here, key, name_rules::check_qualified_name(&key.to_lowercase()), errors);
    }
    let size: usize =
        entries("annotations").map(|(key, value)| key.len() + value.as_str().unwrap_or_default().len()).sum();
    if size > MAX_ANNOTATION_BYTES {
        let words = format!("may not be more than {MAX_ANNOTATION_BYTES} bytes");
        errors.push(SchemaError::new(here.to_string(), ErrorKind::TooLong, None, words));
    }
    validate_owner_references(metadata, place, errors);
}

fn validate_owner_references(metadata: &Map<String, Value>, place: &ObjectPath<'_>, errors: &mut Vec<SchemaError>) {
    let here = place.child(PathPart::Field("ownerReferences"));
    let all = metadata.get("ownerReferences").and_then(Value::as_array).into_iter().flatten();
    for (at, owner) in all.enumerate() {
        let here = here.child(PathPart::Index(at));
        for name in ["apiVersion", "kind", "name", "uid"] {
            if owner[name].as_str().unwrap_or_default().is_empty() {
                let path = here.child(PathPart::Field(name)).to_string();
                errors.push(SchemaError::new(path, ErrorKind::Required, None, "must not be empty"));
            }
        }
    }
}

/// Every embedded resource below.
pub(super) fn validate_embedded(object: &mut Value, node: &Node, errors: &mut Vec<SchemaError>) {
    walk_embedded(object, node, &ObjectPath::ROOT, &mut |fields, place| {
        validate_embedded_resource(fields, place, errors);
    });
}

fn validate_embedded_resource(fields: &Map<String, Value>, place: &ObjectPath<'_>, errors: &mut Vec<SchemaError>) {
    for name in ["apiVersion", "kind"] {
        let here = place.child(PathPart::Field(name));
        let wrong = match fields.get(name).map(Value::as_str) {
            None => {
                errors.push(SchemaError::new(here.to_string(), ErrorKind::Required, None, ""));
                continue;
            }
            Some(None) => continue,
            Some(Some("")) => vec!["must not be empty".to_owned()],
            Some(Some(kind)) if name == "kind" => name_rules::check_kind(kind),
            Some(Some(version)) if version.matches('/').count() > 1 => {
                vec![format!("unexpected GroupVersion string: {version}")]
            }
            Some(Some(_)) => continue,
        };
        push_name_errors(&here, fields[name].as_str().unwrap_or_default(), wrong, errors);
    }
    let Some(metadata) = fields.get("metadata").and_then(Value::as_object) else { return };
    let here = place.child(PathPart::Field("metadata"));
    let name = get_str(metadata, "name");
    if !name.is_empty() {
        push_name_errors(&here.child(PathPart::Field("name")), name, name_rules::check_path_segment(name), errors);
    }
    validate_common(metadata, &here, errors);
}
