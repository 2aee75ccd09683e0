//! Custom resources made after a schema, mostly right, here and there wrong.

use serde_json::{Map, Value, json};

use crate::random::Random;

/// One resource of that kind.
pub fn resource(crd: &Value, version: &str, schema: &Value, random: &mut Random) -> Value {
    let mut object = match value(schema, random, 0) {
        Value::Object(fields) => Value::Object(fields),
        _ => json!({}),
    };
    object["apiVersion"] = json!(format!("{}/{version}", crd["spec"]["group"].as_str().unwrap_or_default()));
    object["kind"] = crd["spec"]["names"]["kind"].clone();
    object["metadata"] = metadata(random);
    object
}

fn metadata(random: &mut Random) -> Value {
    let mut metadata = json!({"name": "sample"});
    match random.below(14) {
        0 => metadata["name"] = json!("Not A Name"),
        1 => metadata["labels"] = json!({"a/b": "c", "x y": "z"}),
        2 => metadata["annotations"] = json!({"A/b": "c d", "e": ""}),
        3 => metadata["unknown"] = json!({"x": 1}),
        4 => metadata["creationTimestamp"] = Value::Null,
        5 => metadata["finalizers"] = json!(["a.b/c", "not one"]),
        _ => {}
    }
    metadata
}

const DEEPEST: usize = 9;

fn value(schema: &Value, random: &mut Random, depth: usize) -> Value {
    if random.one_in(60) {
        return anything(random);
    }
    if random.one_in(40) {
        return Value::Null;
    }
    if let Some(all) = schema["enum"].as_array().filter(|all| !all.is_empty() && !random.one_in(8)) {
        return random.pick(all).clone();
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return if random.one_in(2) { integer(schema, random) } else { text(schema, random) };
    }
    match schema["type"].as_str() {
        Some("object") if depth < DEEPEST => object(schema, random, depth),
        Some("object") => json!({}),
        Some("array") => {
            let count = schema["minItems"].as_u64().unwrap_or(0).min(4) + random.next() % 3;
            Value::Array((0..count).map(|_| value(&schema["items"], random, depth + 1)).collect())
        }
        Some("string") => text(schema, random),
        Some("integer") => integer(schema, random),
        Some("number") => json!([0.5, 1.0, 2.0, 0.25, 3.5, -1.0][random.below(6)]),
        Some("boolean") => json!(random.one_in(2)),
        _ => anything(random),
    }
}

fn object(schema: &Value, random: &mut Random, depth: usize) -> Value {
    let mut fields = Map::new();
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let wanted = required.contains(&name.as_str());
        // The deeper, the rarer: else a large schema makes an object of megabytes.
        let taken = if wanted { !random.one_in(25) } else { random.one_in(2 + depth) };
        if taken {
            fields.insert(name.clone(), value(below, random, depth + 1));
        }
    }
    if schema["additionalProperties"].is_object() {
        for name in ["a", "b.c", "d/e"].iter().take(random.below(4)) {
            fields.insert((*name).to_owned(), value(&schema["additionalProperties"], random, depth + 1));
        }
    }
    if schema["x-kubernetes-embedded-resource"] == true {
        fields.insert("apiVersion".to_owned(), json!(random.pick(&["v1", "apps/v1", "", "a/b/c"])));
        fields.insert("kind".to_owned(), json!(random.pick(&["Pod", "pod", "", "Not_A_Kind"])));
        fields.insert("metadata".to_owned(), metadata(random));
    }
    if random.one_in(12) {
        fields.insert("unknownField".to_owned(), anything(random));
    }
    Value::Object(fields)
}

fn text(schema: &Value, random: &mut Random) -> Value {
    let fitting: &[&str] = match schema["format"].as_str() {
        Some("date-time") => &["2024-02-29T10:00:00Z", "2024-01-01T23:59:59.5+02:00", "2024-13-01T00:00:00Z"],
        Some("date") => &["2024-02-29", "2023-02-29"],
        Some("duration") => &["1h30m", "5s", "1d", "nope", "1.5h", "-2m"],
        Some("byte") => &["YWJj", "YWI=", "a"],
        Some("ipv4") => &["1.2.3.4", "01.2.3.4", "1.2.3"],
        Some("cidr") => &["10.0.0.0/8", "::/0", "1.2.3.4"],
        Some("uri") => &["http://a/b", "/a", "a b", "https://a:b/", "x:y"],
        Some("hostname") => &["a.example", "-a", "a_b"],
        Some("uuid") => &["6ba7b810-9dad-11d1-80b4-00c04fd430c8", "x"],
        _ => &[
            "a",
            "b",
            "abc",
            "a-b",
            "1",
            "true",
            "",
            "with space",
            "äöü",
            "averyverylongwordindeed",
            "UPPER",
            "1h",
            "10.0.0.1",
        ],
    };
    json!(random.pick(fitting))
}

fn integer(schema: &Value, random: &mut Random) -> Value {
    let least = schema["minimum"].as_f64().unwrap_or(0.0);
    #[allow(clippy::cast_possible_truncation, reason = "any number will do")]
    let least = least as i64;
    match random.below(20) {
        0 => json!(3_000_000_000_i64),
        1 => json!(-1),
        2 => json!(2.0),
        3 => json!(2.5),
        4 => json!(12_345_678_901_234_567_890_u64),
        _ => json!(least.saturating_add(i64::try_from(random.below(8)).unwrap())),
    }
}

fn anything(random: &mut Random) -> Value {
    [
        json!("text"),
        json!(7),
        json!(1.5),
        json!(true),
        json!([]),
        json!({"a": {"b": 1}}),
        json!([1, "a", null]),
        Value::Null,
        json!({}),
    ][random.below(9)]
    .clone()
}
