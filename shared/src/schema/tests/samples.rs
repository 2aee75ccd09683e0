//! What the server does, one rule a test, over schemas of our own.
#![expect(clippy::needless_pass_by_value, reason = "samples are written where they are used")]

use serde_json::{Value, json};

use crate::schema::{Schema, ServerVersion, ValidationResult, Validity};

/// A resource with this spec, under a schema whose spec is this.
fn validate_spec(spec_schema: Value, spec: Value) -> ValidationResult {
    validate_spec_at(spec_schema, spec, ServerVersion::NEWEST)
}

fn validate_spec_at(spec_schema: Value, spec: Value, server: ServerVersion) -> ValidationResult {
    let schema = json!({"type": "object", "properties": {"spec": spec_schema}});
    let object = json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "a"}, "spec": spec});
    Schema::new(&schema, server).validate(&object)
}

fn error_lines(verdicts: &ValidationResult) -> Vec<String> {
    verdicts.errors.iter().map(|error| format!("{}: {}", error.path, error.message)).collect()
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

#[test]
fn unknown_fields_are_pruned() {
    let inner = object(json!({"a": {"type": "string"}}));
    let schema = object(json!({"a": inner, "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": {"b": inner}}, "map": {"type": "object", "additionalProperties": inner}, "list": {"type": "array", "items": inner}}));
    let spec = json!({"a": {"a": "", "x": 1}, "open": {"x": 1, "b": {"x": 1}}, "map": {"k": {"x": 1}}, "list": [{"a": ""}, {"x": 1}], "y": 2});
    let got = validate_spec(schema, spec);
    assert_eq!(got.create, Validity::Valid);
    assert_eq!(got.pruned_fields, ["spec.a.x", "spec.list[1].x", "spec.map.k.x", "spec.open.b.x", "spec.y"]);
}

#[test]
fn nulls_are_dropped_filled_or_kept() {
    let schema = object(json!({"dropped": {"type": "string"}, "filled": {"type": "string", "default": "d"},
        "kept": {"type": "string", "nullable": true}, "list": {"type": "array", "items": {"type": "string"}}}));
    let got = validate_spec(schema.clone(), json!({"dropped": null, "filled": null, "kept": null}));
    assert_eq!((got.create, got.defaulted_fields), (Validity::Valid, vec!["spec.filled".to_owned()]));
    let got = validate_spec(schema, json!({"list": [null]}));
    assert_eq!(
        error_lines(&got),
        ["spec.list[0]: Invalid value: spec.list[0] in body must be of type string: \"null\""]
    );
}

#[test]
fn a_factor_is_cut_to_an_integer_for_integers() {
    let got = validate_spec(object(json!({"n": {"type": "number", "multipleOf": 0.5}})), json!({"n": 7}));
    let words: Vec<String> = got.errors.iter().map(|error| error.server_message().1).collect();
    assert_eq!(words, ["Invalid value: 0: factor MultipleOf declared for spec.n must be positive: 0"]);
    assert_eq!(
        validate_spec(object(json!({"n": {"type": "number", "multipleOf": 0.5}})), json!({"n": 7.5})).create,
        Validity::Valid
    );
}

#[test]
fn a_default_is_reported_once_at_its_top() {
    let inner = json!({"type": "object", "default": {}, "properties": {"b": {"type": "integer", "default": 1}}});
    let schema = object(
        json!({"a": inner, "list": {"type": "array", "items": object(json!({"c": {"type": "string", "default": "x"}}))}}),
    );
    let got = validate_spec(schema.clone(), json!({"list": [{}]}));
    assert_eq!(got.defaulted_fields, ["spec.a", "spec.list[0].c"]);
    assert_eq!(validate_spec(schema, json!({"a": {}})).defaulted_fields, ["spec.a.b"]);
}

#[test]
fn the_servers_words_without_the_value() {
    let schema =
        object(json!({"n": {"type": "integer", "minimum": 1, "maximum": 5}, "s": {"type": "string", "pattern": "^a$"},
        "e": {"type": "string", "enum": ["a", "b"]}, "l": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
        "t": {"type": "string", "maxLength": 2}}));
    let got = validate_spec(schema, json!({"n": 9, "s": "canary", "e": "canary", "l": ["x", "y"], "t": "canary"}));
    assert_eq!(
        error_lines(&got),
        [
            "spec.e: Unsupported value: supported values: \"a\", \"b\"",
            "spec.l: Too many: 2: must have at most 1 item",
            "spec.n: Invalid value: spec.n in body should be less than or equal to 5",
            "spec.s: Invalid value: spec.s in body should match '^a$'",
            "spec.t: Too long: may not be more than 2 bytes",
        ]
    );
    assert!(!serde_json::to_string(&got).unwrap().contains("canary"));
    assert_eq!(got.errors[0].server_message().1, "Unsupported value: \"canary\": supported values: \"a\", \"b\"");
}

#[test]
fn numbers_are_what_their_format_says_from_1_36_on() {
    let schema = object(json!({"n": {"type": "integer", "format": "int32", "maximum": 4_294_967_295_u32}}));
    assert_eq!(validate_spec_at(schema.clone(), json!({"n": 1}), ServerVersion::new(1, 35)).create, Validity::Valid);
    let got = validate_spec(schema, json!({"n": 1}));
    assert_eq!(
        error_lines(&got),
        ["spec.n: Invalid value: Maximum boundary value must be of type integer with format int32 in spec.n"]
    );
    let float = object(json!({"n": {"type": "integer"}}));
    assert_eq!(validate_spec(float.clone(), json!({"n": 2.0})).create, Validity::Valid);
    assert_eq!(validate_spec(float, json!({"n": 2.5})).create, Validity::Invalid);
}

#[test]
fn one_of_tells_how_many_fit() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    assert_eq!(validate_spec(schema.clone(), json!({"a": ""})).create, Validity::Valid);
    let got = validate_spec(schema.clone(), json!({"a": "", "b": ""}));
    assert_eq!(
        error_lines(&got),
        ["spec: Invalid value: \"spec\" must validate one and only one schema (oneOf). Found 2 valid alternatives"]
    );
    assert_eq!(error_lines(&validate_spec(schema, json!({}))).len(), 2, "and the branch that fitted best");
}

#[test]
fn lists_that_are_maps_or_sets_hold_each_once() {
    let items = object(json!({"name": {"type": "string"}}));
    let schema = object(
        json!({"m": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": items},
        "s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}}),
    );
    let got = validate_spec(schema, json!({"m": [{"name": "a"}, {"name": "a"}, {"name": "a"}], "s": ["x", "x"]}));
    assert_eq!(error_lines(&got), ["spec.m[1]: Duplicate value: {\"name\":\"a\"}", "spec.s[1]: Duplicate value"]);
    assert_eq!(got.unchanged_update, Validity::Valid, "what was let in once is not looked at again");
}

#[test]
fn an_unchanged_update_is_forgiven_below_the_root() {
    let schema = object(json!({"n": {"type": "integer"}}));
    assert_eq!(validate_spec(schema.clone(), json!({"n": "x"})).unchanged_update, Validity::Valid);
    assert_eq!(
        validate_spec_at(schema, json!({"n": "x"}), ServerVersion::new(1, 29)).unchanged_update,
        Validity::Invalid
    );
    let rooted = json!({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object"}}});
    let bare = json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "a"}});
    let got = Schema::new(&rooted, ServerVersion::NEWEST).validate(&bare);
    assert_eq!(
        (got.create, got.unchanged_update),
        (Validity::Invalid, Validity::Invalid),
        "the root has changed: its metadata did"
    );
}

fn schema_with_rule(rule: Value) -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer"}, "namespace": {"type": "string"}}, "x-kubernetes-validations": [rule]})
}

#[test]
fn rules_speak_with_their_own_words() {
    let rule = json!({"rule": "self.n > 1", "message": "n must be above 1", "fieldPath": ".n"});
    assert_eq!(
        error_lines(&validate_spec(schema_with_rule(rule), json!({"n": 1}))),
        ["spec.n: Invalid value: n must be above 1"]
    );
    let rule = json!({"rule": "self.n > 1", "messageExpression": "'n is ' + string(self.n)"});
    assert_eq!(error_lines(&validate_spec(schema_with_rule(rule), json!({"n": 1}))), ["spec: Invalid value: n is 1"]);
    let rule = json!({"rule": "self.__namespace__ == 'a'"});
    assert_eq!(validate_spec(schema_with_rule(rule), json!({"namespace": "a"})).create, Validity::Valid);
    let rule = json!({"rule": "self.n > 1"});
    assert_eq!(
        error_lines(&validate_spec(schema_with_rule(rule), json!({}))),
        ["spec: Invalid value: no such key: n evaluating rule: self.n > 1"]
    );
}

#[test]
fn transition_rules_want_an_older_object() {
    let rule = json!({"rule": "self.n > oldSelf.n", "message": "n must grow"});
    let got = validate_spec(schema_with_rule(rule), json!({"n": 1}));
    assert_eq!(
        (got.create, got.unchanged_update),
        (Validity::Valid, Validity::Invalid),
        "an unchanged n does not grow"
    );
    let rule = json!({"rule": "!oldSelf.hasValue() || self.n == oldSelf.value().n", "optionalOldSelf": true});
    let got = validate_spec(schema_with_rule(rule), json!({"n": 1}));
    assert_eq!((got.create, got.unchanged_update), (Validity::Valid, Validity::Valid));
}

#[test]
fn a_rule_that_cannot_be_judged_is_not_passed() {
    let rule = json!({"rule": "[1, 2].all(i, v, i < v) && noSuchFunction(self.n)"});
    let got = validate_spec(schema_with_rule(rule), json!({"n": 1}));
    assert_eq!((got.create, got.unchanged_update), (Validity::Undetermined, Validity::Undetermined));
    assert_eq!(got.undetermined[0].path, "spec");
}

#[test]
fn rules_rest_where_the_rest_is_too_wrong() {
    let got = validate_spec(schema_with_rule(json!({"rule": "self.n > 1"})), json!({"n": "x"}));
    assert!(
        error_lines(&got)[1].starts_with(": Invalid value: some validation rules were not checked"),
        "{:?}",
        error_lines(&got)
    );
    assert_eq!(got.create, Validity::Invalid);
}

#[test]
fn metadata_is_read_and_looked_at() {
    let schema = Schema::new(&json!({"type": "object"}), ServerVersion::NEWEST);
    let object = json!({"apiVersion": "example.com/v1", "kind": "Hub", "metadata": {"name": "A", "labels": {"a": "b c"}, "made": "up"}});
    let got = schema.validate(&object);
    assert_eq!(got.pruned_fields, ["metadata.made"]);
    let paths: Vec<&str> = got.errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["metadata.labels", "metadata.name"]);
}

#[test]
fn an_embedded_resource_is_one() {
    let schema = object(
        json!({"template": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}),
    );
    let good =
        json!({"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "made": "up"}, "spec": {}}});
    let got = validate_spec(schema.clone(), good);
    assert_eq!((got.create, got.pruned_fields), (Validity::Valid, vec!["spec.template.metadata.made".to_owned()]));
    assert_eq!(
        error_lines(&validate_spec(schema, json!({"template": {"kind": "Pod"}}))),
        ["spec.template.apiVersion: Required value"]
    );
}
