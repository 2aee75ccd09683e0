//! Builds the sample CRDs from `own.yaml`. The file contains what differs between kinds; this module adds what they
//! share.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use mural::model::yaml::{self, ErrorDetail};
use serde_json::{Map, Value, json};

const GROUP: &str = "spectrocloud.com";

/// The CRDs by name, as YAML; `later` lays over each kind what the newer chart has otherwise.
pub(super) fn crds(source: &str, later: bool) -> Result<BTreeMap<String, String>> {
    let kinds = yaml::parse_documents(source, ErrorDetail::Snippet)?;
    kinds.into_iter().map(|kind| build_crd(kind, later)).collect()
}

fn build_crd(mut kind: Value, later: bool) -> Result<(String, String)> {
    let change = kind.as_object_mut().and_then(|kind| kind.remove("later"));
    if let (true, Some(change)) = (later, change) {
        lay_over(&mut kind, change);
    }
    let text = |key: &str| kind[key].as_str().map(str::to_owned);
    let (plural, name) = (text("plural").context("plural")?, text("kind").context("kind")?);
    let group = text("group").unwrap_or_else(|| GROUP.to_owned());
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "names": {"kind": name, "listKind": format!("{name}List"), "plural": plural, "singular": name.to_lowercase()},
            "scope": text("scope").unwrap_or_else(|| "Namespaced".to_owned()),
            "versions": versions(&kind)?,
        },
    });
    Ok((format!("{plural}.{group}"), yaml::write(&crd)?))
}

/// A merge patch (RFC 7386) without removals: the newer chart takes no field away.
fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// The last version is the stored one; all are served, with one schema.
fn versions(kind: &Value) -> Result<Vec<Value>> {
    let names: Vec<&str> = kind["versions"].as_array().context("versions")?.iter().filter_map(Value::as_str).collect();
    let last = names.last().copied();
    let one = |name: &&str| {
        json!({
            "name": name,
            "served": true,
            "storage": Some(*name) == last,
            "subresources": {"status": {}},
            "additionalPrinterColumns": columns(&kind["columns"]),
            "schema": {"openAPIV3Schema": schema(&kind["spec"], &kind["status"])},
        })
    };
    Ok(names.iter().map(one).collect())
}

fn columns(wanted: &Value) -> Vec<Value> {
    let empty = Map::new();
    let own = wanted.as_object().unwrap_or(&empty).iter();
    let own = own.map(|(name, path)| json!({"name": name, "type": "string", "jsonPath": path}));
    own.chain([json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"})]).collect()
}

fn schema(spec: &Value, more_status: &Value) -> Value {
    let condition = json!({
        "type": "object",
        "required": ["type", "status"],
        "properties": {
            "type": {"type": "string"}, "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": {"type": "string"}, "message": {"type": "string"},
            "lastTransitionTime": {"type": "string", "format": "date-time"}, "observedGeneration": {"type": "integer", "format": "int64"},
        },
    });
    let conditions = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"], "items": condition});
    let mut status = json!({"phase": {"type": "string"}, "observedGeneration": {"type": "integer", "format": "int64"}, "conditions": conditions});
    if more_status.is_object() {
        lay_over(&mut status, more_status.clone());
    }
    json!({
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": {"type": "object", "properties": status},
        },
    })
}
