//! What the API server refuses of a CRD update, known without asking it.
//!
//! The words and the order are those of `ValidateCustomResourceDefinitionUpdate`
//! (apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go`). This is for saying it early and offline:
//! where there is a cluster, the answer of a dry run is the one that counts.

use std::collections::BTreeSet;

use serde_json::Value;

use super::outline::{Outline, is_v1beta1, read_versions};
use crate::model::rejection::Rejection;

fn build_rejection(field: impl Into<String>, message: impl Into<String>) -> Rejection {
    Rejection::new(field, message)
}

/// Why the API server would refuse to replace `old` by `new`; empty where nothing is known against it.
///
/// `old` is the CRD as the cluster has it, with its status. One without a status (from a chart) counts as established,
/// with its storage version alone in `status.storedVersions`: a fresh installation of it.
#[must_use]
pub fn predict_update_rejections(old: &Value, new: &Value) -> Vec<Rejection> {
    if is_v1beta1(new) {
        let words = "no matches for kind \"CustomResourceDefinition\" in version \"apiextensions.k8s.io/v1beta1\"";
        return vec![build_rejection("apiVersion", words)];
    }
    let (before, after) = (Outline::from_crd(old), Outline::from_crd(new));
    let mut all = check_scope(&after.scope);
    all.extend(check_versions(old, new));
    all.extend(check_deprecation(new));
    all.extend(check_conversion(new, &after));
    all.extend(check_immutable_fields(old, &before, &after));
    all.extend(check_stored_versions(old, &before, &after));
    if after.preserves_unknown_fields && !before.preserves_unknown_fields {
        let words = "Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
                     spec.versions[*].schema instead";
        all.push(build_rejection("spec.preserveUnknownFields", words));
    }
    all
}

fn check_scope(scope: &str) -> Vec<Rejection> {
    let words = match scope {
        "Cluster" | "Namespaced" => return Vec::new(),
        "" => "Required value".to_owned(),
        other => format!("Unsupported value: {other:?}: supported values: \"Cluster\", \"Namespaced\""),
    };
    vec![build_rejection("spec.scope", words)]
}

fn check_versions(old: &Value, new: &Value) -> Vec<Rejection> {
    let list = read_versions(new);
    let mut all = Vec::new();
    // The old CRD may lack schemas itself, made by v1beta1: then the new one may too.
    let requires_schema =
        !read_versions(old).iter().any(|version| version.pointer("/schema/openAPIV3Schema").is_none_or(Value::is_null));
    for (at, version) in list.iter().enumerate() {
        let name = version["name"].as_str().unwrap_or_default();
        if !is_dns_1035_label(name) {
            let words = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                         alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', \
                         regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
            all.push(build_rejection(
                format!("spec.versions[{at}].name"),
                format!("Invalid value: \"{name}\": {words}"),
            ));
        }
        if requires_schema && version.pointer("/schema/openAPIV3Schema").is_none_or(Value::is_null) {
            all.push(build_rejection(format!("spec.versions[{at}].schema.openAPIV3Schema"), "Required value"));
        }
    }
    let names: BTreeSet<&str> = list.iter().filter_map(|version| version["name"].as_str()).collect();
    if names.len() != list.len() {
        all.push(build_rejection("spec.versions", "Invalid value: must contain unique version names"));
    }
    if list.iter().filter(|version| version["storage"] == true).count() != 1 {
        let words = "Invalid value: must have exactly one version marked as storage version";
        all.push(build_rejection("spec.versions", words));
    }
    all
}

/// `IsDNS1035Label` (apimachinery `pkg/util/validation`).
fn is_dns_1035_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|last| *last != b'-')
        && bytes.iter().copied().all(inner)
}

fn check_deprecation(new: &Value) -> Vec<Rejection> {
    let list = read_versions(new);
    let warnings = list
        .iter()
        .enumerate()
        .filter_map(|(at, version)| Some((at, version, version["deprecationWarning"].as_str()?)));
    warnings
        .filter_map(|(at, version, warning)| {
            let words = if version["deprecated"] != true {
                "can only be set for deprecated versions"
            } else if warning.len() > 256 {
                "must be <= 256 characters long"
            } else {
                return None;
            };
            let field = format!("spec.versions[{at}].deprecationWarning");
            Some(build_rejection(field, format!("Invalid value: {warning:?}: {words}")))
        })
        .collect()
}

/// The server names the fields as its internal type has them: `spec.conversion.webhookClientConfig`.
fn check_conversion(new: &Value, after: &Outline) -> Vec<Rejection> {
    let conversion = &new["spec"]["conversion"];
    let webhook = &conversion["webhook"];
    match conversion["strategy"].as_str() {
        Some("Webhook") => check_webhook_conversion(webhook, after),
        None | Some("None") => {
            let words = "Forbidden: should not be set when strategy is not set to Webhook";
            let set = [("clientConfig", CLIENT_CONFIG_FIELD), ("conversionReviewVersions", REVIEW_VERSIONS_FIELD)];
            let set = set.into_iter().filter(|(key, _)| !webhook[*key].is_null());
            set.map(|(_, field)| build_rejection(field, words)).collect()
        }
        Some(other) => {
            let words = format!("Unsupported value: {other:?}: supported values: \"None\", \"Webhook\"");
            vec![build_rejection("spec.conversion.strategy", words)]
        }
    }
}

const CLIENT_CONFIG_FIELD: &str = "spec.conversion.webhookClientConfig";
const REVIEW_VERSIONS_FIELD: &str = "spec.conversion.conversionReviewVersions";

fn check_webhook_conversion(webhook: &Value, after: &Outline) -> Vec<Rejection> {
    let mut all = Vec::new();
    if after.preserves_unknown_fields {
        let words = "Invalid value: \"Webhook\": must be None if spec.preserveUnknownFields is true";
        all.push(build_rejection("spec.conversion.strategy", words));
    }
    let client = &webhook["clientConfig"];
    if client.is_null() {
        all.push(build_rejection(CLIENT_CONFIG_FIELD, "Required value: required when strategy is set to Webhook"));
    } else if client["url"].is_null() == client["service"].is_null() {
        all.push(build_rejection(CLIENT_CONFIG_FIELD, "Required value: exactly one of url or service is required"));
    }
    let reviews = &webhook["conversionReviewVersions"];
    let names: Vec<&str> = reviews.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() {
        all.push(build_rejection(REVIEW_VERSIONS_FIELD, "Required value"));
    } else if !names.contains(&"v1") && !names.contains(&"v1beta1") {
        let words = format!("Invalid value: {reviews}: must include at least one of v1, v1beta1");
        all.push(build_rejection(REVIEW_VERSIONS_FIELD, words));
    }
    all
}

/// Scope and kind bind once the CRD is established; group and plural always.
fn check_immutable_fields(old: &Value, before: &Outline, after: &Outline) -> Vec<Rejection> {
    let mut pairs = Vec::new();
    if is_established(old) {
        pairs.push(("spec.scope", &before.scope, &after.scope));
        pairs.push(("spec.names.kind", &before.names["kind"], &after.names["kind"]));
    }
    pairs.push(("spec.group", &before.group, &after.group));
    pairs.push(("spec.names.plural", &before.names["plural"], &after.names["plural"]));
    pairs
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(field, _, new)| build_rejection(field, format!("Invalid value: {new:?}: field is immutable")))
        .collect()
}

fn is_established(crd: &Value) -> bool {
    let Some(conditions) = crd.pointer("/status/conditions").and_then(Value::as_array) else { return true };
    conditions.is_empty() || conditions.iter().any(|one| one["type"] == "Established" && one["status"] == "True")
}

/// Looks only at the status, never at etcd: a cluster without one object left is refused too.
fn check_stored_versions(old: &Value, before: &Outline, after: &Outline) -> Vec<Rejection> {
    let status_versions = old.pointer("/status/storedVersions").and_then(Value::as_array).filter(|all| !all.is_empty());
    let stored: Vec<&str> = match status_versions {
        Some(all) => all.iter().filter_map(Value::as_str).collect(),
        None => before.storage_version().into_iter().collect(),
    };
    let gone = stored.iter().enumerate().filter(|(_, name)| !after.versions.contains_key(**name));
    gone.map(|(at, name)| {
        let words = format!(
            "Invalid value: \"{name}\": missing from spec.versions; {name} was previously a storage version, and must \
             remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes \
             {name} from status.storedVersions"
        );
        build_rejection(format!("status.storedVersions[{at}]"), words)
    })
    .collect()
}
