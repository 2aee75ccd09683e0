//! What the server says when a CRD is written: one wrong thing each, in its words.

use serde_json::{Value, json};

use crate::schema::crd_rules::{predict_apply_rejection, predict_schema_rejections};

/// A CRD with these keywords at `spec.a`.
fn crd(a: &Value) -> Value {
    let spec = json!({"type": "object", "properties": {"a": a}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "hubs.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Hub", "plural": "hubs"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "properties": {"spec": spec}}}}]}})
}

#[track_caller]
fn assert_rejected(a: &Value, field: &str, words: &str) {
    let all = predict_schema_rejections(None, &crd(a));
    let place = format!("spec.validation.openAPIV3Schema.properties[spec].properties[a]{field}");
    let found = all.iter().any(|refusal| refusal.field == place && refusal.message == words);
    assert!(found, "{place}: {words}\n{all:#?}");
}

#[test]
fn a_schema_that_is_not_structural() {
    assert_rejected(&json!({}), ".type", "Required value: must not be empty for specified object fields");
    assert_rejected(&json!({"type": "array"}), ".items", "Required value: must be specified");
    assert_rejected(
        &json!({"type": "string", "anyOf": [{"type": "string"}]}),
        ".anyOf[0].type",
        "Forbidden: must be empty to be structural",
    );
    assert_rejected(
        &json!({"type": "object", "x-kubernetes-embedded-resource": true}),
        ".properties",
        "Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
    );
}

/// Only the branches at the root are held against what is specified: the server's own oversight.
#[test]
fn a_field_of_a_root_branch_must_be_specified() {
    let mut crd = crd(&json!({"type": "object"}));
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["oneOf"] = json!([{"properties": {"b": {"minLength": 1}}}]);
    let at = "spec.validation.openAPIV3Schema";
    let words = format!("{at}.properties[b]: Required value: because it is defined in {at}.oneOf[0].properties[b]");
    assert_eq!(predict_schema_rejections(None, &crd).iter().map(ToString::to_string).collect::<Vec<_>>(), [words]);
}

#[test]
fn keywords_that_may_not_stand() {
    assert_rejected(
        &json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
        ".uniqueItems",
        "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
    );
    assert_rejected(&json!({"type": "string", "$ref": "#/x"}), ".$ref", "Forbidden: $ref is not supported");
    assert_rejected(
        &json!({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}),
        ".x-kubernetes-list-map-keys",
        "Required value: must not be empty if x-kubernetes-list-type is map",
    );
    assert_rejected(
        &json!({"type": "string", "x-kubernetes-list-type": "odd"}),
        ".x-kubernetes-list-type",
        "Unsupported value: \"odd\": supported values: \"atomic\", \"set\", \"map\"",
    );
}

#[test]
fn defaults_are_right_and_pruned() {
    assert_rejected(
        &json!({"type": "object", "default": {"b": 1}}),
        ".default",
        "Invalid value: {\"b\":1}: must not have unknown fields",
    );
    let all = predict_schema_rejections(None, &crd(&json!({"type": "string", "enum": ["x"], "default": "y"})));
    assert!(all[0].field.ends_with("properties[a].default") && all[0].message.contains("supported values"), "{all:?}");
    assert!(
        predict_schema_rejections(None, &crd(&json!({"type": "string", "enum": ["x"], "default": "x"}))).is_empty()
    );
}

/// The API server takes it, although no object may hold it.
#[test]
fn a_default_of_an_int_or_string_has_no_type() {
    let port = |default: Value| json!({"x-kubernetes-int-or-string": true, "default": default});
    for default in [json!({}), json!(1), json!("http")] {
        assert_eq!(predict_schema_rejections(None, &crd(&port(default.clone()))), Vec::new(), "{default}");
    }
}

#[test]
fn defaults_are_right_by_their_rules() {
    let ruled = |rule: Value| json!({"type": "string", "default": "Update", "x-kubernetes-validations": [rule]});
    let computed = json!({"rule": "self.size() < 4", "messageExpression": "'computed: ' + string(1 + 1)"});
    assert_rejected(&ruled(computed), ".default", "Invalid value: \"Update\": computed: 2");
    // Against itself, and without an older one.
    let moved = json!({"rule": "self != oldSelf", "message": "moves on"});
    assert_rejected(&ruled(moved), ".default", "Invalid value: \"Update\": moves on");
    let new = json!({"rule": "oldSelf.hasValue()", "optionalOldSelf": true, "message": "never new"});
    assert_rejected(&ruled(new), ".default", "Invalid value: \"Update\": never new");
    assert!(predict_schema_rejections(None, &crd(&ruled(json!({"rule": "self.size() > 4"})))).is_empty());
}

#[test]
fn a_transition_rule_is_not_evaluated_on_a_default() {
    let items = json!({"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]});
    let list = |sibling: &Value| {
        crd(&json!({"type": "object", "properties": {"list": {"type": "array", "items": items}, "b": sibling}}))
    };
    let rejections = predict_schema_rejections(None, &list(&json!({"type": "string", "default": "x"})));
    assert!(rejections.iter().any(|refusal| refusal.message.contains("uncorrelatable")), "{rejections:?}");
    let beyond = json!({"type": "string", "default": "x", "x-kubernetes-validations": [{"rule": "self.unheardOf()"}]});
    assert!(predict_schema_rejections(None, &list(&beyond)).is_empty());
}

#[test]
fn a_rule_that_the_old_crd_broke_does_not_apply() {
    let set = |kind: &str| json!({"type": "array", "x-kubernetes-list-type": kind, "items": {"type": "object", "properties": {"b": {"type": "string"}}}});
    let (loose, atomic) = (crd(&set("set")), crd(&set("atomic")));
    assert_eq!(predict_schema_rejections(Some(&atomic), &loose).len(), 1);
    assert!(predict_schema_rejections(Some(&loose), &loose).is_empty());
}

#[test]
fn columns_scale_and_selectable_fields() {
    let with = |key: &str, value: Value| {
        let mut crd = crd(&json!({"type": "object"}));
        crd["spec"]["versions"][0][key] = value;
        predict_schema_rejections(None, &crd).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let columns = with("additionalPrinterColumns", json!([{"name": "A", "type": "text", "jsonPath": "spec.a"}]));
    assert!(columns.contains("spec.additionalPrinterColumns[0].type: Invalid value: \"text\""), "{columns}");
    assert!(columns.contains("JSONPath: Invalid value: \"spec.a\": must be a simple json path"), "{columns}");
    let scale =
        with("subresources", json!({"scale": {"specReplicasPath": ".status.a", "statusReplicasPath": ".status.a"}}));
    assert!(scale.contains("spec.subresources.scale.specReplicasPath: Invalid value"), "{scale}");
    let selectable = with("selectableFields", json!([{"jsonPath": ".spec.a"}]));
    assert!(selectable.contains("must point to a field of type string, boolean or integer"), "{selectable}");
}

/// <https://github.com/kubernetes/kubernetes/issues/81453>, <https://github.com/kubernetes/kubernetes/issues/73723>
#[test]
fn a_manifest_that_was_exported_from_a_cluster_is_not_applied() {
    let mut exported = crd(&json!({"type": "string"}));
    assert_eq!(predict_apply_rejection(&exported), None);
    exported["metadata"]["managedFields"] = json!([{"manager": "kubectl", "operation": "Apply"}]);
    assert_eq!(predict_apply_rejection(&exported), Some("metadata.managedFields must be nil"));
}
