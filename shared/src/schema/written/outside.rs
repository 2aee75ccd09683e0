//! What stands beside the schemas: columns, scale paths, selectable fields, names, the approval of protected groups.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{list, text};
use crate::model::refusal::Refusal;

/// Printer columns (`ValidateCustomResourceColumnDefinition`).
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
/// `MaxSelectableFields`
const MOST_SELECTABLE: usize = 8;
/// Keywords that may stand at the root beside a status subresource, as the server lists them.
const AT_ROOT: [(&str, &str); 22] = [
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
const NOT_AT_ROOT: [&str; 22] = [
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
fn places<'a>(new: &'a Value, key: &'a str) -> Vec<(String, &'a Value)> {
    let versions: Vec<&Value> = list(&new["spec"]["versions"]).collect();
    let Some(first) = versions.first() else { return Vec::new() };
    if versions.iter().all(|version| version[key] == first[key]) {
        return vec![(format!("spec.{key}"), *first)];
    }
    versions.into_iter().enumerate().map(|(at, version)| (format!("spec.versions[{at}].{key}"), version)).collect()
}

/// Refusals of all of it.
pub(super) fn refused(old: Option<&Value>, new: &Value) -> Vec<Refusal> {
    let mut all = names(new);
    for (place, version) in places(new, "additionalPrinterColumns") {
        for (at, column) in list(&version["additionalPrinterColumns"]).enumerate() {
            of_column(column, &format!("{place}[{at}]"), &mut all);
        }
    }
    for (place, version) in places(new, "subresources") {
        of_scale(&version["subresources"]["scale"], &format!("{place}.scale"), &mut all);
    }
    let at_top = |key: &str| places(new, key).len() == 1;
    let (fields_at_top, schema_at_top) = (at_top("selectableFields"), at_top("schema"));
    for (place, version) in places(new, "selectableFields") {
        let named = list(&version["selectableFields"]).count() > 0;
        // The server keeps what all versions share at the top, and wants the two together.
        let together = fields_at_top == schema_at_top && version["schema"]["openAPIV3Schema"].is_object();
        if named && !together {
            let when = if fields_at_top {
                "validations.schema is included"
            } else {
                "`version.schema.openAPIV3Schema` is not included"
            };
            all.push(Refusal::new(place, format!("Invalid value: \"\": may only be set when {when}")));
        } else {
            selectable(version, &place, &mut all);
        }
    }
    all.extend(approval(old, new));
    all
}

fn names(new: &Value) -> Vec<Refusal> {
    let names = &new["spec"]["names"];
    let mut all = Vec::new();
    for key in ["kind", "plural"] {
        if text(names, key).is_empty() {
            all.push(Refusal::new(format!("spec.names.{key}"), "Required value"));
        }
    }
    let kind = text(names, "kind");
    if !kind.is_empty() && kind == text(names, "listKind") {
        let words = format!("Invalid value: {kind:?}: kind and listKind may not be the same");
        all.push(Refusal::new("spec.names.listKind", words));
    }
    all
}

fn of_column(column: &Value, place: &str, all: &mut Vec<Refusal>) {
    let mut say = |key: &str, words: String| all.push(Refusal::new(format!("{place}.{key}"), words));
    let one_of = |value: &str, known: &[&str]| match value {
        "" => format!("Required value: must be one of {}", known.join(",")),
        other => format!("Invalid value: {other:?}: must be one of {}", known.join(",")),
    };
    let (kind, format, path) = (text(column, "type"), text(column, "format"), text(column, "jsonPath"));
    if text(column, "name").is_empty() {
        say("name", "Required value".to_owned());
    }
    if !COLUMN_TYPES.contains(&kind) {
        say("type", one_of(kind, &["boolean", "date", "integer", "number", "string"]));
    }
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        say("format", one_of(format, &COLUMN_FORMATS));
    }
    if path.is_empty() {
        say("JSONPath", "Required value".to_owned());
    } else if !path.starts_with('.') {
        say("JSONPath", format!("Invalid value: {path:?}: must be a simple json path starting with ."));
    }
}

fn of_scale(scale: &Value, place: &str, all: &mut Vec<Refusal>) {
    if !scale.is_object() {
        return;
    }
    let roots = |key: &str| match key {
        "specReplicasPath" => (&[".spec."][..], "under .spec"),
        "statusReplicasPath" => (&[".status."][..], "under .status"),
        _ => (&[".spec.", ".status."][..], "under either .spec or .status"),
    };
    for key in ["specReplicasPath", "statusReplicasPath", "labelSelectorPath"] {
        let (path, (starts, under)) = (text(scale, key), roots(key));
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
        all.push(Refusal::new(format!("{place}.{key}"), words));
    }
}

/// Only paths of named fields are followed here: what else may stand in one is left to the server.
fn selectable(version: &Value, place: &str, all: &mut Vec<Refusal>) {
    let mut seen = BTreeSet::new();
    for (at, field) in list(&version["selectableFields"]).enumerate() {
        let (path, here) = (text(field, "jsonPath"), format!("{place}[{at}].jsonPath"));
        let mut say = |words: String| all.push(Refusal::new(here.clone(), words));
        if path.is_empty() {
            say("Required value".to_owned());
            continue;
        }
        let names = path.strip_prefix('.').map(|rest| rest.split('.'));
        let schema = &version["schema"]["openAPIV3Schema"];
        let found = names.and_then(|mut names| names.try_fold(schema, |here, name| here["properties"].get(name)));
        let Some(found) = found else {
            say(format!("Invalid value: {path:?}: is an invalid path"));
            continue;
        };
        if path.starts_with(".metadata") {
            say(format!("Invalid value: {path:?}: must not point to fields in metadata"));
        }
        if !matches!(text(found, "type"), "string" | "boolean" | "integer") {
            let words = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                         formats are allowed.";
            say(format!("Invalid value: {path:?}: {words}"));
        }
        if !seen.insert(path) {
            say(format!("Duplicate value: {path:?}"));
        }
    }
    if seen.len() > MOST_SELECTABLE {
        let words = format!("Too many: {}: must have at most {MOST_SELECTABLE} items", seen.len());
        all.push(Refusal::new(place, words));
    }
}

/// `api-approved.kubernetes.io` (`pkg/apihelpers/helpers.go`): not asked for where it is what it was.
fn approval(old: Option<&Value>, new: &Value) -> Option<Refusal> {
    const KEY: &str = "api-approved.kubernetes.io";
    let group = text(&new["spec"], "group");
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
    Some(Refusal::new(format!("metadata.annotations[{KEY}]"), words))
}

/// With a status subresource only some keywords may stand at the root: what is said of `status` must not be lost.
pub(super) fn under_status(schema: &Value, path: &str) -> Vec<Refusal> {
    let kind = text(schema, "type");
    if !kind.is_empty() && kind != "object" {
        let words =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        return vec![Refusal::new(format!("{path}.type"), format!("Invalid value: {kind:?}: {words}"))];
    }
    let set = |key: &&str| match &schema[*key] {
        Value::Null | Value::Bool(false) if *key != "additionalProperties" => false,
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    if !NOT_AT_ROOT.iter().any(set) {
        return Vec::new();
    }
    let allowed: Vec<&str> = AT_ROOT.iter().map(|(_, name)| *name).collect();
    let words = format!(
        "Invalid value: only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
        allowed.join(" ")
    );
    vec![Refusal::new(path, words)]
}
