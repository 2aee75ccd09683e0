//! CRDs to start from, and what chance makes of them.

use std::path::{Path, PathBuf};

use mural::model::yaml::{self, ErrorDetail};
use serde_json::{Map, Value, json};

use crate::random::Random;

/// The sample, and the CRDs of the corpus where it lies beside the project.
pub fn sources() -> (Vec<Value>, &'static str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![here.join("differential/samples/everything.yaml")];
    let corpus = here.ancestors().map(|folder| folder.join("shared/corpus")).find(|folder| folder.is_dir());
    for folder in ["product-crds", "pairs"] {
        corpus.iter().for_each(|corpus| collect(&corpus.join(folder), &mut files));
    }
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        yaml::parse_documents(&text, ErrorDetail::Snippet).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let is_crd = |document: &Value| {
        document["kind"] == "CustomResourceDefinition" && document["apiVersion"] == "apiextensions.k8s.io/v1"
    };
    let crds = files.iter().flat_map(read).filter(is_crd).collect();
    (crds, if corpus.is_some() { "the sample and the corpus" } else { "the sample; no shared/corpus here" })
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { collect(&path, into) } else { into.push(path) }
    }
}

/// Every position of a schema, as JSON pointers below it; the root is the first.
pub fn positions(schema: &Value) -> Vec<String> {
    let mut all = Vec::new();
    walk(schema, String::new(), &mut all);
    all
}

fn walk(schema: &Value, at: String, all: &mut Vec<String>) {
    all.push(at.clone());
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        if !(at.is_empty() && matches!(name.as_str(), "apiVersion" | "kind" | "metadata")) {
            walk(below, format!("{at}/properties/{}", name.replace('~', "~0").replace('/', "~1")), all);
        }
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            walk(&schema[key], format!("{at}/{key}"), all);
        }
    }
}

/// Changes one to three places of one version's schema; says what it did.
pub fn mutate(crd: &mut Value, random: &mut Random) -> Option<(String, Vec<String>)> {
    let versions = crd.pointer_mut("/spec/versions")?.as_array_mut()?;
    let at = random.below(versions.len());
    let name = versions[at]["name"].as_str()?.to_owned();
    let schema = versions[at].pointer_mut("/schema/openAPIV3Schema")?;
    let mut done = Vec::new();
    for _ in 0..=random.below(3) {
        let all = positions(schema);
        let place = random.pick(&all).clone();
        let node = schema.pointer_mut(&place)?.as_object_mut()?;
        done.push(format!("{place}: {}", change(node, random)));
    }
    Some((name, done))
}

const PATTERNS: [&str; 6] = ["^[a-z]+$", r"^\d{1,3}$", "a|b", r"^[\w.-]*$", "(?i)^true|false$", "^.{2,}$"];
const FORMATS: [&str; 14] = [
    "int32",
    "int64",
    "float",
    "double",
    "date-time",
    "date",
    "duration",
    "byte",
    "ipv4",
    "cidr",
    "uri",
    "hostname",
    "uuid",
    "made-up",
];

fn change(node: &mut Map<String, Value>, random: &mut Random) -> String {
    let kind = node.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |random: &mut Random| json!(random.below(6));
    let (key, value) = match random.below(21) {
        0 => ("nullable", json!(true)),
        1 => ("default", sample(&kind, random)),
        2 => ("enum", json!([sample(&kind, random), sample(&kind, random)])),
        3 if kind == "string" => ("pattern", json!(random.pick(&PATTERNS))),
        4 => ("format", json!(random.pick(&FORMATS))),
        5 => (["minimum", "minLength", "minItems", "minProperties"][random.below(4)], number(random)),
        6 => (["maximum", "maxLength", "maxItems", "maxProperties"][random.below(4)], number(random)),
        7 => (["exclusiveMinimum", "exclusiveMaximum"][random.below(2)], json!(true)),
        8 if kind == "object" => ("x-kubernetes-preserve-unknown-fields", json!(true)),
        9 if kind == "object" => ("required", json!([some_property(node, random)])),
        10 if kind == "array" => ("x-kubernetes-list-type", json!("set")),
        11 | 18..=20 => ("x-kubernetes-validations", json!([rule(&kind, random)])),
        12 => (
            ["oneOf", "anyOf", "allOf"][random.below(3)],
            json!([branch(node, &kind, random), branch(node, &kind, random)]),
        ),
        13 => ("not", branch(node, &kind, random)),
        14 if kind == "object" => return drop_property(node, random),
        15 => ("multipleOf", [json!(1), json!(2), json!(0.5), json!(3)][random.below(4)].clone()),
        16 if kind == "object" && !node.contains_key("properties") => {
            ("additionalProperties", json!({"type": random.pick(&["string", "integer", "object"])}))
        }
        17 => ("type", json!(random.pick(&["string", "integer", "number", "boolean"]))),
        _ => return drop_keyword(node, random),
    };
    let told = format!("{key} = {value}");
    node.insert(key.to_owned(), value);
    told
}

fn some_property(node: &Map<String, Value>, random: &mut Random) -> String {
    let names: Vec<&String> =
        node.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name).collect();
    if names.is_empty() { "absent".to_owned() } else { (*random.pick(&names)).clone() }
}

fn drop_property(node: &mut Map<String, Value>, random: &mut Random) -> String {
    let name = some_property(node, random);
    if let Some(properties) = node.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove(&name);
    }
    format!("without the property {name}")
}

fn drop_keyword(node: &mut Map<String, Value>, random: &mut Random) -> String {
    let keys: Vec<String> =
        node.keys().filter(|key| !matches!(key.as_str(), "type" | "properties" | "items")).cloned().collect();
    if keys.is_empty() {
        return "nothing".to_owned();
    }
    let key = random.pick(&keys).clone();
    node.remove(&key);
    format!("without {key}")
}

fn sample(kind: &str, random: &mut Random) -> Value {
    match kind {
        "string" => json!(random.pick(&["a", "b", "1", "true", ""])),
        "integer" => json!(random.below(5)),
        "number" => json!([0.5, 1.0, 2.0][random.below(3)]),
        "boolean" => json!(random.one_in(2)),
        "array" => json!([]),
        _ => json!({}),
    }
}

/// A branch of `oneOf` and its like: only value validations may stand there.
fn branch(node: &Map<String, Value>, kind: &str, random: &mut Random) -> Value {
    match kind {
        "object" => json!({"required": [some_property(node, random)]}),
        "string" => {
            [json!({"minLength": 2}), json!({"pattern": "^a"}), json!({"enum": ["a", "b"]}), json!({"maxLength": 3})]
                [random.below(4)]
            .clone()
        }
        "integer" | "number" => {
            [json!({"minimum": 2}), json!({"maximum": 3}), json!({"multipleOf": 2})][random.below(3)].clone()
        }
        "array" => [json!({"minItems": 1}), json!({"maxItems": 2})][random.below(2)].clone(),
        _ => json!({"enum": [true]}),
    }
}

fn rule(kind: &str, random: &mut Random) -> Value {
    let rules: &[&str] = match kind {
        "string" => &[
            "self.size() < 5",
            "self.matches('^[a-z]+$')",
            "self != ''",
            "self == oldSelf",
            "!self.contains('x')",
            "self.lowerAscii() == self",
            "self.upperAscii() != self",
            "self.charAt(0) == 'a'",
            "self.indexOf('o') < 2 && self.lastIndexOf('o') < 4",
            "self.substring(0, 1) != '1'",
            "self.startsWith('a') || self.endsWith('d')",
            "self.split('-').size() == 1",
            "self.replace('a', 'b') == self",
            "self.trim() == self",
            "self.find('[0-9]+') == ''",
            "self.findAll('[a-z]').size() < 4",
            "isURL(self) || !isIP(self)",
            "!isIP(self) || ip(self).family() == 4",
            "!isQuantity(self) || quantity(self).isLessThan(quantity('2'))",
            "duration(self) < duration('2h')",
            "int(self) < 5",
            "self in ['a', 'b', 'True']",
            "self < 'b'",
            "self.reverse() == self",
        ],
        "integer" => &[
            "self > 1",
            "self % 2 == 0",
            "self >= oldSelf",
            "self != 3 && self < 10",
            "10 / self > 1",
            "-self < 0",
            "double(self) / 2.0 > 1.5",
            "string(self).size() == 1",
            "self in [1, 2, 3]",
            "self * self * self * self > 0",
        ],
        "number" => &["self > 0.5", "self * 2.0 < 3.0", "self != 1.0", "int(self) == 0", "string(self) != '0.25'"],
        "boolean" => &["self", "self == oldSelf", "!self", "string(self) == 'true'", "self ? 1 < 2 : 1 > 2"],
        "array" => &[
            "self.size() < 3",
            "self.size() == 0 || self[0] == self[0]",
            "size(self) >= 1",
            "self.all(x, x == x)",
            "self.exists(x, self[0] != x)",
            "self.exists_one(x, x == self[0])",
            "self.map(x, x).size() == self.filter(x, true).size()",
            "self == oldSelf",
            "self[1] == self[0]",
            "self.indexOf(self[0]) == 0",
        ],
        _ => &["has(self.kind) || true", "self == oldSelf"],
    };
    let mut rule = json!({"rule": random.pick(rules)});
    if random.one_in(2) {
        rule["message"] = json!("a message of the rule");
    }
    if random.one_in(4) {
        rule["messageExpression"] = json!("'computed: ' + string(1 + 1)");
    }
    rule
}

/// Changes what stands outside of the schemas, which the server looks at when a CRD is written.
pub fn mutate_outside(crd: &mut Value, random: &mut Random) -> Option<String> {
    let spec = crd.get_mut("spec")?;
    let count = spec["versions"].as_array()?.len();
    let at = random.below(count);
    let told = match random.below(12) {
        0 => set(spec, "scope", json!("Cluster")),
        1 => set(spec, "scope", json!(random.pick(&["Somewhere", ""]))),
        2 => set(&mut spec["names"], "kind", json!("Another")),
        3 => set(&mut spec["versions"][at], "storage", json!(random.one_in(2))),
        4 => set(&mut spec["versions"][at], "name", json!(random.pick(&["v1", "v9", "v1.2", "V1"]))),
        5 => set(&mut spec["versions"][at], "schema", Value::Null),
        6 => set(&mut spec["versions"][at], "deprecationWarning", json!("old")),
        7 => set(spec, "preserveUnknownFields", json!(true)),
        8 => set(spec, "conversion", json!({"strategy": "Webhook"})),
        9 => set(
            spec,
            "conversion",
            json!({"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://a/"}}}),
        ),
        10 => set(
            spec,
            "conversion",
            json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": random.pick(&[vec!["v1"], vec!["v3"], vec![]]), "clientConfig": {"url": "https://a/"}}}),
        ),
        _ => {
            spec["versions"].as_array_mut()?.remove(at);
            format!("without the version {at}")
        }
    };
    Some(told)
}

fn set(into: &mut Value, key: &str, value: Value) -> String {
    let told = format!("{key} = {value}");
    into[key] = value;
    told
}
