//! Whether the API server serves a CRD's schema: a version's `openAPIV3Schema` against the OpenAPI v3 definition that
//! the server publishes for the kind.
//!
//! What the server adds and leaves out on publishing is defined in apiextensions-apiserver
//! `pkg/controller/openapi/builder/builder.go`, and seen on a real 1.37.2.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::path::SchemaPath;
use super::{ChangeKind, TextChange, compare_schemas, normalise};

/// Compares the schema of a CRD's version with the published definition of its kind.
///
/// The server's own additions are put aside first: apiVersion, kind and metadata at the root and in embedded resources,
/// and `x-kubernetes-group-version-kind`. Examples, external documentation and keywords that `JSONSchemaProps` does not
/// know are not published.
///
/// # Errors
/// The positions that differ, sorted.
pub fn compare_served_schema(schema: &Value, definition: &Value) -> Result<(), Vec<SchemaPath>> {
    let wanted = normalise_published(schema, true);
    let served = normalise_published(definition, true);
    let unpublished = |kind: &ChangeKind| {
        let documentation =
            matches!(kind, ChangeKind::Text(TextChange::Example { .. } | TextChange::ExternalDocs { .. }));
        documentation || matches!(kind, ChangeKind::Unknown(_))
    };
    let changes = compare_schemas(&wanted, &served).into_iter().filter(|change| !unpublished(&change.kind));
    let paths: BTreeSet<SchemaPath> = changes.filter_map(|change| change.path).collect();
    if paths.is_empty() { Ok(()) } else { Err(paths.into_iter().collect()) }
}

/// What both sides have in common: the schema without what every object has.
fn normalise_published(schema: &Value, is_object: bool) -> Value {
    let Value::Object(mut all) = normalise(schema) else { return schema.clone() };
    let is_object = is_object || all.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true));
    all.remove("x-kubernetes-group-version-kind");
    all.remove("x-kubernetes-selectable-fields");
    if is_object {
        remove_object_fields(&mut all);
    }
    if let Some(Value::Object(properties)) = all.get_mut("properties") {
        for inner in properties.values_mut() {
            *inner = normalise_published(inner, false);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = all.get_mut(key).filter(|inner| inner.is_object()) {
            *inner = normalise_published(inner, false);
        }
    }
    Value::Object(all)
}

fn remove_object_fields(schema: &mut Map<String, Value>) {
    let object_fields = ["apiVersion", "kind", "metadata"];
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| !object_fields.contains(&name.as_str()));
        if properties.is_empty() {
            schema.remove("properties");
        }
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| !object_fields.iter().any(|object_fields| name == object_fields));
        if required.is_empty() {
            schema.remove("required");
        }
    }
}
