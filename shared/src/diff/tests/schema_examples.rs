//! Examples inside of schemas: the schema of `spec` before and after, and a pair that is close.

use serde_json::{Value, json};

use super::{Example, crd_with_schema, tags};
use crate::diff::Effect::{self, Breaking, Risky, Safe, Text};
use crate::diff::{compare_crds, compare_schemas};

type Row = (&'static str, Effect, Value, Value, Value, Value);

pub(super) fn examples() -> Vec<Example> {
    let rows =
        [fields(), preservation(), types(), enums(), limits(), rules(), lists(), logic(), documentation_keywords()]
            .concat();
    rows.into_iter()
        .map(|(tag, effect, old, new, near_old, near_new)| Example {
            tag,
            effect,
            old: crd_with_schema(&old),
            new: crd_with_schema(&new),
            near_old: crd_with_schema(&near_old),
            near_new: crd_with_schema(&near_new),
        })
        .collect()
}

fn object(fields: &Value) -> Value {
    json!({"type": "object", "properties": fields})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn extend(base: &Value, extra: &Value) -> Value {
    let mut all = base.clone();
    all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    all
}

fn fields() -> Vec<Row> {
    let (a, both) = (object(&json!({"a": text()})), object(&json!({"a": text(), "b": text()})));
    let required = extend(&both, &json!({"required": ["a", "b"]}));
    let less = extend(&both, &json!({"required": ["b"]}));
    let keys = ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"];
    let embedded = json!({"type": "object", keys[0]: true, keys[1]: true});
    let requires = |field: &str| extend(&embedded, &json!({"required": [field]}));
    vec![
        ("field-added", Safe, a.clone(), both.clone(), both.clone(), required.clone()),
        ("field-removed", Breaking, both.clone(), a.clone(), required.clone(), both.clone()),
        (
            "required-added",
            Breaking,
            less.clone(),
            required.clone(),
            extend(&both, &json!({"required": ["b", "a"]})),
            required.clone(),
        ),
        ("required-stated", Safe, embedded.clone(), requires("kind"), embedded.clone(), requires("metadata")),
        ("required-removed", Safe, required.clone(), less, required, extend(&a, &json!({"required": ["a"]}))),
    ]
}

fn preservation() -> Vec<Row> {
    let list = json!({"type": "array"});
    let items = json!({"type": "array", "items": text()});
    let map = json!({"type": "object", "additionalProperties": text()});
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let embedded = extend(&free, &json!({"x-kubernetes-embedded-resource": true}));
    let plain = json!({"type": "object"});
    let wider = json!({"type": "array", "items": {"type": "string", "nullable": true}});
    let any = json!({"type": "object", "additionalProperties": true});
    let braces = json!({"type": "object", "additionalProperties": {}});
    let explicit_false = extend(&plain, &json!({"x-kubernetes-preserve-unknown-fields": false}));
    vec![
        ("items-added", Breaking, list.clone(), items.clone(), items.clone(), wider.clone()),
        ("items-removed", Breaking, items.clone(), list, wider, items),
        ("map-values-added", Safe, plain.clone(), map.clone(), any.clone(), braces.clone()),
        ("map-values-removed", Breaking, map, plain.clone(), braces, any),
        ("preserve-unknown-fields-added", Safe, plain.clone(), free.clone(), plain.clone(), explicit_false.clone()),
        ("preserve-unknown-fields-removed", Breaking, free.clone(), plain.clone(), explicit_false, plain),
        ("embedded-resource-added", Breaking, free.clone(), embedded.clone(), embedded.clone(), embedded.clone()),
        ("embedded-resource-removed", Safe, embedded.clone(), free.clone(), free.clone(), embedded),
    ]
}

fn types() -> Vec<Row> {
    let any = json!({"x-kubernetes-int-or-string": true});
    let spelled = extend(&any, &json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}));
    let null = extend(&text(), &json!({"nullable": true}));
    let with = |value: Value| json!({"type": "number", "default": value});
    let no_null = extend(&text(), &json!({"nullable": false}));
    vec![
        ("type-changed", Breaking, text(), json!({"type": "integer"}), any, spelled),
        ("nullable-added", Safe, text(), null.clone(), text(), no_null.clone()),
        ("nullable-removed", Breaking, null, text(), no_null, text()),
        ("default-added", Risky, json!({"type": "number"}), with(json!(1)), with(json!(1)), with(json!(2))),
        ("default-removed", Risky, with(json!(1)), json!({"type": "number"}), with(json!(1)), with(json!(0))),
        ("default-changed", Risky, with(json!(1)), with(json!(2)), with(json!(1)), with(json!(1.0))),
    ]
}

fn number(extra: &Value) -> Value {
    extend(&json!({"type": "number"}), extra)
}

fn string(extra: &Value) -> Value {
    extend(&text(), extra)
}

fn enums() -> Vec<Row> {
    let set = |values: &[&str]| string(&json!({"enum": values}));
    let (ab, abc, turned) = (set(&["a", "b"]), set(&["a", "b", "c"]), set(&["b", "a"]));
    vec![
        ("enum-added", Breaking, text(), ab.clone(), abc.clone(), ab.clone()),
        ("enum-removed", Safe, ab.clone(), text(), ab.clone(), abc.clone()),
        ("enum-values-added", Safe, ab.clone(), abc.clone(), ab.clone(), turned.clone()),
        ("enum-values-removed", Breaking, abc, ab.clone(), turned, ab),
    ]
}

fn limits() -> Vec<Row> {
    let max = |limit: u32| string(&json!({"maxLength": limit}));
    let min = |limit: u32| number(&json!({"minimum": limit}));
    let pattern = |pattern: &str| string(&json!({"pattern": pattern}));
    let format = |name: &str| string(&json!({"format": name}));
    let multiple = |of: Value| number(&json!({"multipleOf": of}));
    let two = || multiple(json!(2));
    let none = string(&json!({"minLength": 0}));
    vec![
        ("limit-tightened", Breaking, max(9), max(8), min(9), min(8)),
        ("limit-loosened", Safe, min(9), min(8), none, text()),
        ("pattern-changed", Breaking, pattern("^a"), pattern("^b"), text(), pattern("")),
        ("format-changed", Breaking, text(), format("date-time"), text(), format("")),
        ("multiple-of-changed", Breaking, two(), multiple(json!(3)), two(), multiple(json!(2.0))),
    ]
}

fn rules() -> Vec<Row> {
    let with = |all: Value| json!({"type": "string", "x-kubernetes-validations": all});
    let one = json!({"rule": "self != ''", "message": "no"});
    let two = json!({"rule": "self != 'b'", "message": "b"});
    let reworded = json!({"rule": "self != ''", "message": "not empty"});
    let other = json!({"rule": "self.size() > 1", "message": "no"});
    let (first, both) = (with(json!([one])), with(json!([one, two])));
    let turned = with(json!([two, one]));
    let (other, reworded) = (with(json!([other])), with(json!([reworded])));
    vec![
        ("rule-added", Breaking, first.clone(), both.clone(), both.clone(), turned.clone()),
        ("rule-removed", Safe, both.clone(), first.clone(), turned, both),
        ("rule-changed", Breaking, first.clone(), other.clone(), first.clone(), reworded.clone()),
        ("rule-message-changed", Text, first.clone(), reworded, first, other),
    ]
}

fn lists() -> Vec<Row> {
    let list = |extra: Value| extend(&json!({"type": "array", "items": {"type": "object"}}), &extra);
    let keyed = |keys: Value| list(json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}));
    let atomic = list(json!({"x-kubernetes-list-type": "atomic"}));
    let map = |kind: &str| json!({"type": "object", "x-kubernetes-map-type": kind});
    let plain = json!({"type": "object"});
    vec![
        ("list-type-stated", Text, list(json!({})), atomic.clone(), atomic.clone(), keyed(json!(["a"]))),
        ("list-type-changed", Breaking, atomic.clone(), keyed(json!(["a"])), list(json!({})), atomic),
        (
            "list-map-keys-changed",
            Breaking,
            keyed(json!(["a"])),
            keyed(json!(["a", "b"])),
            keyed(json!(["b", "a"])),
            keyed(json!(["a", "b"])),
        ),
        ("map-type-stated", Text, plain.clone(), map("granular"), plain.clone(), map("atomic")),
        ("map-type-changed", Risky, plain.clone(), map("atomic"), plain, map("granular")),
    ]
}

fn logic() -> Vec<Row> {
    let (one, two) = (json!({"required": ["a"]}), json!({"required": ["b"]}));
    let any = |all: Value| extend(&text(), &json!({"anyOf": all}));
    let exactly = |all: Value| extend(&text(), &json!({"oneOf": all}));
    let both = any(json!([one, two]));
    vec![
        ("condition-added", Breaking, text(), both.clone(), any(json!([one])), both.clone()),
        ("condition-removed", Safe, both.clone(), text(), both.clone(), any(json!([one]))),
        ("branch-added", Safe, any(json!([one])), both.clone(), both.clone(), any(json!([two, one]))),
        ("branch-removed", Breaking, both.clone(), any(json!([two])), any(json!([two, one])), both),
        (
            "branch-changed",
            Breaking,
            exactly(json!([one])),
            exactly(json!([two])),
            exactly(json!([one, two])),
            exactly(json!([two, one])),
        ),
    ]
}

fn documentation_keywords() -> Vec<Row> {
    let with = |key: &str, value: Value| extend(&text(), &json!({key: value}));
    let row = |tag, effect, key: &str, value: Value| {
        (tag, effect, text(), with(key, value.clone()), with(key, value.clone()), with(key, value))
    };
    vec![
        row("description-changed", Text, "description", json!("a")),
        row("title-changed", Text, "title", json!("a")),
        row("example-changed", Text, "example", json!({"a": 1})),
        row("external-docs-changed", Text, "externalDocs", json!({"url": "https://example.com"})),
        row("keyword-changed", Breaking, "x-kubernetes-new", json!(true)),
    ]
}

#[track_caller]
fn assert_effects(old: &Value, new: &Value, wanted: &[(&str, Effect)]) {
    let changes = compare_schemas(old, new);
    let found: Vec<_> = changes.iter().map(|change| (change.kind.tag(), change.kind.effect())).collect();
    let wanted: Vec<_> = wanted.iter().map(|(tag, effect)| ((*tag).to_owned(), *effect)).collect();
    assert_eq!(found, wanted);
}

#[test]
fn a_required_field_is_harmless_with_a_default_or_below_a_new_optional_parent() {
    let old = object(&json!({"a": text()}));
    let defaulted = extend(&object(&json!({"a": {"type": "string", "default": ""}})), &json!({"required": ["a"]}));
    assert_effects(&old, &defaulted, &[("default-added", Risky), ("required-added", Safe)]);
    let inner = extend(&object(&json!({"b": text()})), &json!({"required": ["b"]}));
    let below = object(&json!({"a": text(), "new": inner}));
    assert_effects(&old, &below, &[("field-added", Safe)]);
    let at_once = extend(&below, &json!({"required": ["new"]}));
    assert_effects(&old, &at_once, &[("field-added", Safe), ("required-added", Breaking)]);
}

#[test]
fn a_required_field_that_loses_its_default_breaks() {
    let with = |field: Value| extend(&object(&json!({"a": field})), &json!({"required": ["a"]}));
    assert_effects(&with(json!({"type": "string", "default": ""})), &with(text()), &[("default-removed", Breaking)]);
}

#[test]
fn a_field_that_was_preserved_is_not_safe_to_specify() {
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let named = extend(&free, &json!({"properties": {"a": text()}}));
    assert_effects(&free, &named, &[("field-added", Breaking)]);
    assert_effects(&named, &free, &[("field-removed", Safe)]);
}

#[test]
fn a_wider_type_is_safe_and_another_one_hides_what_is_below() {
    assert_effects(&json!({"type": "integer"}), &json!({"type": "number"}), &[("type-changed", Safe)]);
    assert_effects(
        &text(),
        &json!({"x-kubernetes-int-or-string": true, "maxLength": 1}),
        &[("limit-tightened", Breaking), ("type-changed", Safe)],
    );
    assert_effects(&object(&json!({"a": text()})), &text(), &[("type-changed", Breaking)]);
}

#[test]
fn formats_bind_or_not() {
    let with = |name: &str| json!({"type": "string", "format": name});
    for (name, wanted) in [("int32", Risky), ("int64", Safe), ("made-up", Text), ("ipv4", Breaking)] {
        assert_effects(&text(), &with(name), &[("format-changed", wanted)]);
    }
    assert_effects(&with("ipv4"), &text(), &[("format-changed", Safe)]);
}

#[test]
fn inside_any_of_and_all_of_fields_are_constraints() {
    let with = |branch: Value| json!({"type": "object", "allOf": [{"required": ["a"]}, branch]});
    let old = with(json!({"properties": {"b": {"minLength": 1}}}));
    let new = with(json!({"properties": {"b": {"minLength": 2}, "c": {"minLength": 1}}}));
    let changes = compare_schemas(&old, &new);
    let effects: Vec<_> =
        changes.iter().map(|change| (change.path.clone().unwrap().to_string(), change.kind.effect())).collect();
    assert_eq!(effects, [("^.allOf[1].b".to_owned(), Breaking), ("^.allOf[1].c".to_owned(), Breaking)]);
}

#[test]
fn every_position_is_walked() {
    let deep = |kind: &str| {
        json!({"type": "array", "items": {"type": "object", "additionalProperties": {"type": "object",
            "x-kubernetes-embedded-resource": true, "properties": {"items": {"type": kind}}}}})
    };
    let changes = compare_crds(&crd_with_schema(&deep("string")), &crd_with_schema(&deep("boolean")));
    assert_eq!(tags(&changes), ["type-changed"]);
    assert_eq!(changes[0].path.clone().unwrap().to_string(), "^.spec.items.additionalProperties[\"items\"]");
}

#[test]
fn a_new_type_hides_no_change_below() {
    let untyped = json!({"properties": {"a": text(), "b": text()}});
    let typed = object(&json!({"a": text()}));
    assert_effects(&untyped, &typed, &[("field-removed", Breaking)]);
    let below = |schema: &Value| object(&json!({"spec": schema}));
    assert_effects(&below(&untyped), &below(&typed), &[("type-changed", Breaking), ("field-removed", Breaking)]);
}

/// As istio writes a choice: none of the fields, or exactly one.
fn choice(names: &[&str]) -> Value {
    let alternatives: Vec<Value> = names.iter().map(|name| json!({"required": [name]})).collect();
    let fields: Value = names.iter().map(|name| ((*name).to_owned(), text())).collect::<serde_json::Map<_, _>>().into();
    let mut branches = vec![json!({"not": {"anyOf": alternatives}})];
    branches.extend(alternatives);
    extend(&object(&fields), &json!({"oneOf": branches}))
}

#[test]
fn a_choice_that_gains_a_new_field_affects_no_object() {
    let (old, new) = (choice(&["a", "b"]), choice(&["a", "b", "c"]));
    assert_effects(&old, &new, &[("field-added", Safe), ("branch-added", Safe)]);
    let known = extend(&old, &json!({"properties": new["properties"]}));
    assert_effects(
        &known,
        &new,
        &[("branch-added", Breaking), ("branch-removed", Breaking), ("branch-added", Breaking)],
    );
}
