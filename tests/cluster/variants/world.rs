//! The world of a case: what it needs on the cluster before, what lives there, and how it is put right again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use super::overlay::Charts;
use crate::ground::Ground;
use crate::small::{self, NAMESPACE};

/// What lives, by name: ready pods, and custom resources with their specs.
pub type Living = BTreeMap<String, Value>;

/// Brings about what the case needs before: another older CRD chart, and objects of its own.
pub fn prepare(ground: &Ground, case: &str, charts: &Charts) -> Result<()> {
    if let Some(older) = &charts.older_crds {
        // As helm would have it: what the page applied is helm's now.
        let install = ["upgrade", "--install", "mural-crds", older, "--namespace", NAMESPACE];
        ground.run(User::Admin, "helm", &install)?.with(0)?;
        established(ground)?;
    }
    for file in charts.before.iter().chain(&charts.objects) {
        apply(ground, file).with_context(|| format!("{file} of {case}"))?;
    }
    Ok(())
}

fn established(ground: &Ground) -> Result<()> {
    ground.run(User::Admin, "kubectl", &["wait", "--for=condition=Established", "crd", "--all"])?.with(0)?;
    Ok(())
}

/// Applies a file whose later documents may be of kinds that its earlier ones define.
fn apply(ground: &Ground, file: &str) -> Result<()> {
    let apply = || {
        let args = ["apply", "--server-side", "--force-conflicts", "--filename", file];
        ground.run(User::Admin, "kubectl", &args)
    };
    let first = apply()?;
    if first.code == 0 {
        return Ok(());
    }
    established(ground)?;
    for _ in 0..20 {
        if apply()?.code == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    anyhow::bail!("{}", first.all())
}

/// Takes away what [`prepare`] brought.
pub fn take_away(ground: &Ground, charts: &Charts) -> Result<()> {
    if charts.older_crds.is_some() {
        return ground.older();
    }
    for file in charts.objects.iter().chain(&charts.before) {
        ground.run(User::Admin, "kubectl", &["delete", "--ignore-not-found", "--filename", file])?.with(0)?;
    }
    Ok(())
}

/// The application as it was before an upgrade that failed: its first revision again. The CRDs stay as they are.
pub fn roll_back(ground: &Ground) -> Result<()> {
    let back = ["rollback", "mural", "1", "--namespace", NAMESPACE, "--no-hooks"];
    ground.run(User::Admin, "helm", &back)?.with(0)?;
    small::ready(ground)
}

/// What lives.
pub fn living(ground: &Ground) -> Result<Living> {
    let mut all = BTreeMap::new();
    let name = |item: &Value| format!("{} {}", item["kind"].as_str().unwrap_or("?"), item["metadata"]["name"]);
    let pods = ground.get(&["pods", "--namespace", NAMESPACE])?;
    for pod in items(&pods).filter(|pod| ready(pod)) {
        all.insert(name(pod), pod["metadata"]["uid"].clone());
    }
    let crds = ground.get(&["crd"])?;
    let kinds: Vec<&str> = items(&crds).filter_map(|crd| crd["metadata"]["name"].as_str()).collect();
    let objects = ground.get(&[&kinds.join(","), "--all-namespaces"])?;
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
pub fn as_it_was(before: &Living, after: &Living) -> Result<()> {
    ensure!(before == after, "no longer as it was: {:?} became {:?}", before.keys(), after.keys());
    runs(before)
}

/// What begins may replace pods, but two are ready at any time, and no custom resource that was there changes.
pub fn still_runs(before: &Living, after: &Living) -> Result<()> {
    let gone = before.iter().filter(|(name, what)| !is_pod(name) && after.get(*name) != Some(what));
    let gone: Vec<&String> = gone.map(|(name, _)| name).collect();
    ensure!(gone.is_empty(), "no longer as it was: {gone:?}");
    runs(before)?;
    runs(after)
}

fn runs(world: &Living) -> Result<()> {
    ensure!(world.keys().filter(|name| is_pod(name)).count() >= 2, "nothing runs: {:?}", world.keys());
    Ok(())
}
