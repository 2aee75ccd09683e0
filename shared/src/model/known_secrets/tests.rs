//! Secrets planted in many places: each is found wherever it appears, and public words stay readable.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;

const PEM: &str = "-----BEGIN KEY-----\nMIIEcanaryPEMfirst\nMIIEcanaryPEMsecond\n-----END KEY-----\n";

fn secrets_of(values: &Value, objects: &[Value]) -> Secrets {
    Secrets::collect(&SecretSources {
        values: vec![values],
        chart_values: Vec::new(),
        objects: objects.iter().collect(),
    })
}

fn secret(string_data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mural-creds"}, "stringData": string_data})
}

/// Values without a secret key, and the Secrets that they reach.
fn installation() -> (Value, Vec<Value>) {
    let values = json!({
        "db": {"pwd": "canary-pwd", "user": "ann9"},
        "licenseKey": "canary-license",
        "signing": {"key": "canary-signing", "pem": PEM},
        "list": ["canary-list-1", {"inner": ["canary-list-2"]}],
        "encoded": STANDARD.encode("canary-encoded"),
        "quoted": "canary\"quote\\d",
        "percent": "canary/p@ss",
        "pin": 739_154,
        "smtp": {"login": "canary-smtp"},
        "registry": {"login": "canary-registry"},
        "logLevel": "info", "port": 5432, "enabled": "true", "namespace": "mural-system", "note": "harmless-note",
    });
    let docker = json!({"auths": {"r.example": {"auth": STANDARD.encode("bot:canary-registry")}}}).to_string();
    let data = json!({
        "license": STANDARD.encode("canary-license\n"), "key": STANDARD.encode("canary-encoded"),
        "dsn": STANDARD.encode("postgres://ann9:canary-pwd@db.example/mural"),
        ".dockerconfigjson": STANDARD.encode(docker),
    });
    let file = "smtp:\n  login: canary-smtp\n  password: canary-generated\n  port: 5432\n  enabled: true\n";
    let text = json!({
        "config.yaml": file, "signing": "canary-signing", "namespace": "mural-system", "pin": "739154",
        "tls.key": PEM.replace('\n', "\n    "), "list": "canary-list-1,canary-list-2",
        "app.json": json!({"quoted": "canary\"quote\\d"}).to_string(), "url": "redis://:canary%2Fp%40ss@r",
        "generated": "canary-random", "flag": "true", "size": "42",
    });
    let hook = json!({"kind": "List", "items": [secret(&text)]});
    let object = json!({"kind": "Secret", "metadata": {"name": "mural", "namespace": "mural-system"}, "data": data});
    (values, vec![object, hook])
}

#[test]
fn a_value_that_reaches_a_secret_is_masked_in_every_form() {
    let (values, objects) = installation();
    let secrets = secrets_of(&values, &objects);
    let texts = [
        "pwd: canary-pwd",
        "user ann9 is wrong",
        "canary-license",
        "key canary-signing.",
        "MIIEcanaryPEMfirst",
        "MIIEcanaryPEMsecond",
        "[\"canary-list-1\"]",
        "x=canary-list-2",
        "canary-encoded",
        "canary\"quote\\d",
        "canary\\\"quote\\\\d",
        "canary/p@ss",
        "canary%2Fp%40ss",
        "pin 739154",
        "canary-smtp",
        "canary-registry",
        "canary-generated",
        "canary-random",
        "--dsn=postgres://ann9:canary-pwd@db.example/mural",
        "prefixcanary-signingsuffix",
    ];
    for text in texts {
        let masked = secrets.mask(text);
        assert!(masked.contains(MASK), "{text}: {masked}");
        for part in ["canary", "ann9", "739154", "PEM"] {
            assert!(!masked.contains(part), "{text}: {masked}");
        }
    }
    for text in ["canary-pwd", "canary-license", "canary-encoded", "canary-random", "canary-registry"] {
        for shift in ["", "a", "bb", "ccc"] {
            let encoded = STANDARD.encode(format!("{shift}{text}{shift}"));
            let masked = secrets.mask(&encoded);
            assert!(masked.len() <= MASK.len() + 12 && masked.contains(MASK), "{text} in {encoded}: {masked}");
        }
    }
    assert_eq!(format!("{secrets:?}"), MASK);
}

#[test]
fn short_and_common_words_stay_readable() {
    let (values, objects) = installation();
    let secrets = secrets_of(&values, &objects);
    for text in [
        "enabled true, port 5432, size 42",
        "Secret mural-creds in mural-system and mural",
        "harmless-note at level info",
        "planning9 and annex are words",
        "1739154 objects",
    ] {
        assert_eq!(secrets.mask(text), text);
    }
}

#[test]
fn a_default_of_a_chart_is_a_secret_only_if_it_is_long_or_alone() {
    let objects =
        [secret(&json!({"config": "level = info, salt = canary-default", "word": "abc1e", "role": "auditor"}))];
    let chart_values = json!({"level": "info", "salt": "canary-default", "word": "abc1e", "role": "auditor"});
    let sources =
        SecretSources { values: Vec::new(), chart_values: vec![&chart_values], objects: objects.iter().collect() };
    let secrets = Secrets::collect(&sources);
    assert_eq!(secrets.mask("info canary-default abc1e abc1ef"), "info *** *** abc1ef");
    // Commands in hints contain such words: a mask there would break the command.
    assert_eq!(
        secrets.mask("kubectl get configmap mural-project-rbac-auditor"),
        "kubectl get configmap mural-project-rbac-auditor"
    );
}

#[test]
fn a_secret_below_a_secret_key_is_found_anywhere() {
    let values = json!({"db": {"password": "canary-1", "user": "ann", "pin": 7}, "token": "abc"});
    let rendered =
        [json!({"kind": "Secret", "data": {"key": "Y2FuYXJ5LTI="}, "stringData": {"other": "canary-1-and-more"}})];
    let masked = secrets_of(&values, &rendered).mask("ann: canary-1 is wrong, canary-2 too, canary-1-and-more; abc");
    assert_eq!(masked, "ann: *** is wrong, *** too, ***; abc");
}

#[test]
fn values_keep_their_shape_without_secrets() {
    let (values, objects) = installation();
    let masked = secrets_of(&values, &objects).mask_value(&values);
    assert!(!masked.to_string().contains("canary"), "{masked}");
    assert_eq!((&masked["pin"], &masked["port"]), (&json!(MASK), &json!(5432)));
    assert_eq!(masked["note"], "harmless-note");
}

#[test]
fn without_a_secret_only_logins_of_urls_are_masked() {
    assert_eq!(Secrets::default().mask("see https://ann:pw@a.example/b"), "see https://***@a.example/b");
}
