//! The predicted size of a release record against the record that helm stores.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mural::model::manifest::recorded_text;
use mural::model::release::{RECORD_TOLERANCE_PERCENT, RecordContent, estimate_record_bytes};
use mural::model::secret::Hidden;
use mural_tests::sandbox::User;
use serde_json::json;

use crate::Test;
use crate::test_cluster::TestCluster;

pub const TESTS: &[Test] = &[
    ("record_size::the_prediction_holds_with_helm_3_22_0", |test_cluster| prediction_holds(test_cluster, "3.22.0")),
    ("record_size::the_prediction_holds_with_helm_4_3_1", |test_cluster| prediction_holds(test_cluster, "4.3.1")),
];

const NAMESPACE: &str = "default";
/// Objects of the chart, and words of each: a record of about 800 KiB.
const OBJECTS: u64 = 16;
const WORDS: u64 = 4000;

fn prediction_holds(test_cluster: &TestCluster, helm: &str) -> Result<()> {
    test_cluster.use_helm(helm)?;
    let release = format!("large-{}", helm.replace('.', "-"));
    let folder = write_chart(test_cluster.files(), &release)?;
    let chart = folder.display().to_string();
    let run = |args: &[&str]| test_cluster.run(User::Admin, "helm", args)?.expect_code(0);
    let rendered = run(&["template", &release, &chart, "--namespace", NAMESPACE])?.stdout;
    run(&["install", &release, &chart, "--namespace", NAMESPACE])?;
    let secret =
        test_cluster.get(&["secret", &format!("sh.helm.release.v1.{release}.v1"), "--namespace", NAMESPACE])?;
    run(&["uninstall", &release, "--namespace", NAMESPACE])?;
    let stored = STANDARD.decode(secret["data"]["release"].as_str().context("no record")?)?.len();
    let content = RecordContent {
        files: Arc::new(read_files(&folder)?),
        manifest: Hidden::new(recorded_text(&rendered)),
        config: Hidden::new(json!({})),
    };
    let predicted = estimate_record_bytes(&content).context("the record is small")?;
    ensure!(
        predicted.abs_diff(stored) * 100 <= stored * RECORD_TOLERANCE_PERCENT,
        "predicted {predicted} bytes, and helm {helm} stored {stored}"
    );
    Ok(())
}

/// A chart of words that pack badly.
fn write_chart(into: &Path, name: &str) -> Result<PathBuf> {
    let folder = into.join(name);
    std::fs::create_dir_all(folder.join("templates"))?;
    std::fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n"))?;
    std::fs::write(folder.join("values.yaml"), "size: 1\n")?;
    let mut state = 7_u64;
    for object in 0..OBJECTS {
        let words: Vec<String> = (0..WORDS).map(|_| next_word(&mut state)).collect();
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}-{object}}}\ndata: {{words: \"{}\"}}\n",
            words.join(" ")
        );
        std::fs::write(folder.join(format!("templates/{object}.yaml")), text)?;
    }
    Ok(folder)
}

/// The next word of a fixed random sequence (xorshift).
fn next_word(state: &mut u64) -> String {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (0..2 + *state % 8)
        .map(|at| char::from(b'a' + u8::try_from((*state >> (at * 5)) % 26).unwrap_or_default()))
        .collect()
}

fn read_files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for sub in ["", "templates"] {
        for entry in std::fs::read_dir(folder.join(sub))? {
            let path = entry?.path();
            if path.is_file() {
                let name = path.strip_prefix(folder)?.display().to_string();
                files.insert(name, std::fs::read(&path)?);
            }
        }
    }
    Ok(files)
}
