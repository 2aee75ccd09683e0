//! What the API server says when a CRD is written: of its schemas, its columns, its paths
//! (apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go`), known without asking it.
//!
//! What the older CRD broke already is forgiven where the server forgives it. Not done here: the types and the estimated cost
//! of CEL rules, and rules over defaults; what a rule needs of the server is a finding of its own.

mod defaults;
mod lists;
mod openapi;
mod outside;
mod structural;

use serde_json::Value;

use crate::model::refusal::Refusal;

/// The server's kinds of a type.
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Why the API server would not take this CRD, besides what [`crate::diff::server_refusals`] knows of its versions and names.
///
/// `old` is the CRD that it replaces.
#[must_use]
pub fn refused(old: Option<&Value>, new: &Value) -> Vec<Refusal> {
    if new["apiVersion"] == "apiextensions.k8s.io/v1beta1" {
        return Vec::new();
    }
    let mut all = outside::refused(old, new);
    all.extend(preserved_defaults(new));
    let asks = Asks::of(old, new);
    let versions: Vec<&Value> = list(&new["spec"]["versions"]).collect();
    // The server keeps what all versions share at the top, and names it there.
    let shared = versions.iter().all(|version| version["schema"] == versions[0]["schema"]);
    let has_status = |version: &Value| version["subresources"]["status"].is_object();
    for (at, version) in versions.iter().enumerate().filter(|(at, _)| *at == 0 || !shared) {
        let status = if shared { versions.iter().any(|one| has_status(one)) } else { has_status(version) };
        let path = if shared { "spec.validation".to_owned() } else { format!("spec.versions[{at}].schema") };
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_object() {
            of_schema(schema, &format!("{path}.openAPIV3Schema"), status, asks, &mut all);
        }
    }
    all
}

/// What is asked of a schema: what the older CRD broke already is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asks {
    structure: bool,
    known_types: bool,
    pruned_defaults: bool,
    atomic_sets: bool,
    keys: bool,
}

impl Asks {
    fn of(old: Option<&Value>, new: &Value) -> Self {
        let broke = |test: &dyn Fn(&Value) -> bool| old.into_iter().flat_map(schemas).any(test);
        let prunes = new["spec"]["preserveUnknownFields"] != true;
        let extended = || schemas(new).any(|schema| any(schema, &|here| has_default(here) || is_extended(here)));
        Self {
            structure: prunes || extended() || !broke(&|schema| !structural::is(schema)),
            known_types: !broke(&|schema| any(schema, &|here| !openapi::is_known_type(here))),
            pruned_defaults: !broke(&defaults::any_unpruned),
            atomic_sets: !broke(&|schema| any(schema, &|here| lists::is_loose_set(here).is_some())),
            keys: !broke(&|schema| any(schema, &|here| !lists::keys("", here).is_empty())),
        }
    }
}

fn of_schema(schema: &Value, path: &str, status: bool, asks: Asks, all: &mut Vec<Refusal>) {
    let mut own = if status { outside::under_status(schema, path) } else { Vec::new() };
    if flag(schema, "nullable") {
        own.push(Refusal::new(format!("{path}.nullable"), "Forbidden: nullable cannot be true at the root"));
    }
    let (mut unread, mut unsure) = (None, false);
    if asks.structure {
        unread = structural::unreadable(schema);
        if unread.is_none() {
            let found = structural::refused(schema, path);
            let sound = found.is_empty();
            own.extend(found);
            if sound {
                let said = defaults::refused(schema, path, asks.pruned_defaults);
                own.extend(said.refusals);
                unsure = said.unsure;
            }
        }
    }
    own.extend(openapi::refused(schema, path, asks));
    // Rules are looked at where the rest is right.
    if own.is_empty() && asks.structure && !unsure {
        own.extend(openapi::transitions(schema, path));
    }
    // It overlaps with what was said already.
    if let Some(words) = unread.filter(|_| own.is_empty()) {
        own.push(Refusal::new(path, format!("Invalid value: \"\": {words}")));
    }
    all.append(&mut own);
}

fn preserved_defaults(new: &Value) -> Option<Refusal> {
    let defaults = new["spec"]["preserveUnknownFields"] == true && schemas(new).any(|schema| any(schema, &has_default));
    let words = "Invalid value: true: must be false in order to use defaults in the schema";
    defaults.then(|| Refusal::new("spec.preserveUnknownFields", words))
}

/// Every schema of a CRD.
fn schemas(crd: &Value) -> impl Iterator<Item = &Value> {
    let top = &crd["spec"]["validation"]["openAPIV3Schema"];
    let each = list(&crd["spec"]["versions"]).map(|version| &version["schema"]["openAPIV3Schema"]);
    each.chain([top]).filter(|schema| schema.is_object())
}

/// Whether a schema is so, here or below.
fn any(schema: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
    test(schema) || below(schema).into_iter().any(|inner| any(inner, test))
}

fn below(schema: &Value) -> Vec<&Value> {
    let fields = schema["properties"].as_object().into_iter().flat_map(|all| all.values());
    let single = ["items", "additionalProperties", "not"].into_iter().map(|key| &schema[key]);
    let branches = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| list(&schema[key]));
    fields.chain(single).chain(branches).filter(|inner| inner.is_object()).collect()
}

fn has_default(schema: &Value) -> bool {
    !schema["default"].is_null()
}

fn is_extended(schema: &Value) -> bool {
    flag(schema, "x-kubernetes-embedded-resource")
        || flag(schema, "x-kubernetes-int-or-string")
        || ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type"].iter().any(|key| !schema[*key].is_null())
        || ["x-kubernetes-list-map-keys", "x-kubernetes-validations"].iter().any(|key| list(&schema[*key]).count() > 0)
}

fn flag(schema: &Value, key: &str) -> bool {
    schema[key] == true
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema[key].as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// `must be one of`: the server's list of words.
fn unsupported(value: &str, supported: &[&str]) -> String {
    let told: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
    format!("Unsupported value: {value:?}: supported values: {}", told.join(", "))
}
