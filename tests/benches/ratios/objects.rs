//! A check of many live objects against a new schema: time relative to a plain list, and memory.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use mural::ask::ClusterAccess;
use mural::cluster::Cluster;
use mural::cluster::pages::Pages;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::bench_cluster::BenchCluster;
use crate::row::{Pairs, Row, measure_duration, run_and_measure_peak_memory};

const GROUP: &str = "measured.example.com";
/// Objects, where `MURAL_OBJECTS` says nothing: a tenth of what the goal speaks of.
const MANY: usize = 10_000;
/// The memory is held against that of so many fewer.
const FEWER: usize = 100;
const BYTES: usize = 2_000;

fn crd(plural: &str, sizes: &[&str]) -> Value {
    let text = json!({"type": "string"});
    let spec = json!({"type": "object", "properties": {"size": {"type": "string", "enum": sizes}, "text": text,
        "parts": {"type": "array", "items": {"type": "object", "properties": {"name": text, "count": {"type": "integer", "minimum": 0}}}}}});
    let kind = plural[..1].to_uppercase() + &plural[1..plural.len() - 1];
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}})
}

fn object(kind: &Value, at: usize) -> Value {
    let parts: Vec<Value> = (0..20).map(|part| json!({"name": format!("part-{part}"), "count": at % 7})).collect();
    let size = if at.is_multiple_of(2) { "small" } else { "large" };
    let mut object = json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"name": format!("one-{at}")},
        "spec": {"size": size, "text": "", "parts": parts}});
    let missing = BYTES.saturating_sub(object.to_string().len());
    object["spec"]["text"] = json!("x".repeat(missing));
    object
}

fn collection(plural: &str) -> String {
    format!("/apis/{GROUP}/v1/namespaces/default/{plural}")
}

/// The check of a CRD whose enum loses a value that no object holds, with all its objects.
pub fn many_objects(test_cluster: &BenchCluster, runs: usize) -> Result<Vec<Row>> {
    let many = std::env::var("MURAL_OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(MANY);
    test_cluster.restore_older()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let access =
        ClusterAccess { kubeconfig: Some(test_cluster.sandbox.kubeconfig(User::Admin)), ..ClusterAccess::default() };
    let cluster = runtime.block_on(Cluster::connect(&access))?;
    let mut newer = Vec::new();
    for (plural, count) in [("crates", many), ("boxes", (many / FEWER).max(1))] {
        eprintln!("  {count} {plural} …");
        runtime.block_on(fill(&cluster, plural, count))?;
        let file = test_cluster.files().join(format!("{plural}.json"));
        std::fs::write(&file, crd(plural, &["small", "large"]).to_string())?;
        newer.push((file, count));
    }
    let [(large, most), (small, least)] = &newer[..] else { anyhow::bail!("two kinds") };
    let bare = || measure_duration(|| runtime.block_on(list_pages(&cluster, "crates", *most)));
    let pairs = Pairs::measure(runs, || measure_duration(|| check(test_cluster, large, *most).map(drop)), bare)?;
    let (at_most, at_least) = (check(test_cluster, large, *most)?, check(test_cluster, small, *least)?);
    #[expect(clippy::cast_precision_loss, reason = "kilobytes of one program")]
    let figure = at_most as f64 / at_least as f64;
    let memory = Row {
        what: format!("peak memory of the check, {most} objects ÷ {least} objects"),
        ours: format!("{} MB", at_most / 1024),
        theirs: format!("{} MB", at_least / 1024),
        figure: format!("{figure:.2}"),
        goal: "≤ 1.2",
        reached: figure <= 1.2,
    };
    Ok(vec![pairs.row(&format!("check of {most} live objects of 2 kB ÷ a bare paged list"), "≤ 1.3", 1.3), memory])
}

async fn fill(cluster: &Cluster, plural: &str, count: usize) -> Result<()> {
    let crd = crd(plural, &["small", "large", "huge"]);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    cluster.request(Method::POST, path, Some(("application/json", &crd))).await?;
    let path = collection(plural);
    while cluster.get(&path).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let kind = &crd["spec"]["names"]["kind"];
    let made = stream::iter(0..count).map(|at| {
        let (path, object) = (&path, object(kind, at));
        async move { cluster.request(Method::POST, path, Some(("application/json", &object))).await.map(drop) }
    });
    Ok(made.buffer_unordered(32).try_collect::<Vec<()>>().await.map(drop)?)
}

/// The same client, page by page, and nothing else.
async fn list_pages(cluster: &Cluster, plural: &str, count: usize) -> Result<()> {
    let mut pages = Pages::new(cluster, format!("/apis/{GROUP}/v1/{plural}"));
    let mut seen = 0;
    while let Some(page) = pages.next().await? {
        seen += page.items.len();
    }
    ensure!(seen == count, "{seen} of {count} objects");
    Ok(())
}

/// Runs the check to its end; its peak memory in kilobytes, as the kernel counts it.
fn check(test_cluster: &BenchCluster, newer: &Path, count: usize) -> Result<u64> {
    let mut command = test_cluster.command("helm-mural");
    let (output, peak) = run_and_measure_peak_memory(command.args(["crds", "check"]).arg(newer))?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}: {told}", output.status);
    ensure!(told.contains(&format!("it affects none of {count} objects")), "not all were looked at:\n{told}");
    Ok(peak)
}
