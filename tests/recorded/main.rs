//! Recorded output of every helm and kubectl version in `tests/samples/`, read by the product's own parsers.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at once, and it writes a program that replays"
)]

mod replay;

use std::collections::BTreeSet;

use mural::ask::ValueFlag;
use mural::model::secret::Hidden;
use mural::tools::helm::{TemplateArgs, TemplateLookups};
use replay::{Replay, list_recordings};
use serde_json::{Value, json};

fn template<'a>(chart: &'a std::path::Path, api_versions: &'a [String]) -> TemplateArgs<'a> {
    TemplateArgs {
        release: "demo",
        chart,
        values_files: &[],
        values: &[],
        kube_version: "v1.37.2",
        api_versions,
        include_crds: true,
        is_upgrade: true,
        lookups: TemplateLookups::Nothing,
        extra_args: &[],
    }
}

#[test]
fn every_supported_program_was_recorded() {
    let helms: BTreeSet<String> = list_recordings("helm").into_iter().map(|one| one.version).collect();
    for version in ["3.17.2", "3.22.0", "4.2.3", "4.3.1"] {
        assert!(helms.contains(version), "helm {version} is not among {helms:?}");
    }
    assert!(!list_recordings("kubectl").is_empty());
}

#[tokio::test]
async fn each_version_is_read() {
    for one in list_recordings("helm") {
        assert_eq!(Replay::new(&one).helm().read_version().await.unwrap().to_string(), one.version);
    }
    for one in list_recordings("kubectl") {
        assert_eq!(Replay::new(&one).kubectl().read_version().await.unwrap().to_string(), one.version);
    }
}

#[tokio::test]
async fn every_helm_renders_the_same_objects() {
    let api_versions = ["example.com/v1".to_owned()];
    let mut first: Option<Vec<Value>> = None;
    for one in list_recordings("helm") {
        let replay = Replay::new(&one);
        let objects = replay.helm().template(&template("chart".as_ref(), &api_versions)).await.unwrap().objects;
        let names: Vec<&str> = objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["pools.example.com", "secret", "texts", "workload", "hook"], "{}", one.version);
        assert_eq!(*first.get_or_insert_with(|| objects.clone()), objects, "{}", one.version);
        let texts = &objects[2]["data"];
        let expected = json!({"octal": "012", "exponent": "1e3", "answer": "yes", "time": "12:30:45",
            "lines": "first: a\n\n# no comment\nlast: b\n", "big": "12345678901"});
        assert_eq!(*texts, expected, "{}: text stays text", one.version);
        let workload = &objects[3];
        assert_eq!(workload["spec"]["replicas"], json!(3));
        assert_eq!(workload["metadata"]["annotations"], json!({"kube": "v1.37.2", "pools": "true"}), "{}", one.version);
    }
}

#[tokio::test]
async fn values_come_back_as_helm_merged_them() {
    let folder = tempfile::tempdir().unwrap();
    let expected = json!({"replicas": 3, "given": {"late": true},
        "nested": {"list": [1, 2.5, "3"], "nothing": null, "text": "on"}});
    for one in list_recordings("helm") {
        let values = Replay::new(&one).helm().read_values(&[], folder.path()).await;
        assert_eq!(values.unwrap(), expected, "{}", one.version);
    }
}

#[tokio::test]
async fn helm_and_kubectl_tell_one_cluster_by_its_uid() {
    let folder = tempfile::tempdir().unwrap();
    let mut uids = BTreeSet::new();
    for one in list_recordings("helm") {
        uids.insert(Replay::new(&one).helm().read_cluster_uid(folder.path()).await.unwrap());
    }
    for one in list_recordings("kubectl") {
        uids.insert(Replay::new(&one).kubectl().read_cluster_uid().await.unwrap());
    }
    assert_eq!(uids.len(), 1, "all were recorded on one cluster: {uids:?}");
    assert!(uids.iter().all(|uid| uid.len() == 36), "{uids:?}");
}

#[tokio::test]
async fn refusals_contain_the_message_and_no_secret() {
    for one in list_recordings("helm") {
        let replay = Replay::new(&one).answering("template", "refused");
        let secret = [ValueFlag::Set(Hidden::new("replicas=many".to_owned()))];
        let ask = TemplateArgs { values: &secret, ..template("chart".as_ref(), &[]) };
        let error = replay.helm().template(&ask).await.unwrap_err();
        assert!(error.stderr().contains("replicas"), "{}: {error}", one.version);
        assert!(!format!("{error} {error:?}").contains("many"), "{}: {error:?}", one.version);
        let replay = Replay::new(&one).answering("template", "no-chart");
        let error = replay.helm().template(&template("none".as_ref(), &[])).await.unwrap_err();
        assert!(error.stderr().contains("not found"), "{}: {error}", one.version);
    }
    for one in list_recordings("kubectl") {
        let error =
            Replay::new(&one).answering("which-cluster", "missing").kubectl().read_cluster_uid().await.unwrap_err();
        assert!(error.stderr().contains("NotFound"), "{}: {error}", one.version);
    }
}
