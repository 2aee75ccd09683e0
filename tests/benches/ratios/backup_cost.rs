//! The cost of lock, journal and backup, with a thousand custom resources of a CRD that changes.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use mural_tests::charts;
use mural_tests::install::NAMESPACE;
use serde_json::Value;

use crate::bench_cluster::BenchCluster;
use crate::row::{Row, median};

const OBJECTS: usize = 1000;

/// The whole upgrade, by its own report: all of it ÷ all but the lock, the journal and the copy.
pub fn measure_backup_cost(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    let chart = with_things(test_cluster)?;
    let (mut wholes, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        test_cluster.restore_older()?;
        things(test_cluster)?;
        let report = test_cluster.upgrade_report(&["--crds-chart", &chart])?;
        let seconds = |key: &str| report[key].as_f64().context("no seconds");
        let (whole, backup_seconds) = (seconds("seconds")?, seconds("overheadSeconds")?);
        eprintln!("  {whole:.2} s, {backup_seconds:.3} s of it for lock, journal and copy");
        wholes.push((whole, whole - backup_seconds));
        ratios.push(whole / (whole - backup_seconds));
    }
    let ratio = median(ratios.into_iter());
    Ok(vec![Row {
        what: format!("upgrade with lock, journal, copy ÷ without, {OBJECTS} objects"),
        ours: format!("{:.2} s", median(wholes.iter().map(|pair| pair.0))),
        theirs: format!("{:.2} s", median(wholes.iter().map(|pair| pair.1))),
        figure: format!("{ratio:.3}"),
        goal: "≤ 1.03",
        reached: ratio <= 1.03,
    }])
}

/// The newer CRD chart with one CRD more, as a folder; the cluster gets an older one of it.
fn with_things(test_cluster: &BenchCluster) -> Result<String> {
    let (chart, version) = (test_cluster.registry("mural-crds"), charts::PAIRS[1].0);
    let words = ["template", "mural-crds", &chart, "--version", version, "--plain-http", "--include-crds"];
    let rendered = String::from_utf8(test_cluster.run("helm", &words)?.stdout)?;
    let folder = test_cluster.files().join("kept");
    std::fs::create_dir_all(folder.join("crds"))?;
    std::fs::write(folder.join("Chart.yaml"), "apiVersion: v2\nname: mural-crds\nversion: 0.7.5\n")?;
    std::fs::write(folder.join("crds/all.yaml"), format!("{rendered}\n---\n{}", crd(", more: {type: string}")))?;
    Ok(folder.display().to_string())
}

fn crd(more: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: things.kept.example.com\n\
         spec:\n  group: kept.example.com\n  scope: Namespaced\n  names: {{kind: Thing, plural: things}}\n  versions:\n\
         \x20   - name: v1\n      served: true\n      storage: true\n      schema:\n        openAPIV3Schema:\n          type: object\n\
         \x20         properties:\n            spec: {{type: object, properties: {{size: {{type: integer}}{more}}}}}\n"
    )
}

fn things(test_cluster: &BenchCluster) -> Result<()> {
    let file = test_cluster.files().join("things.yaml");
    std::fs::write(&file, crd(""))?;
    let name = file.display().to_string();
    test_cluster.run("kubectl", &["apply", "--server-side", "--filename", &name])?;
    test_cluster
        .run("kubectl", &["wait", "--for=condition=Established", "crd/things.kept.example.com", "--timeout=60s"])?;
    let mut all = String::new();
    for at in 0..OBJECTS {
        write!(
            all,
            "---\napiVersion: kept.example.com/v1\nkind: Thing\nmetadata: {{name: thing-{at}, namespace: {NAMESPACE}}}\nspec: {{size: {at}}}\n"
        )?;
    }
    std::fs::write(&file, all)?;
    test_cluster.run("kubectl", &["create", "--filename", &name]).map(drop)
}

impl BenchCluster {
    /// As [`Ground::upgrade`], with its report.
    fn upgrade_report(&self, crds: &[&str]) -> Result<Value> {
        let (chart, values) = (self.registry("mural"), self.values()?);
        let mut args = vec!["--yes", "--output", "json", "--plain-http", "--chart", &chart, "--to", charts::PAIRS[1].1];
        args.extend(crds);
        args.extend(values.iter().map(String::as_str));
        Ok(serde_json::from_slice(&self.run("kubectl-mural-upgrade", &args)?.stdout)?)
    }
}
