//! Real schemas, and what a real API server published for them (`tests/samples/openapi-v3`).

use serde_json::{Value, json};

use crate::diff::compare_served_schema;

const SAMPLES: [&str; 5] = [
    include_str!("../../../../tests/samples/openapi-v3/addondeploymentconfigs.json"),
    include_str!("../../../../tests/samples/openapi-v3/manifestworks.json"),
    include_str!("../../../../tests/samples/openapi-v3/buckets.json"),
    include_str!("../../../../tests/samples/openapi-v3/certificaterequests.json"),
    include_str!("../../../../tests/samples/openapi-v3/gatewayclasses.json"),
];

fn samples() -> Vec<Value> {
    SAMPLES.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[test]
fn the_served_schema_matches_the_applied_one() {
    for sample in samples() {
        assert_eq!(compare_served_schema(&sample["schema"], &sample["definition"]), Ok(()), "{}", sample["crd"]);
    }
}

/// A published definition of an older schema must never pass: each leaf of the schema is changed in turn.
#[test]
fn any_keyword_that_differs_is_seen() {
    for sample in samples() {
        let mut pointers = Vec::new();
        collect_leaves(&sample["schema"], String::new(), &mut pointers);
        assert!(pointers.len() > 20);
        for pointer in pointers.iter().filter(|pointer| !is_written_by_server(pointer)) {
            let mut older = sample["schema"].clone();
            let leaf = older.pointer_mut(pointer).unwrap();
            *leaf = leaf.as_bool().map_or_else(|| json!("changed"), |set| json!(!set));
            let matches = compare_served_schema(&older, &sample["definition"]);
            assert!(matches.is_err(), "{}: a change at {pointer} is not seen", sample["crd"]);
        }
    }
}

fn collect_leaves(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Object(all) => {
            for (key, inner) in all {
                collect_leaves(inner, format!("{at}/{}", key.replace('/', "~1")), into);
            }
        }
        Value::Array(all) => {
            for (index, inner) in all.iter().enumerate() {
                collect_leaves(inner, format!("{at}/{index}"), into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => into.push(at),
    }
}

/// What the server writes itself, and one half of a spelling whose other half says it already.
fn is_written_by_server(pointer: &str) -> bool {
    ["/properties/apiVersion", "/properties/kind", "/properties/metadata"].iter().any(|own| pointer.starts_with(own))
        || pointer.contains("int-or-string")
}

#[test]
fn the_place_that_differs_is_named() {
    let sample = &samples()[2];
    let mut older = sample["schema"].clone();
    older["properties"]["spec"]["properties"]["interval"] = json!({"type": "string"});
    let paths = compare_served_schema(&older, &sample["definition"]).unwrap_err();
    let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["^.spec.interval"]);
}

/// The server drops what `JSONSchemaProps` does not know, and does not publish examples: a chart may hold both for ever.
#[test]
fn fields_that_the_server_never_publishes_do_not_differ() {
    for sample in samples() {
        let mut chart = sample["schema"].clone();
        chart["properties"]["spec"]["x-descriptors"] = json!(["a"]);
        chart["properties"]["spec"]["example"] = json!({"a": 1});
        assert_eq!(compare_served_schema(&chart, &sample["definition"]), Ok(()), "{}", sample["crd"]);
    }
}
