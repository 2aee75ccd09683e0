//! `helm mural crds check` and crdify, on the public CRD updates of the corpus.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mural_tests::go_tool;
use serde_json::Value;

use crate::bench_cluster::BenchCluster;
use crate::row::{Pairs, Row, measure_duration};

/// The end of both programs where they ran as they should: findings are no failure here.
const MOST: i32 = 5;

/// One process for each of the updates, and one for each release of a project.
pub fn compare_with_crdify(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    let corpus = corpus().context("no shared/corpus beside the project: there is nothing to check")?;
    let crdify = go_tool::build("crdify", "sigs.k8s.io/crdify", test_cluster.files())?;
    let updates = updates(&corpus)?;
    let releases: BTreeSet<(&Path, &Path)> =
        updates.iter().filter_map(|(old, new)| Some((old.parent()?, new.parent()?))).collect();
    let theirs = || {
        all(updates.iter(), |(old, new)| {
            let file = |path: &Path| format!("file://{}", path.display());
            std::process::Command::new(&crdify)
                .args([file(old), file(new)])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
        })
    };
    let ours = |old: &Path, new: &Path| {
        let mut command = test_cluster.command("helm-mural");
        command.args(["crds", "check"]).args([old, new]).stdout(Stdio::null()).stderr(Stdio::null()).status()
    };
    let each = Pairs::measure(runs, || all(updates.iter(), |(old, new)| ours(old, new)), theirs)?;
    let whole = Pairs::measure(runs, || all(releases.iter(), |(old, new)| ours(old, new)), theirs)?;
    Ok(vec![
        each.row(&format!("check of {} CRD updates, a process each ÷ crdify", updates.len()), "≤ 0.1", 0.1),
        whole.row(&format!("check of the same in {} releases ÷ crdify", releases.len()), "≤ 0.1", 0.1),
    ])
}

fn all<T>(
    items: impl Iterator<Item = T>,
    one: impl Fn(T) -> std::io::Result<std::process::ExitStatus>,
) -> Result<Duration> {
    let mut items = items;
    measure_duration(|| {
        items.try_for_each(|item| {
            let status = one(item)?;
            ensure!(status.code().is_some_and(|code| (0..=MOST).contains(&code)), "ended with {status}");
            Ok(())
        })
    })
}

fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("shared/corpus")).find(|folder| folder.is_dir())
}

fn updates(corpus: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let text = std::fs::read_to_string(corpus.join("verdicts/crd-updates.json"))?;
    let all: Value = serde_json::from_str(&text)?;
    let side = |update: &Value, key: &str| update[key].as_str().map(|path| corpus.join(path));
    let both = |update: &Value| side(update, "old").zip(side(update, "new"));
    all["updates"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|update| both(update).context("an update without sides"))
        .collect()
}
