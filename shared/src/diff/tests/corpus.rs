//! Over the corpus of public CRDs, where it lies beside the project; without it these tests say so and prove nothing.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::diff::{compare_crds, predict_update_rejections};
use crate::model::yaml::{self, ErrorDetail};

fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().map(|folder| folder.join("shared/corpus")).find(|folder| folder.is_dir());
    if found.is_none() {
        println!("no shared/corpus beside {} or above: nothing was looked at", here.display());
    }
    found
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    yaml::parse_document(&text, ErrorDetail::Snippet).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn collect_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_files(&path, into);
        } else {
            into.push(path);
        }
    }
}

#[test]
fn no_crd_changes_into_itself() {
    let Some(corpus) = corpus() else { return };
    let mut files = Vec::new();
    ["product-crds", "pairs"].iter().for_each(|folder| collect_files(&corpus.join(folder), &mut files));
    for file in &files {
        let crd = read(file);
        assert_eq!(compare_crds(&crd, &crd), [], "{}", file.display());
        assert_eq!(
            predict_update_rejections(&crd, &crd).iter().filter(|refusal| refusal.field != "apiVersion").count(),
            0,
            "{}",
            file.display()
        );
    }
    assert!(!files.is_empty());
    println!("{} CRDs looked at", files.len());
}

/// The verdicts name the manifest's own API apart: they were made as if it were converted.
fn predicted_rejections(old: &Value, new: &Value) -> Vec<Value> {
    let to_json =
        |refusal: &crate::diff::Rejection| serde_json::json!({"field": refusal.field, "message": refusal.message});
    predict_update_rejections(old, new).iter().filter(|refusal| refusal.field != "apiVersion").map(to_json).collect()
}

fn expected_rejections(verdict: &Value) -> Vec<Value> {
    let to_json = |error: &Value| serde_json::json!({"field": error["field"], "message": error["message"]});
    verdict["errors"].as_array().into_iter().flatten().map(to_json).collect()
}

#[test]
fn refusals_are_those_of_the_api_server() {
    let Some(corpus) = corpus() else { return };
    let text = std::fs::read_to_string(corpus.join("verdicts/crd-updates.json")).unwrap();
    let verdicts: Value = serde_json::from_str(&text).unwrap();
    for update in verdicts["updates"].as_array().unwrap() {
        let at = |key: &str| read(&corpus.join(update[key].as_str().unwrap()));
        let (mut old, new) = (at("old"), at("new"));
        old["status"] = serde_json::json!({"storedVersions": update["storedVersions"]});
        assert_eq!(predicted_rejections(&old, &new), expected_rejections(&update["apiserver"]), "{}", update["id"]);
        if update["withoutStorageMigration"].is_object() {
            let late = &update["withoutStorageMigration"];
            old["status"] = serde_json::json!({"storedVersions": late["storedVersions"]});
            assert_eq!(
                predicted_rejections(&old, &new),
                expected_rejections(late),
                "{} without migration",
                update["id"]
            );
        }
    }
}
