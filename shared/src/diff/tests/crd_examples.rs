//! Examples outside of schemas: values set in a plain CRD before and after, and a pair that is close.

use serde_json::{Value, json};

use super::{Example, crd_with, crd_with_schema, tags};
use crate::diff::Effect::{self, Breaking, Risky, Safe, Text};
use crate::diff::{compare_crds, is_same_crd};

type Set = Vec<(&'static str, Value)>;
type Row = (&'static str, Effect, Set, Set, Set, Set);

pub(super) fn examples() -> Vec<Example> {
    let rows = [names(), marks(), versions(), deprecation(), conversion(), subresources()].concat();
    rows.into_iter()
        .map(|(tag, effect, old, new, near_old, near_new)| Example {
            tag,
            effect,
            old: crd_with(&old),
            new: crd_with(&new),
            near_old: crd_with(&near_old),
            near_new: crd_with(&near_new),
        })
        .collect()
}

fn set_value(pointer: &'static str, value: Value) -> Set {
    vec![(pointer, value)]
}

fn names() -> Vec<Row> {
    let singular = |name: &str| set_value("/spec/names/singular", json!(name));
    let list = |name: &str| set_value("/spec/names/listKind", json!(name));
    let short = |names: Value| set_value("/spec/names/shortNames", names);
    let categories = |names: Value| set_value("/spec/names/categories", names);
    let fixed: Set = vec![("/spec/names/singular", json!("hub")), ("/spec/names/listKind", json!("HubList"))];
    let mut kind = fixed.clone();
    kind.push(("/spec/names/kind", json!("Hob")));
    vec![
        (
            "group-changed",
            Breaking,
            vec![],
            set_value("/spec/group", json!("b.com")),
            vec![],
            set_value("/metadata/uid", json!("1")),
        ),
        ("scope-changed", Breaking, vec![], set_value("/spec/scope", json!("Cluster")), vec![], list("A")),
        ("kind-changed", Breaking, fixed, kind, vec![], singular("hob")),
        ("plural-changed", Breaking, vec![], set_value("/spec/names/plural", json!("hobs")), vec![], singular("hob")),
        ("singular-changed", Risky, vec![], singular("hob"), vec![], singular("hub")),
        ("list-kind-changed", Risky, vec![], list("Hubs"), vec![], list("HubList")),
        (
            "short-names-changed",
            Text,
            short(json!(["h"])),
            short(json!(["h", "i"])),
            short(json!(["i", "h"])),
            short(json!(["h", "i"])),
        ),
        ("categories-changed", Text, vec![], categories(json!(["all"])), vec![], categories(json!([]))),
    ]
}

fn marks() -> Vec<Row> {
    let last = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}", "meta.helm.sh/release-name": "a"});
    vec![
        (
            "label-changed",
            Text,
            vec![],
            set_value("/metadata/labels", json!({"a": "2"})),
            vec![],
            set_value("/metadata/labels", json!({"a": "1", "helm.toolkit.fluxcd.io/name": "a"})),
        ),
        (
            "annotation-changed",
            Text,
            vec![],
            set_value("/metadata/annotations", json!({"a": "2"})),
            vec![],
            set_value("/metadata/annotations", last),
        ),
    ]
}

fn version(name: &str, served: bool, storage: bool) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    json!({"name": name, "served": served, "storage": storage, "schema": schema})
}

fn versions() -> Vec<Row> {
    let list = |all: &[Value]| set_value("/spec/versions", json!(all));
    let (v1, v2) = (version("v1", true, true), version("v2", true, false));
    let (both, turned) = (list(&[v1.clone(), v2.clone()]), list(&[v2, v1.clone()]));
    let unserved = list(&[v1.clone(), version("v2", false, false)]);
    let moved = list(&[version("v1", true, false), version("v2", true, true)]);
    let none = list(&[json!({"name": "v1", "served": true, "storage": true})]);
    let keeps = |value: bool| set_value("/spec/preserveUnknownFields", json!(value));
    let v1 = list(&[v1]);
    vec![
        ("version-added", Safe, v1.clone(), both.clone(), both.clone(), turned.clone()),
        ("version-removed", Breaking, both.clone(), v1.clone(), turned.clone(), both.clone()),
        ("version-served", Safe, unserved.clone(), both.clone(), v1.clone(), both.clone()),
        ("version-unserved", Breaking, both.clone(), unserved, both.clone(), v1.clone()),
        ("storage-version-moved", Risky, both.clone(), moved, both, turned),
        ("schema-added", Breaking, none.clone(), v1.clone(), vec![], vec![]),
        ("schema-removed", Breaking, v1, none, vec![], vec![]),
        ("crd-preserve-unknown-fields-changed", Breaking, keeps(true), keeps(false), vec![], keeps(false)),
    ]
}

fn deprecation() -> Vec<Row> {
    let words = |words: &str| {
        vec![("/spec/versions/0/deprecated", json!(true)), ("/spec/versions/0/deprecationWarning", json!(words))]
    };
    let set = |value: bool| set_value("/spec/versions/0/deprecated", json!(value));
    vec![
        ("version-deprecated", Safe, vec![], set(true), vec![], set(false)),
        ("deprecation-withdrawn", Text, set(true), vec![], set(false), vec![]),
        ("deprecation-warning-changed", Text, words("a"), words("b"), vec![], words("a")),
    ]
}

fn webhook(url: &str, ca: &str, reviews: &[&str], port: Option<u16>) -> Set {
    let mut service = json!({"namespace": "n", "name": url});
    if let Some(port) = port {
        service["port"] = json!(port);
    }
    let webhook = json!({"clientConfig": {"service": service, "caBundle": ca}, "conversionReviewVersions": reviews});
    set_value("/spec/conversion", json!({"strategy": "Webhook", "webhook": webhook}))
}

fn conversion() -> Vec<Row> {
    let base = || webhook("a", "x", &["v1"], None);
    let none = set_value("/spec/conversion", json!({"strategy": "None"}));
    vec![
        ("conversion-strategy-changed", Risky, none.clone(), base(), none, vec![]),
        (
            "conversion-webhook-changed",
            Risky,
            base(),
            webhook("b", "x", &["v1"], None),
            base(),
            webhook("a", "x", &["v1"], Some(443)),
        ),
        ("conversion-ca-bundle-changed", Risky, base(), webhook("a", "y", &["v1"], None), base(), vec![]),
        ("conversion-review-versions-changed", Risky, base(), webhook("a", "x", &["v1", "v2"], None), base(), base()),
    ]
}

fn subresources() -> Vec<Row> {
    let sub = |value: Value| set_value("/spec/versions/0/subresources", value);
    let scale = |path: &str| sub(json!({"scale": {"specReplicasPath": path}}));
    let columns = |all: Value| set_value("/spec/versions/0/additionalPrinterColumns", all);
    let select = |paths: &[&str]| {
        let all: Vec<Value> = paths.iter().map(|path| json!({"jsonPath": path})).collect();
        set_value("/spec/versions/0/selectableFields", json!(all))
    };
    let column = |extra: Value| {
        let mut column = json!({"name": "Age", "type": "date", "jsonPath": ".a"});
        column.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        columns(json!([column]))
    };
    vec![
        ("status-subresource-added", Risky, vec![], sub(json!({"status": {}})), vec![], sub(json!({}))),
        ("status-subresource-removed", Risky, sub(json!({"status": {}})), vec![], sub(json!({})), vec![]),
        ("scale-subresource-added", Safe, vec![], scale(".a"), scale(".a"), scale(".b")),
        ("scale-subresource-removed", Risky, scale(".a"), vec![], scale(".a"), scale(".b")),
        ("scale-subresource-changed", Risky, scale(".a"), scale(".b"), vec![], scale(".a")),
        ("printer-columns-changed", Text, vec![], column(json!({})), column(json!({})), column(json!({"priority": 0}))),
        (
            "selectable-field-added",
            Safe,
            select(&[".a"]),
            select(&[".a", ".b"]),
            select(&[".a", ".b"]),
            select(&[".b", ".a"]),
        ),
        (
            "selectable-field-removed",
            Risky,
            select(&[".a", ".b"]),
            select(&[".a"]),
            select(&[".b", ".a"]),
            select(&[".a", ".b"]),
        ),
    ]
}

#[test]
fn losing_helms_keep_is_no_mere_text() {
    let keep = set_value("/metadata/annotations", json!({"helm.sh/resource-policy": "keep"}));
    assert_eq!(compare_crds(&crd_with(&keep), &crd_with(&[]))[0].kind.effect(), Risky);
    assert_eq!(compare_crds(&crd_with(&[]), &crd_with(&keep))[0].kind.effect(), Text);
}

#[test]
fn status_and_the_servers_metadata_do_not_count() {
    let live: Set = vec![
        ("/status", json!({"storedVersions": ["v1"]})),
        ("/metadata/resourceVersion", json!("7")),
        ("/metadata/managedFields", json!([{"manager": "helm"}])),
        ("/spec/conversion", json!({"strategy": "None"})),
    ];
    assert!(is_same_crd(&crd_with(&live), &crd_with(&[])));
}

#[test]
fn a_v1beta1_manifest_is_read_as_the_server_would_convert_it() {
    let schema = json!({"type": "object"});
    let columns = json!([{"name": "A", "type": "string", "JSONPath": ".a"}]);
    let beta = json!({"apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "hubs.example.com", "labels": {"a": "1"}},
        "spec": {"group": "example.com", "scope": "Namespaced", "version": "v1", "names": {"kind": "Hub", "plural": "hubs"},
            "validation": {"openAPIV3Schema": schema}, "additionalPrinterColumns": columns}});
    let mut v1 = crd_with_schema(&json!({}));
    v1["spec"]["preserveUnknownFields"] = json!(true);
    v1["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema;
    v1["spec"]["versions"][0]["additionalPrinterColumns"] = json!([{"name": "A", "type": "string", "jsonPath": ".a"}]);
    assert_eq!(tags(&compare_crds(&beta, &v1)), [""; 0]);
}
