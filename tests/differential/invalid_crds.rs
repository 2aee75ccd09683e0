//! What an author may write into a CRD and the server does not take.

use serde_json::{Map, Value, json};

use crate::crds::positions;
use crate::random::Random;

/// Does one wrong thing; says which.
pub fn mutate(crd: &mut Value, random: &mut Random) -> Option<String> {
    if random.one_in(3) {
        return break_version_extras(crd, random);
    }
    let versions = crd.pointer_mut("/spec/versions")?.as_array_mut()?;
    let at = random.below(versions.len());
    let schema = versions[at].pointer_mut("/schema/openAPIV3Schema")?;
    let places = positions(schema);
    let place = if random.one_in(12) { String::new() } else { random.pick(&places).clone() };
    let node = schema.pointer_mut(&place)?.as_object_mut()?;
    Some(format!("{place}: {}", in_schema(node, random)))
}

fn in_schema(node: &mut Map<String, Value>, random: &mut Random) -> String {
    let kind = node.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let values = [
        ("type", Value::Null),
        ("type", json!("null")),
        ("type", json!("text")),
        ("uniqueItems", json!(true)),
        ("nullable", json!(true)),
        ("additionalProperties", json!(false)),
        ("additionalProperties", json!({"type": "string"})),
        ("additionalProperties", json!({"description": "no type"})),
        ("x-kubernetes-preserve-unknown-fields", json!(false)),
        ("x-kubernetes-preserve-unknown-fields", json!(true)),
        ("x-kubernetes-int-or-string", json!(true)),
        ("x-kubernetes-embedded-resource", json!(true)),
        ("x-kubernetes-list-type", json!("map")),
        ("x-kubernetes-list-type", json!("set")),
        ("x-kubernetes-list-type", json!("other")),
        ("x-kubernetes-list-map-keys", json!(["name"])),
        ("x-kubernetes-map-type", json!("other")),
        ("x-kubernetes-map-type", json!("atomic")),
        ("pattern", json!("(?=x)")),
        ("pattern", json!("^a{1,2000}$")),
        ("pattern", json!("[a")),
        ("default", json!({"unknownField": 1})),
        ("default", json!("text")),
        ("default", json!(7)),
        ("default", json!(["a"])),
        ("items", json!([{"type": "string"}])),
        ("items", Value::Null),
        ("id", json!("x")),
        ("$ref", json!("#/definitions/x")),
        ("patternProperties", json!({"^a": {"type": "string"}})),
        ("definitions", json!({"a": {"type": "string"}})),
        ("anyOf", json!([{"type": "string"}])),
        ("anyOf", json!([{"type": "integer"}, {"type": "string"}])),
        ("allOf", json!([{"description": "x", "nullable": true}])),
        ("oneOf", json!([{"properties": {"neverSpecified": {"minLength": 1}}}])),
        ("not", json!({"default": 1})),
        ("not", json!({"additionalProperties": {"minLength": 1}})),
        ("x-kubernetes-validations", json!([{"rule": " "}])),
        ("x-kubernetes-validations", json!([{"rule": "true", "message": "a\nb"}])),
        ("x-kubernetes-validations", json!([{"rule": "true\n&& true"}])),
        ("x-kubernetes-validations", json!([{"rule": "true", "reason": "Odd"}])),
        ("x-kubernetes-validations", json!([{"rule": "true", "messageExpression": " "}])),
    ];
    let (key, value) = random.pick(&values).clone();
    if kind == "array" && random.one_in(3) {
        return keyed(node, random);
    }
    let told = format!("{key} = {value}");
    if value.is_null() {
        node.remove(key);
    } else {
        node.insert(key.to_owned(), value);
    }
    told
}

/// A list with keys, right or wrong.
fn keyed(node: &mut Map<String, Value>, random: &mut Random) -> String {
    let field = [
        json!({"type": "string"}),
        json!({"type": "string", "nullable": true}),
        json!({"type": "string", "default": "a"}),
        json!({"type": "object"}),
    ];
    let mut items = json!({"type": "object", "properties": {"name": random.pick(&field)}});
    if random.one_in(2) {
        items["required"] = json!(["name"]);
    }
    if random.one_in(4) {
        items["nullable"] = json!(true);
    }
    let keys = [json!(["name"]), json!(["name", "name"]), json!(["absent"]), json!([])];
    node.insert("items".to_owned(), items);
    node.insert("x-kubernetes-list-type".to_owned(), json!(random.pick(&["map", "map", "set"])));
    node.insert("x-kubernetes-list-map-keys".to_owned(), random.pick(&keys).clone());
    "a list with keys".to_owned()
}

/// Columns, scale, selectable fields, names, the group's approval.
fn break_version_extras(crd: &mut Value, random: &mut Random) -> Option<String> {
    let count = crd["spec"]["versions"].as_array()?.len();
    let at = random.below(count);
    let version = &mut crd["spec"]["versions"][at];
    let columns = [
        json!([{"name": "A", "type": "text", "jsonPath": ".spec.a"}]),
        json!([{"name": "A", "type": "string", "jsonPath": "spec.a"}]),
        json!([{"name": "", "type": "string", "jsonPath": ".spec.a"}]),
        json!([{"name": "A", "type": "string", "format": "odd", "jsonPath": ".spec.a"}]),
    ];
    let scales = [
        json!({"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}),
        json!({"specReplicasPath": ".status.replicas", "statusReplicasPath": ".status.replicas"}),
        json!({"specReplicasPath": "spec.replicas", "statusReplicasPath": ".spec.replicas", "labelSelectorPath": ".metadata.x"}),
        json!({"specReplicasPath": "", "statusReplicasPath": ".status.replicas"}),
    ];
    let fields = [".spec", ".metadata.name", "spec.a", ".spec.neverSpecified", ".kind", ""];
    let told = match random.below(7) {
        0 => set(version, "additionalPrinterColumns", random.pick(&columns).clone()),
        1 => set(&mut version["subresources"], "scale", random.pick(&scales).clone()),
        2 => set(version, "selectableFields", json!([{"jsonPath": random.pick(&fields)}])),
        3 => set(&mut crd["spec"]["names"], "kind", json!("")),
        4 => set(&mut crd["metadata"]["annotations"], "api-approved.kubernetes.io", json!("odd")),
        5 => {
            let schema = version.pointer_mut("/schema/openAPIV3Schema")?;
            let odd =
                [("maxProperties", json!(3)), ("enum", json!([{}])), ("x-kubernetes-map-type", json!("granular"))];
            let (key, value) = random.pick(&odd).clone();
            set(schema, key, value)
        }
        _ => {
            let metadata = json!({"type": "object", "properties": {"labels": {"type": "object"}}});
            set(version.pointer_mut("/schema/openAPIV3Schema/properties")?, "metadata", metadata)
        }
    };
    Some(told)
}

fn set(into: &mut Value, key: &str, value: Value) -> String {
    let told = format!("{key} = {value}");
    into[key] = value;
    told
}
