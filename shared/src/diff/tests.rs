//! Every kind of change has an example that yields exactly it, and a near miss that does not.

use serde_json::{Value, json};

use super::{Change, Effect, compare_crds};

mod corpus;
mod crd_examples;
mod schema_examples;
mod served_schema_diff;
mod update_rejections;

/// A CRD with one version; `spec` of its objects has this schema.
pub(super) fn crd_with_schema(schema: &Value) -> Value {
    let root = json!({"type": "object", "properties": {"spec": schema}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "hubs.example.com", "labels": {"a": "1"}},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Hub", "plural": "hubs"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": root}}]}})
}

/// A plain CRD with the values at these pointers set; null takes one away.
pub(super) fn crd_with(values: &[(&str, Value)]) -> Value {
    let mut crd = crd_with_schema(&json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    for (pointer, value) in values {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = parent.split('/').skip(1).fold(&mut crd, |at, key| match key.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[key],
        });
        match key.parse::<usize>() {
            Ok(index) if parent.is_array() => {
                let all = parent.as_array_mut().unwrap();
                all.resize(all.len().max(index + 1), Value::Null);
                all[index] = value.clone();
            }
            _ => parent[key] = value.clone(),
        }
    }
    crd
}

pub(super) fn tags(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|change| change.kind.tag()).collect()
}

/// One kind of change: what yields exactly it, how grave that is, and what is close and yields something else or nothing.
pub(super) struct Example {
    pub(super) tag: &'static str,
    pub(super) effect: Effect,
    pub(super) old: Value,
    pub(super) new: Value,
    pub(super) near_old: Value,
    pub(super) near_new: Value,
}

fn examples() -> Vec<Example> {
    let mut all = schema_examples::examples();
    all.extend(crd_examples::examples());
    all
}

#[test]
fn each_kind_has_an_example_that_yields_exactly_it_and_a_near_miss() {
    for example in examples() {
        let changes = compare_crds(&example.old, &example.new);
        assert_eq!(tags(&changes), [example.tag], "{}", example.tag);
        assert_eq!(changes[0].kind.effect(), example.effect, "{}", example.tag);
        assert!(!changes[0].to_string().is_empty());
        let near = tags(&compare_crds(&example.near_old, &example.near_new));
        assert!(!near.contains(&example.tag.to_owned()), "{} is no near miss: {near:?}", example.tag);
    }
}

#[test]
fn a_change_turned_around_is_a_change_and_nothing_changes_into_itself() {
    for example in examples() {
        assert!(!compare_crds(&example.new, &example.old).is_empty(), "{}", example.tag);
        assert!(super::is_same_crd(&example.old, &example.old) && super::is_same_crd(&example.new, &example.new));
    }
}

/// The table in the module's documentation is what people read: it names exactly the kinds that there are examples for.
#[test]
fn the_documented_kinds_are_those_with_examples() {
    let table = include_str!("mod.rs").lines().filter(|line| line.starts_with("//! | [`"));
    let documented: std::collections::BTreeSet<&str> =
        table.flat_map(|line| line.split('`').skip(3).step_by(2)).filter(|word| word.contains('-')).collect();
    let all = examples();
    let shown: std::collections::BTreeSet<&str> = all.iter().map(|example| example.tag).collect();
    assert_eq!(documented, shown);
}

#[test]
fn as_json_a_change_is_one_flat_object() {
    let old = crd_with_schema(&json!({"type": "string", "enum": ["a", "b"]}));
    let new = crd_with_schema(&json!({"type": "string", "enum": ["b"]}));
    let changes = serde_json::to_value(compare_crds(&old, &new)).unwrap();
    assert_eq!(changes, json!([{"version": "v1", "path": "^.spec", "kind": "enum-values-removed", "old": ["a"]}]));
    assert_eq!(compare_crds(&old, &new)[0].to_string(), "v1 ^.spec enum value removed: \"a\"");
}
