//! The cluster state of a case: what it needs before, which objects must survive, and how it is removed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use super::overlay::Charts;
use crate::small::{self, NAMESPACE};
use crate::test_cluster::TestCluster;

/// What lives, by name: ready pods, and custom resources with their specs.
pub type LiveObjects = BTreeMap<String, Value>;

/// Brings about what the case needs before: another older CRD chart, and objects of its own.
pub fn prepare(test_cluster: &TestCluster, case: &str, charts: &Charts) -> Result<()> {
    if let Some(older) = &charts.older_crds {
        // As helm would have it: what the guide's commands applied is helm's now.
        let install = ["upgrade", "--install", "mural-crds", older, "--namespace", NAMESPACE];
        test_cluster.run(User::Admin, "helm", &install)?.expect_code(0)?;
        established(test_cluster)?;
    }
    for file in charts.before.iter().chain(&charts.objects) {
        apply(test_cluster, file).with_context(|| format!("{file} of {case}"))?;
    }
    Ok(())
}

fn established(test_cluster: &TestCluster) -> Result<()> {
    test_cluster
        .run(User::Admin, "kubectl", &["wait", "--for=condition=Established", "crd", "--all"])?
        .expect_code(0)?;
    Ok(())
}

/// Applies a file whose later documents may be of kinds that its earlier ones define.
fn apply(test_cluster: &TestCluster, file: &str) -> Result<()> {
    let apply = || {
        let args = ["apply", "--server-side", "--force-conflicts", "--filename", file];
        test_cluster.run(User::Admin, "kubectl", &args)
    };
    let first = apply()?;
    if first.code == 0 {
        return Ok(());
    }
    established(test_cluster)?;
    for _ in 0..20 {
        if apply()?.code == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    anyhow::bail!("{}", first.all_text())
}

/// Takes away what [`prepare`] brought.
pub fn clean_up(test_cluster: &TestCluster, charts: &Charts) -> Result<()> {
    if charts.older_crds.is_some() {
        return test_cluster.install_older();
    }
    for file in charts.objects.iter().chain(&charts.before) {
        test_cluster
            .run(User::Admin, "kubectl", &["delete", "--ignore-not-found", "--filename", file])?
            .expect_code(0)?;
    }
    Ok(())
}

/// The application as it was before an upgrade that failed: its first revision again. The CRDs stay as they are.
pub fn roll_back(test_cluster: &TestCluster) -> Result<()> {
    let back = ["rollback", "mural", "1", "--namespace", NAMESPACE, "--no-hooks"];
    test_cluster.run(User::Admin, "helm", &back)?.expect_code(0)?;
    small::wait_ready(test_cluster)
}

/// What lives.
pub fn read_live_objects(test_cluster: &TestCluster) -> Result<LiveObjects> {
    let mut all = BTreeMap::new();
    let name = |item: &Value| format!("{} {}", item["kind"].as_str().unwrap_or("?"), item["metadata"]["name"]);
    let pods = test_cluster.get(&["pods", "--namespace", NAMESPACE])?;
    for pod in items(&pods).filter(|pod| ready(pod)) {
        all.insert(name(pod), pod["metadata"]["uid"].clone());
    }
    let crds = test_cluster.get(&["crd"])?;
    let kinds: Vec<&str> = items(&crds).filter_map(|crd| crd["metadata"]["name"].as_str()).collect();
    let objects = test_cluster.get(&[&kinds.join(","), "--all-namespaces"])?;
    for object in items(&objects) {
        all.insert(name(object), json!({"uid": object["metadata"]["uid"], "spec": object["spec"]}));
    }
    Ok(all)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

fn is_pod(name: &str) -> bool {
    name.starts_with("Pod ")
}

/// A refusal leaves everything as it was.
pub fn ensure_unchanged(before: &LiveObjects, after: &LiveObjects) -> Result<()> {
    ensure!(before == after, "no longer as it was: {:?} became {:?}", before.keys(), after.keys());
    ensure_pods_ready(before)
}

/// What begins may replace pods, but two are ready at any time, and no custom resource that was there changes.
pub fn ensure_still_running(before: &LiveObjects, after: &LiveObjects) -> Result<()> {
    let gone = before.iter().filter(|(name, what)| !is_pod(name) && after.get(*name) != Some(what));
    let gone: Vec<&String> = gone.map(|(name, _)| name).collect();
    ensure!(gone.is_empty(), "no longer as it was: {gone:?}");
    ensure_pods_ready(before)?;
    ensure_pods_ready(after)
}

fn ensure_pods_ready(world: &LiveObjects) -> Result<()> {
    ensure!(world.keys().filter(|name| is_pod(name)).count() >= 2, "nothing runs: {:?}", world.keys());
    Ok(())
}
