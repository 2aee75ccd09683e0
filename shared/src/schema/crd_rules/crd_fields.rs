//! What stands beside the schemas: columns, scale paths, selectable fields, names, the approval of protected groups.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{get_str, iter_list};
use crate::model::rejection::Rejection;

/// Printer columns (`ValidateCustomResourceColumnDefinition`).
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
/// `MaxSelectableFields`
const MAX_SELECTABLE_FIELDS: usize = 8;
/// Keywords that may stand at the root beside a status subresource, as the server lists them.
const ROOT_KEYWORDS: [(&str, &str); 22] = [
    ("description", "Description"),
    ("type", "Type"),
    ("format", "Format"),
    ("title", "Title"),
    ("maximum", "Maximum"),
    ("exclusiveMaximum", "ExclusiveMaximum"),
    ("minimum", "Minimum"),
    ("exclusiveMinimum", "ExclusiveMinimum"),
    ("maxLength", "MaxLength"),
    ("minLength", "MinLength"),
    ("pattern", "Pattern"),
    ("maxItems", "MaxItems"),
    ("minItems", "MinItems"),
    ("uniqueItems", "UniqueItems"),
    ("multipleOf", "MultipleOf"),
    ("required", "Required"),
    ("items", "Items"),
    ("properties", "Properties"),
    ("externalDocs", "ExternalDocs"),
    ("example", "Example"),
    ("x-kubernetes-preserve-unknown-fields", "XPreserveUnknownFields"),
    ("x-kubernetes-validations", "XValidations"),
];
/// The other keywords that the server knows; what it does not know it drops.
const NON_ROOT_KEYWORDS: [&str; 22] = [
    "id",
    "$schema",
    "$ref",
    "patternProperties",
    "definitions",
    "dependencies",
    "additionalItems",
    "enum",
    "default",
    "additionalProperties",
    "nullable",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "maxProperties",
    "minProperties",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
];

/// Where a part of every version stands in the server's words: at the top where all share it.
fn locate_in_versions<'a>(new: &'a Value, key: &'a str) -> Vec<(String, &'a Value)> {
    let versions: Vec<&Value> = iter_list(&new["spec"]["versions"]).collect();
    let Some(first) = versions.first() else { return Vec::new() };
    if versions.iter().all(|version| version[key] == first[key]) {
        return vec![(format!("spec.{key}"), *first)];
    }
    versions.into_iter().enumerate().map(|(at, version)| (format!("spec.versions[{at}].{key}"), version)).collect()
}

/// Refusals of all of it.
pub(super) fn check_outside_schemas(old: Option<&Value>, new: &Value) -> Vec<Rejection> {
    let mut all = check_names(new);
    for (place, version) in locate_in_versions(new, "additionalPrinterColumns") {
        for (at, column) in iter_list(&version["additionalPrinterColumns"]).enumerate() {
            check_column(column, &format!("{place}[{at}]"), &mut all);
        }
    }
    for (place, version) in locate_in_versions(new, "subresources") {
        check_scale(&version["subresources"]["scale"], &format!("{place}.scale"), &mut all);
    }
    let at_top = |key: &str| locate_in_versions(new, key).len() == 1;
    let (fields_at_top, schema_at_top) = (at_top("selectableFields"), at_top("schema"));
    for (place, version) in locate_in_versions(new, "selectableFields") {
        let has_fields = iter_list(&version["selectableFields"]).count() > 0;
        // The server keeps what all versions share at the top, and wants the two together.
        let together = fields_at_top == schema_at_top && version["schema"]["openAPIV3Schema"].is_object();
        if has_fields && !together {
            let when = if fields_at_top {
                "validations.schema is included"
            } else {
                "`version.schema.openAPIV3Schema` is not included"
            };
            all.push(Rejection::new(place, format!("Invalid value: \"\": may only be set when {when}")));
        } else {
            check_selectable_fields(version, &place, &mut all);
        }
    }
    all.extend(check_approval(old, new));
    all
}

fn check_names(new: &Value) -> Vec<Rejection> {
    let names = &new["spec"]["names"];
    let mut all = Vec::new();
    for key in ["kind", "plural"] {
        if get_str(names, key).is_empty() {
            all.push(Rejection::new(format!("spec.names.{key}"), "Required value"));
        }
    }
    let kind = get_str(names, "kind");
    if !kind.is_empty() && kind == get_str(names, "listKind") {
        let words = format!("Invalid value: {kind:?}: kind and listKind may not be the same");
        all.push(Rejection::new("spec.names.listKind", words));
    }
    all
}

fn check_column(column: &Value, place: &str, all: &mut Vec<Rejection>) {
    let mut push_rejection = |key: &str, words: String| all.push(Rejection::new(format!("{place}.{key}"), words));
    let format_one_of = |value: &str, known: &[&str]| match value {
        "" => format!("Required value: must be one of {}", known.join(",")),
        other => format!("Invalid value: {other:?}: must be one of {}", known.join(",")),
    };
    let (kind, format, path) = (get_str(column, "type"), get_str(column, "format"), get_str(column, "jsonPath"));
    if get_str(column, "name").is_empty() {
        push_rejection("name", "Required value".to_owned());
    }
    if !COLUMN_TYPES.contains(&kind) {
        push_rejection("type", format_one_of(kind, &["boolean", "date", "integer", "number", "string"]));
    }
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        push_rejection("format", format_one_of(format, &COLUMN_FORMATS));
    }
    if path.is_empty() {
        push_rejection("JSONPath", "Required value".to_owned());
    } else if !path.starts_with('.') {
        push_rejection("JSONPath", format!("Invalid value: {path:?}: must be a simple json path starting with ."));
    }
}

fn check_scale(scale: &Value, place: &str, all: &mut Vec<Rejection>) {
    if !scale.is_object() {
        return;
    }
    let roots = |key: &str| match key {
        "specReplicasPath" => (&[".spec."][..], "under .spec"),
        "statusReplicasPath" => (&[".status."][..], "under .status"),
        _ => (&[".spec.", ".status."][..], "under either .spec or .status"),
    };
    for key in ["specReplicasPath", "statusReplicasPath", "labelSelectorPath"] {
        let (path, (starts, under)) = (get_str(scale, key), roots(key));
        let words = if path.is_empty() && key == "labelSelectorPath" {
            continue;
        } else if path.is_empty() {
            "Required value".to_owned()
        } else if !path.starts_with('.') {
            format!("Invalid value: {path:?}: must be a simple json path starting with .")
        } else if !starts.iter().any(|start| path.starts_with(start)) {
            format!("Invalid value: {path:?}: should be a json path {under}")
        } else {
            continue;
        };
        all.push(Rejection::new(format!("{place}.{key}"), words));
    }
}

/// Only paths of named fields are followed here: what else may stand in one is left to the server.
fn check_selectable_fields(version: &Value, place: &str, all: &mut Vec<Rejection>) {
    let mut paths = BTreeSet::new();
    for (at, field) in iter_list(&version["selectableFields"]).enumerate() {
        let (path, here) = (get_str(field, "jsonPath"), format!("{place}[{at}].jsonPath"));
        let mut push_rejection = |words: String| all.push(Rejection::new(here.clone(), words));
        if path.is_empty() {
            push_rejection("Required value".to_owned());
            continue;
        }
        let names = path.strip_prefix('.').map(|rest| rest.split('.'));
        let schema = &version["schema"]["openAPIV3Schema"];
        let found = names.and_then(|mut names| names.try_fold(schema, |here, name| here["properties"].get(name)));
        let Some(found) = found else {
            push_rejection(format!("Invalid value: {path:?}: is an invalid path"));
            continue;
        };
        if path.starts_with(".metadata") {
            push_rejection(format!("Invalid value: {path:?}: must not point to fields in metadata"));
        }
        if !matches!(get_str(found, "type"), "string" | "boolean" | "integer") {
            let words = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                         formats are allowed.";
            push_rejection(format!("Invalid value: {path:?}: {words}"));
        }
        if !paths.insert(path) {
            push_rejection(format!("Duplicate value: {path:?}"));
        }
    }
    if paths.len() > MAX_SELECTABLE_FIELDS {
        let words = format!("Too many: {}: must have at most {MAX_SELECTABLE_FIELDS} items", paths.len());
        all.push(Rejection::new(place, words));
    }
}

/// `api-approved.kubernetes.io` (`pkg/apihelpers/helpers.go`): not asked for where it is what it was.
fn check_approval(old: Option<&Value>, new: &Value) -> Option<Rejection> {
    const KEY: &str = "api-approved.kubernetes.io";
    let group = get_str(&new["spec"], "group");
    if !["k8s.io", "kubernetes.io"].iter().any(|own| group == *own || group.ends_with(&format!(".{own}"))) {
        return None;
    }
    let of = |crd: &Value| {
        let value = crd["metadata"]["annotations"][KEY].as_str().unwrap_or_default().to_owned();
        let url = value.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
        (value.is_empty(), value.starts_with("unapproved"), url)
    };
    let state = of(new);
    if old.map(of) == Some(state) || state.1 || state.2 {
        return None;
    }
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    let must = format!("protected groups must have approval annotation {KEY:?}");
    let words = if state.0 {
        format!("Required value: {must}, {see}")
    } else {
        format!("Invalid value: {must} with either a URL or a reason starting with \"unapproved\", {see}")
    };
    Some(Rejection::new(format!("metadata.annotations[{KEY}]"), words))
}

/// With a status subresource only some keywords are allowed at the root: rules on `status` must not be lost.
pub(super) fn check_root_keywords(schema: &Value, path: &str) -> Vec<Rejection> {
    let kind = get_str(schema, "type");
    if !kind.is_empty() && kind != "object" {
        let words =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        return vec![Rejection::new(format!("{path}.type"), format!("Invalid value: {kind:?}: {words}"))];
    }
    let set = |key: &&str| match &schema[*key] {
        Value::Null | Value::Bool(false) if *key != "additionalProperties" => false,
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    if !NON_ROOT_KEYWORDS.iter().any(set) {
        return Vec::new();
    }
    let allowed: Vec<&str> = ROOT_KEYWORDS.iter().map(|(_, name)| *name).collect();
    let words = format!(
        "Invalid value: only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
        allowed.join(" ")
    );
    vec![Rejection::new(path, words)]
}
