//! Secrets planted in values and manifests of an upgrade: no form of its plan shows one.

use super::*;
use crate::report::upgrade_report::{Outcome, UpgradeReport};
use crate::report::{plan as plan_text, style::Style, upgrade_html, upgrade_markdown};

/// Values in which no key looks like a secret. `age` distinguishes old from new values.
fn planted_values(age: &str) -> Value {
    json!({
        "db": {"pwd": format!("PLANT-pwd-{age}"), "pass": format!("PLANTpass{age}"), "host": "db.example"},
        "dsn": format!("postgres://u:PLANT-dsn-{age}@h/db"), "licenseKey": format!("PLANT-license-{age}"),
        "signing": {"key": format!("PLANT-sign-{age}"), "pem": format!("-----BEGIN-----\nPLANTpemPEMpem{age}\n-----END-----")},
        "list": [format!("PLANT-list-{age}")], "maps": [{"value": format!("PLANT-map-{age}")}],
        "encoded": base64_of(&format!("PLANT-enc-{age}")), "split": {"a": format!("PLANT-a-{age}"), "b": format!("PLANT-b-{age}")},
        "publicUrl": format!("https://ann:PLANT-url-{age}@a.example/x"), "smtp": {"login": format!("u:PLANT-smtp-{age}")},
        "replicas": if age == "old" { 2 } else { 3 }, "level": if age == "old" { "quiet" } else { "chatty" },
    })
}

fn base64_of(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)
}

/// What the chart renders: a Secret, and objects that show the same values again.
fn planted_objects(age: &str) -> Vec<Value> {
    let values = planted_values(age);
    let text = |at: &str| values.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let all = format!(
        "{}:{}\nlist={}\nvalue: {}",
        text("/split/a"),
        text("/split/b"),
        text("/list/0"),
        text("/maps/0/value")
    );
    let file = format!("a:\n    {}\n", text("/signing/pem").replace('\n', "\n    "));
    vec![
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "more"},
            "data": {"dsn": base64_of(&text("/dsn")), "enc": text("/encoded"), "pass": base64_of(&text("/db/pass"))},
            "stringData": {"pwd": text("/db/pwd"), "license": text("/licenseKey"), "key": text("/signing/key"),
                "file": file, "all": all, "smtp": text("/smtp/login")}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "env"},
            "data": {"DSN": text("/dsn"), "LICENSE": text("/licenseKey"), "PWD": format!("x {} y", text("/db/pwd")),
                "B64": base64_of(&format!("k={}", text("/signing/key"))), "URL": text("/publicUrl")}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"template": {"spec": {"containers": [{"name": "web", "image": "a.example/web:1",
                "args": ["serve", format!("--a={}", text("/split/a")), format!("--list={}", text("/list/0"))],
                "env": [{"name": "B", "value": text("/split/b")}, {"name": "S", "value": text("/smtp/login")}]}]}}}}),
    ]
}

fn planted_plan() -> Plan {
    Situation::with(|situation| {
        let manifest: Vec<String> = planted_objects("old").iter().map(Value::to_string).collect();
        let mut record = release_record("mural", "1.1.0-rc.0", "deployed", &manifest.join("\n---\n"));
        record.config = Hidden::new(planted_values("old"));
        record.chart_values = Hidden::new(json!({"level": "quiet", "licenseKey": "", "db": {"pwd": ""}}));
        situation.scenario.set_record(record);
        let app = situation.charts.app.as_mut().unwrap();
        app.rendered = planted_objects("new");
        app.schema_refusals.push(crate::model::chart::ValuesSchemaError {
            chart: "mural".into(),
            path: "licenseKey".into(),
            message: "'PLANT-license-new' does not match '^x'".into(),
        });
        app.post_render_failure = Some("kustomize: cannot parse PLANT-sign-new".into());
        situation.charts.config = Hidden::new(planted_values("new"));
    })
    .plan()
}

#[test]
fn no_form_of_a_plan_shows_a_value_that_reaches_a_secret() {
    let plan = planted_plan();
    assert!(plan.values.len() > 12 && plan.objects.len() == 3, "{plan:?}");
    let report = UpgradeReport::new(
        "r1".into(),
        plan.clone(),
        (Outcome::Planned, crate::problem::Exit::Success),
        1.0,
        jiff::Timestamp::UNIX_EPOCH,
    );
    let forms = [
        plan_text::render(&plan, Style::PLAIN),
        serde_json::to_string_pretty(&report).unwrap(),
        crate::model::yaml::write(&report).unwrap(),
        upgrade_markdown::render(&report),
        upgrade_html::render(&report),
        format!("{plan:?}"),
    ];
    for form in forms {
        assert!(!form.contains("PLANT"), "{form}");
        assert!(!form.contains("UExBTlQ") && !form.contains("BMQU5U"), "{form}");
    }
}

#[test]
fn values_that_reach_no_secret_stay_readable() {
    let plan = planted_plan();
    let shown = |key: &str| {
        let change = plan.values.iter().find(|change| change.key == key).unwrap();
        (change.old.clone().unwrap(), change.new.clone().unwrap())
    };
    assert_eq!(shown("level"), ("quiet".to_owned(), "chatty".to_owned()));
    assert_eq!(shown("replicas"), ("2".to_owned(), "3".to_owned()));
    assert_eq!(shown("licenseKey"), ("***".to_owned(), "***".to_owned()));
    assert_eq!(shown("publicUrl").0, "https://***@a.example/x");
}
