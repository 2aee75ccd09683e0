//! A whole upgrade with every guard and verification, relative to the two commands of the vendor's guide, which have
//! neither.

use std::path::PathBuf;

use anyhow::{Context, Result};
use mural::model::yaml::{self, ErrorDetail};
use mural_tests::charts;
use serde_json::{Value, json};

use crate::bench_cluster::BenchCluster;
use crate::row::{Pairs, Row, measure_duration};

pub fn half_of_the_crds(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    let chart = test_cluster.registry("mural-crds");
    let version = charts::PAIRS[1].0;
    upgrades(
        test_cluster,
        runs,
        &["--crds-chart", &chart, "--crds", version],
        &[&chart, "--version", version, "--plain-http"],
        "whole upgrade ÷ the guide's two commands, 21 of 42 CRDs",
    )
}

pub fn all_of_the_crds(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    let chart = every_crd_changed(test_cluster)?.display().to_string();
    let what = "whole upgrade ÷ the guide's two commands, 42 of 42 CRDs";
    upgrades(test_cluster, runs, &["--crds-chart", &chart], &[&chart], what)
}

fn upgrades(test_cluster: &BenchCluster, runs: usize, ours: &[&str], guide: &[&str], what: &str) -> Result<Vec<Row>> {
    let fresh = |act: &dyn Fn() -> Result<()>| {
        test_cluster.restore_older()?;
        measure_duration(act)
    };
    let theirs = || test_cluster.guide_crds(guide).and_then(|()| test_cluster.guide_app());
    let pairs = Pairs::measure(runs, || fresh(&|| test_cluster.upgrade(ours)), || fresh(&theirs))?;
    Ok(vec![pairs.row(what, "≤ 1.0", 1.0)])
}

/// A second run: ours looks and says so, the guide's commands write everything once more.
pub fn nothing_to_do(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    let (chart, version) = (test_cluster.registry("mural-crds"), charts::PAIRS[1].0);
    let ours = ["--crds-chart", chart.as_str(), "--crds", version];
    let guide = [chart.as_str(), "--version", version, "--plain-http"];
    test_cluster.restore_older()?;
    test_cluster.upgrade(&ours)?;
    // helm waits for what it has just written again; ours must not find that in progress.
    let theirs = || measure_duration(|| test_cluster.guide_crds(&guide).and_then(|()| test_cluster.guide_app()));
    let pairs = Pairs::measure(runs, || measure_duration(|| test_cluster.upgrade(&ours)), theirs)?;
    Ok(vec![pairs.row("nothing to do ÷ the guide's two commands", "≤ 0.3", 0.3)])
}

/// The newer CRD chart with one more field in every schema, as a folder.
fn every_crd_changed(test_cluster: &BenchCluster) -> Result<PathBuf> {
    let (chart, version) = (test_cluster.registry("mural-crds"), charts::PAIRS[1].0);
    let rendered = test_cluster
        .run("helm", &["template", "mural-crds", &chart, "--version", version, "--plain-http", "--include-crds"])?;
    let mut all = yaml::parse_documents(&String::from_utf8(rendered.stdout)?, ErrorDetail::Snippet)?;
    all.iter_mut().try_for_each(one_more_field)?;
    let folder = test_cluster.files().join("mural-crds");
    std::fs::create_dir_all(folder.join("crds"))?;
    std::fs::write(folder.join("Chart.yaml"), "apiVersion: v2\nname: mural-crds\nversion: 0.7.5\n")?;
    let text: Vec<String> = all.iter().map(yaml::write).collect::<Result<_, _>>()?;
    std::fs::write(folder.join("crds/all.yaml"), text.join("---\n"))?;
    Ok(folder)
}

fn one_more_field(crd: &mut Value) -> Result<()> {
    for version in crd["spec"]["versions"].as_array_mut().context("versions")? {
        let schema = version["schema"]["openAPIV3Schema"].as_object_mut().context("a schema")?;
        let fields = schema.entry("properties").or_insert_with(|| json!({}));
        fields["measured"] = json!({"type": "string"});
    }
    Ok(())
}
