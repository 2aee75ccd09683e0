//! What the API server says when a CRD is written: of its schemas, its columns, its paths
//! (apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go`), known without asking it.
//!
//! What the older CRD broke already is forgiven where the server forgives it. Not done here: the types and the estimated cost
//! of CEL rules, and rules over defaults; what a rule needs of the server is a finding of its own.

mod crd_fields;
mod defaults;
mod list_type;
mod openapi;
mod structural;

use serde_json::Value;

use crate::model::rejection::Rejection;

/// The server's kinds of a type.
const OPENAPI_TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Why the API server would not take this CRD, besides what [`crate::diff::server_refusals`] knows of its versions and names.
///
/// `old` is the CRD that it replaces.
#[must_use]
pub fn predict_schema_rejections(old: Option<&Value>, new: &Value) -> Vec<Rejection> {
    if new["apiVersion"] == "apiextensions.k8s.io/v1beta1" {
        return Vec::new();
    }
    let mut all = crd_fields::check_outside_schemas(old, new);
    all.extend(check_preserved_defaults(new));
    let options = ValidationOptions::new(old, new);
    let versions: Vec<&Value> = iter_list(&new["spec"]["versions"]).collect();
    // The server keeps what all versions share at the top, and names it there.
    let shared = versions.iter().all(|version| version["schema"] == versions[0]["schema"]);
    let has_status = |version: &Value| version["subresources"]["status"].is_object();
    for (at, version) in versions.iter().enumerate().filter(|(at, _)| *at == 0 || !shared) {
        let status = if shared { versions.iter().any(|one| has_status(one)) } else { has_status(version) };
        let path = if shared { "spec.validation".to_owned() } else { format!("spec.versions[{at}].schema") };
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_object() {
            check_schema(schema, &format!("{path}.openAPIV3Schema"), status, options, &mut all);
        }
    }
    all
}

/// Why the API server would refuse to apply this manifest, whatever it says: one that was exported from a cluster still holds the
/// managed fields (apimachinery `pkg/util/managedfields`, <https://github.com/kubernetes/kubernetes/issues/81453>).
#[must_use]
pub fn predict_apply_rejection(manifest: &Value) -> Option<&'static str> {
    let managed_fields = manifest["metadata"]["managedFields"].as_array();
    managed_fields.is_some_and(|entries| !entries.is_empty()).then_some("metadata.managedFields must be nil")
}

/// The rules for a schema. A rule that the old CRD broke already does not apply.
#[derive(Debug, Clone, Copy)]
pub(super) struct ValidationOptions {
    require_structural_schema: bool,
    require_known_types: bool,
    require_pruned_defaults: bool,
    require_atomic_set_type: bool,
    require_map_list_keys: bool,
}

impl ValidationOptions {
    fn new(old: Option<&Value>, new: &Value) -> Self {
        let broke = |test: &dyn Fn(&Value) -> bool| old.into_iter().flat_map(iter_schemas).any(test);
        let prunes = new["spec"]["preserveUnknownFields"] != true;
        let extended =
            || iter_schemas(new).any(|schema| has_match_within(schema, &|here| has_default(here) || is_extended(here)));
        Self {
            require_structural_schema: prunes || extended() || !broke(&|schema| !structural::is_structural(schema)),
            require_known_types: !broke(&|schema| has_match_within(schema, &|here| !openapi::is_known_type(here))),
            require_pruned_defaults: !broke(&defaults::has_unpruned_default),
            require_atomic_set_type: !broke(&|schema| {
                has_match_within(schema, &|here| list_type::find_non_atomic_item(here).is_some())
            }),
            require_map_list_keys: !broke(&|schema| {
                has_match_within(schema, &|here| !list_type::check_map_keys("", here).is_empty())
            }),
        }
    }
}

fn check_schema(schema: &Value, path: &str, status: bool, options: ValidationOptions, all: &mut Vec<Rejection>) {
    let mut rejections = if status { crd_fields::check_root_keywords(schema, path) } else { Vec::new() };
    if is_flag_set(schema, "nullable") {
        rejections.push(Rejection::new(format!("{path}.nullable"), "Forbidden: nullable cannot be true at the root"));
    }
    let (mut unreadable, mut undetermined) = (None, false);
    if options.require_structural_schema {
        unreadable = structural::find_unreadable(schema);
        if unreadable.is_none() {
            let found = structural::check_structural(schema, path);
            let sound = found.is_empty();
            rejections.extend(found);
            if sound {
                let said = defaults::check_defaults(schema, path, options.require_pruned_defaults);
                rejections.extend(said.rejections);
                undetermined = said.is_undetermined;
            }
        }
    }
    rejections.extend(openapi::check_openapi(schema, path, options));
    // Rules are looked at where the rest is right.
    if rejections.is_empty() && options.require_structural_schema && !undetermined {
        rejections.extend(openapi::check_transition_rules(schema, path));
    }
    // It overlaps with a message above.
    if let Some(words) = unreadable.filter(|_| rejections.is_empty()) {
        rejections.push(Rejection::new(path, format!("Invalid value: \"\": {words}")));
    }
    all.append(&mut rejections);
}

fn check_preserved_defaults(new: &Value) -> Option<Rejection> {
    let defaults = new["spec"]["preserveUnknownFields"] == true
        && iter_schemas(new).any(|schema| has_match_within(schema, &has_default));
    let words = "Invalid value: true: must be false in order to use defaults in the schema";
    defaults.then(|| Rejection::new("spec.preserveUnknownFields", words))
}

/// Every schema of a CRD.
fn iter_schemas(crd: &Value) -> impl Iterator<Item = &Value> {
    let top = &crd["spec"]["validation"]["openAPIV3Schema"];
    let each = iter_list(&crd["spec"]["versions"]).map(|version| &version["schema"]["openAPIV3Schema"]);
    each.chain([top]).filter(|schema| schema.is_object())
}

/// Whether a schema is so, here or below.
fn has_match_within(schema: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
    test(schema) || list_subschemas(schema).into_iter().any(|inner| has_match_within(inner, test))
}

fn list_subschemas(schema: &Value) -> Vec<&Value> {
    let fields = schema["properties"].as_object().into_iter().flat_map(|all| all.values());
    let single = ["items", "additionalProperties", "not"].into_iter().map(|key| &schema[key]);
    let branches = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| iter_list(&schema[key]));
    fields.chain(single).chain(branches).filter(|inner| inner.is_object()).collect()
}

fn has_default(schema: &Value) -> bool {
    !schema["default"].is_null()
}

fn is_extended(schema: &Value) -> bool {
    is_flag_set(schema, "x-kubernetes-embedded-resource")
        || is_flag_set(schema, "x-kubernetes-int-or-string")
        || ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type"].iter().any(|key| !schema[*key].is_null())
        || ["x-kubernetes-list-map-keys", "x-kubernetes-validations"]
            .iter()
            .any(|key| iter_list(&schema[*key]).count() > 0)
}

fn is_flag_set(schema: &Value, key: &str) -> bool {
    schema[key] == true
}

fn get_str<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema[key].as_str().unwrap_or_default()
}

fn iter_list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// `must be one of`: the server's list of words.
fn format_unsupported(value: &str, supported: &[&str]) -> String {
    let quoted: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
    format!("Unsupported value: {value:?}: supported values: {}", quoted.join(", "))
}
