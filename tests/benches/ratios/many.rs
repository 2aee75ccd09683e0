//! A cluster with a thousand CRDs more than the product's: the time must not grow faster than their number.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::bench_cluster::BenchCluster;
use crate::row::{Row, measure_duration, median};

const FEW: u32 = 42;
const MANY: u32 = 1000;

/// Plans an upgrade of charts with 42 and with 1,000 CRDs that all are changed.
pub fn a_thousand_crds(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    test_cluster.restore_older()?;
    let few = planned(test_cluster, FEW, runs)?;
    let many = planned(test_cluster, MANY, runs)?;
    let (few, many) = (few.as_secs_f64(), many.as_secs_f64());
    let figure = many / (few * f64::from(MANY) / f64::from(FEW));
    Ok(vec![Row {
        what: format!("plan of {MANY} CRDs ÷ {MANY}/{FEW} × plan of {FEW} CRDs"),
        ours: format!("{many:.2} s"),
        theirs: format!("{few:.2} s"),
        figure: format!("{figure:.2}"),
        goal: "≤ 1.2",
        reached: figure <= 1.2,
    }])
}

/// Writes so many CRDs to the cluster, and the median time of a plan that changes each of them.
fn planned(test_cluster: &BenchCluster, count: u32, runs: usize) -> Result<Duration> {
    installed(test_cluster, count)?;
    let next = chart(test_cluster, count, "after")?;
    let mut times = Vec::new();
    for _ in 0..runs {
        let args = ["plan", "--crds-chart", &next, "--request-timeout", "5m"];
        let plan = || -> Result<()> {
            let output = test_cluster.command("kubectl-mural-upgrade").args(args).output()?;
            let (told, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            ensure!(output.status.code() == Some(2), "{}\n{told}\n{talk}", output.status);
            Ok(())
        };
        times.push(measure_duration(plan)?.as_secs_f64());
        eprintln!("  {count}: {:.2} s", times.last().copied().unwrap_or_default());
    }
    Ok(Duration::from_secs_f64(median(times.into_iter())))
}

/// Writes so many CRDs to the cluster, and gives their chart.
pub fn installed(test_cluster: &BenchCluster, count: u32) -> Result<String> {
    let chart = chart(test_cluster, count, "before")?;
    test_cluster.guide_crds(&[&chart])?;
    test_cluster.run("kubectl", &["wait", "--for=condition=Established", "crd", "--all", "--timeout=600s"])?;
    Ok(chart)
}

fn chart(test_cluster: &BenchCluster, count: u32, field: &str) -> Result<String> {
    let folder = test_cluster.files().join(format!("many-{count}-{field}"));
    std::fs::create_dir_all(folder.join("crds"))?;
    std::fs::write(folder.join("Chart.yaml"), "apiVersion: v2\nname: mural-crds\nversion: 0.8.0\n")?;
    let mut text = String::new();
    (0..count).try_for_each(|at| write!(text, "{}", crd(at, field)))?;
    std::fs::write(folder.join("crds/all.yaml"), text)?;
    Ok(folder.display().to_string())
}

/// A CRD of the size of the product's smaller ones.
fn crd(at: u32, field: &str) -> String {
    let fields: String = (0..60)
        .map(|at| {
            format!("                    f{at}: {{type: string, description: The field number {at} of this kind.}}\n")
        })
        .collect();
    format!(
        "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: things{at}.many.example.com\n\
         spec:\n  group: many.example.com\n  scope: Namespaced\n  names: {{kind: Thing{at}, plural: things{at}}}\n  versions:\n\
         \x20   - name: v1\n      served: true\n      storage: true\n      schema:\n        openAPIV3Schema:\n          type: object\n\
         \x20         properties:\n            spec:\n              type: object\n              properties:\n\
         \x20                   {field}: {{type: string}}\n{fields}"
    )
}
