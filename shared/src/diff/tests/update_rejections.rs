//! What the API server refuses, in its own words (seen on a real 1.37.2).

use serde_json::{Value, json};

use super::crd_with;
use crate::diff::predict_update_rejections;

#[track_caller]
fn assert_rejections(old: &[(&str, Value)], new: &[(&str, Value)], wanted: &[&str]) {
    let found: Vec<String> =
        predict_update_rejections(&crd_with(old), &crd_with(new)).iter().map(ToString::to_string).collect();
    assert_eq!(found, wanted);
}

fn version(name: &str, storage: bool) -> Value {
    json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object"}}})
}

#[test]
fn rules_that_always_hold_or_once_established() {
    let waiting = [("/status", json!({"conditions": [{"type": "Established", "status": "False"}]}))];
    let scope = [("/spec/scope", json!("Cluster"))];
    assert_rejections(&[], &scope, &["spec.scope: Invalid value: \"Cluster\": field is immutable"]);
    assert_rejections(&waiting, &scope, &[]);
    let kind = [("/spec/names/kind", json!("Hob"))];
    assert_rejections(&[], &kind, &["spec.names.kind: Invalid value: \"Hob\": field is immutable"]);
    assert_rejections(&waiting, &kind, &[]);
    assert_rejections(
        &waiting,
        &[("/spec/group", json!("b.com"))],
        &["spec.group: Invalid value: \"b.com\": field is immutable"],
    );
    let plural = [("/spec/names/plural", json!("hobs"))];
    assert_rejections(&waiting, &plural, &["spec.names.plural: Invalid value: \"hobs\": field is immutable"]);
}

#[test]
fn a_stored_version_must_stay_whether_or_not_an_object_is_left() {
    let words = "status.storedVersions[0]: Invalid value: \"v1beta1\": missing from spec.versions; v1beta1 was previously a \
                 storage version, and must remain in spec.versions until a storage migration ensures no data remains \
                 persisted in v1beta1 and removes v1beta1 from status.storedVersions";
    let status = |all: Value| [("/status", json!({"storedVersions": all}))];
    assert_rejections(&status(json!(["v1beta1", "v1"])), &[], &[words]);
    assert_rejections(&status(json!(["v1"])), &[], &[]);
    // A CRD without a status is one that was just installed.
    assert_rejections(&[("/spec/versions", json!([version("v1beta1", true)]))], &[], &[words]);
    assert_rejections(
        &[("/spec/versions", json!([version("v1beta1", true)]))],
        &[("/spec/versions", json!([version("v1", true), version("v1beta1", false)]))],
        &[],
    );
}

#[test]
fn versions_are_unique_named_and_one_is_stored() {
    let list = |all: &[Value]| [("/spec/versions", json!(all))];
    assert_rejections(
        &[],
        &list(&[version("v1", false)]),
        &["spec.versions: Invalid value: must have exactly one version marked as storage version"],
    );
    assert_rejections(
        &[],
        &list(&[version("v1", true), version("v1", false)]),
        &["spec.versions: Invalid value: must contain unique version names"],
    );
    let found =
        predict_update_rejections(&crd_with(&[]), &crd_with(&list(&[version("v1", true), version("v1.2", false)])));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].to_string().starts_with("spec.versions[1].name: Invalid value: \"v1.2\": a DNS-1035 label must"),
        "{}",
        found[0]
    );
}

#[test]
fn a_schema_is_required_unless_the_old_crd_lacked_one_too() {
    let bare = [("/spec/versions", json!([{"name": "v1", "served": true, "storage": true}]))];
    assert_rejections(&[], &bare, &["spec.versions[0].schema.openAPIV3Schema: Required value"]);
    assert_rejections(&bare, &bare, &[]);
}

#[test]
fn unknown_fields_cannot_be_kept_again() {
    let keeps = [("/spec/preserveUnknownFields", json!(true))];
    assert_rejections(
        &[],
        &keeps,
        &[
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ],
    );
    assert_rejections(&keeps, &keeps, &[]);
}

#[test]
fn a_v1beta1_manifest_has_no_api_to_go_to() {
    let new = crd_with(&[("/apiVersion", json!("apiextensions.k8s.io/v1beta1"))]);
    assert!(predict_update_rejections(&crd_with(&[]), &new)[0].message.starts_with("no matches for kind"));
}

/// What a real 1.37.2 answered to a dry-run replacement, case by case. Where it prints whole structures as the value, we do not.
#[test]
fn the_words_are_those_of_a_real_api_server() {
    let recorded: Value = serde_json::from_str(include_str!("../../../../tests/samples/crd-refusals.json")).unwrap();
    for case in recorded["cases"].as_array().unwrap() {
        let mut new = recorded["old"].clone();
        new["spec"] = case["spec"].clone();
        let ours: Vec<String> =
            predict_update_rejections(&recorded["old"], &new).iter().map(ToString::to_string).collect();
        let theirs = case["causes"].as_array().unwrap().iter();
        let theirs: Vec<String> = theirs
            .map(|cause| format!("{}: {}", text(&cause["field"]), without_structure(text(&cause["message"]))))
            .collect();
        assert_eq!(ours, theirs, "{}", case["case"]);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn without_structure(message: &str) -> String {
    let structure = message.starts_with("Invalid value: [{") || message.starts_with("Invalid value: []");
    match message.rsplit_once("]: ") {
        Some((_, words)) if structure => format!("Invalid value: {words}"),
        _ => message.to_owned(),
    }
}
