//! `helm mural crds migrate`: by us and by the cluster, while another client keeps writing, cut off twice; and claims that are
//! not true.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use mural::ask::ClusterAccess;
use mural::cluster::Cluster;
use mural_tests::plugins;
use mural_tests::proxy::{Fault, FaultProxy, What};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::keep::{apply, crds};

pub const TESTS: &[Test] = &[
    ("migrate::by_us_while_others_write", by_us_while_others_write),
    ("migrate::by_the_cluster_while_others_write", by_the_cluster_while_others_write),
    ("migrate::a_claim_that_is_not_true_deceives_nobody", a_claim_that_is_not_true_deceives_nobody),
    ("migrate::managed_fields_keep_their_owner", managed_fields_keep_their_owner),
];

pub const GROUP: &str = "moved.example.com";
const NAMESPACE: &str = "default";
const MERGE: &str = "application/merge-patch+json";

/// How many objects: some hundred by default.
fn objects() -> usize {
    std::env::var("MURAL_OBJECTS").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

pub fn crd(plural: &str, versions: &[&str], storage: &str) -> Value {
    let kind = plural[..1].to_uppercase() + &plural[1..plural.len() - 1];
    let any = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = |name: &&str| json!({"name": name, "served": true, "storage": *name == storage, "schema": any});
    let versions: Vec<Value> = versions.iter().map(version).collect();
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": {"kind": kind, "plural": plural}, "versions": versions}})
}

/// Our own client, as a user of the sandbox.
pub fn client<T>(ground: &Ground, work: impl AsyncFnOnce(&Cluster) -> Result<T>) -> Result<T> {
    let kubeconfig = Some(ground.sandbox()?.kubeconfig(User::Admin));
    let access = ClusterAccess { kubeconfig, ..ClusterAccess::default() };
    tokio::runtime::Runtime::new()?.block_on(async { work(&Cluster::connect(&access).await?).await })
}

fn collection(plural: &str, version: &str) -> String {
    format!("/apis/{GROUP}/{version}/namespaces/{NAMESPACE}/{plural}")
}

/// The CRD, and so many objects of it stored in its first version.
pub fn fill(ground: &Ground, plural: &str, versions: &[&str], count: usize) -> Result<()> {
    apply(ground, &[crd(plural, versions, versions[0])])?;
    established(ground, plural)?;
    let crd = crd(plural, versions, versions[0]);
    let object = |at: usize| {
        json!({"apiVersion": format!("{GROUP}/{}", versions[0]), "kind": crd["spec"]["names"]["kind"],
        "metadata": {"name": format!("one-{at}")}, "spec": {"at": at, "count": 0, "text": "x".repeat(300)}})
    };
    client(ground, async |cluster| {
        let path = collection(plural, versions[0]);
        // Just established, it may not be served for a moment.
        while cluster.get(&path).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let all = stream::iter((0..count).map(object)).map(|object| {
            let path = &path;
            async move { cluster.request(Method::POST, path, Some(("application/json", &object))).await.map(drop) }
        });
        Ok(all.buffer_unordered(16).try_collect::<Vec<()>>().await.map(drop)?)
    })
}

fn established(ground: &Ground, plural: &str) -> Result<()> {
    let name = format!("crd/{plural}.{GROUP}");
    ground
        .run(User::Admin, "kubectl", &["wait", "--for=condition=Established", &name, "--timeout=30s"])?
        .with(0)
        .map(drop)
}

pub fn stored(ground: &Ground, plural: &str) -> Result<Vec<String>> {
    let crd = ground.get(&["crd", &format!("{plural}.{GROUP}")])?;
    Ok(serde_json::from_value(crd["status"]["storedVersions"].clone())?)
}

fn gone(ground: &Ground, plural: &str) -> Result<()> {
    let name = format!("crd/{plural}.{GROUP}");
    ground.run(User::Admin, "kubectl", &["delete", &name, "--wait=true", "--timeout=120s"])?.with(0).map(drop)
}

/// A client that keeps writing until it is told to end; what the server acknowledged last, by object.
fn keep_writing(
    ground: &Ground,
    plural: &str,
    count: usize,
    over: &AtomicBool,
    done: &Mutex<BTreeMap<String, u64>>,
) -> Result<()> {
    client(ground, async |cluster| {
        let mut turn = 0_u64;
        while !over.load(Ordering::SeqCst) {
            turn += 1;
            // Another object each time, in no simple order.
            let name = format!("one-{}", (turn as usize * 7919) % count);
            let path = format!("{}/{name}", collection(plural, "v1beta1"));
            let patch = json!({"spec": {"count": turn}});
            cluster.request(Method::PATCH, &path, Some((MERGE, &patch))).await?;
            done.lock().expect("a writer's notes").insert(name, turn);
        }
        Ok(())
    })
}

/// Nothing lost, nothing reverted, all readable when the old version is gone.
fn whole(ground: &Ground, plural: &str, count: usize, written: &BTreeMap<String, u64>, last: &str) -> Result<()> {
    ensure!(stored(ground, plural)? == [last], "storedVersions: {:?}", stored(ground, plural)?);
    apply(ground, &[crd(plural, &[last], last)]).context("the CRD without the older versions")?;
    let items = client(ground, async |cluster| {
        // The API server takes a moment to know the new CRD.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(cluster.list(&collection(plural, last), "").await?)
    })?;
    ensure!(items.len() == count, "{} of {count} objects", items.len());
    for item in items {
        let name = item["metadata"]["name"].as_str().unwrap_or_default();
        let wanted = written.get(name).copied().unwrap_or(0);
        ensure!(item["spec"]["count"] == wanted, "{name}: {} instead of {wanted}: reverted", item["spec"]["count"]);
    }
    Ok(())
}

/// Migrates while somebody writes, the first two runs killed when `far_enough` says so.
fn cut_off_twice(
    ground: &Ground,
    plural: &str,
    start: &dyn Fn() -> Result<Child>,
    far_enough: &(dyn Fn() -> Result<bool> + Sync),
) -> Result<(Ended, BTreeMap<String, u64>)> {
    let (over, written, count) = (AtomicBool::new(false), Mutex::default(), objects());
    let ended = std::thread::scope(|scope| {
        let writer = scope.spawn(|| keep_writing(ground, plural, count, &over, &written));
        let runs = (0..2).try_for_each(|_| kill_when(start()?, far_enough));
        let ended = runs.and_then(|()| crate::ground::ended(start()?.wait_with_output()?));
        over.store(true, Ordering::SeqCst);
        writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        ended
    })?;
    let written = written.into_inner()?;
    ensure!(written.len() > 20, "nobody else wrote: {}", written.len());
    Ok((ended.with(0)?, written))
}

fn kill_when(mut child: Child, far_enough: &dyn Fn() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !far_enough()? {
        ensure!(child.try_wait()?.is_none(), "it ended before it could be killed");
        ensure!(began.elapsed() < Duration::from_secs(60), "it does not get far enough");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    ensure!(child.wait()?.code().is_none(), "it ended before it could be killed");
    Ok(())
}

fn start(ground: &Ground, args: &[&str], kubeconfig: Option<&std::path::Path>) -> Result<Child> {
    let mut command = ground.command(User::Operator, "helm-mural")?;
    command
        .args([&["crds", "migrate"], args].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(kubeconfig.into_iter().fold(&mut command, |command, file| command.env("KUBECONFIG", file)).spawn()?)
}

fn by_us_while_others_write(ground: &Ground) -> Result<()> {
    plugins::folder()?;
    let (plural, count) = ("ours", objects());
    fill(ground, plural, &["v1alpha1", "v1beta1"], count)?;
    apply(ground, &[crd(plural, &["v1alpha1", "v1beta1"], "v1beta1")])?;
    let name = format!("{plural}.{GROUP}");
    let mark = ground.mark()?;
    let dry = crds(ground, &["migrate", &name, "--dry-run=server"])?.with(0)?;
    ground.nothing_written(mark)?;
    ensure!(dry.stdout.contains(&format!("{count} objects would be stored as v1beta1")), "{}", dry.stdout);

    // Slow enough to be cut off in the middle.
    let proxy = FaultProxy::start(&ground.sandbox()?.kubeconfig(User::Operator), ground.files())?;
    proxy.fault(Fault::on("/ours/", What::Delay(Duration::from_millis(20))).method("PATCH").times(usize::MAX));
    let patched = || proxy.requests().iter().filter(|seen| seen.method == "PATCH").count();
    let far = Mutex::new(0);
    let far_enough = || -> Result<bool> {
        let mut far = far.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        // A third of the objects further each time.
        let enough = patched() >= *far + count / 3;
        if enough {
            *far = patched();
        }
        Ok(enough)
    };
    let args = [name.as_str(), "--by", "us", "--yes", "--output", "json"];
    let start = || start(ground, &args, Some(proxy.kubeconfig()));
    let (ended, written) = cut_off_twice(ground, plural, &start, &far_enough)?;
    let report: Value = serde_json::from_str(&ended.stdout)?;
    let one = &report["crds"][0];
    ensure!(one["proved"] == true && one["objects"] == count && one["by"]["us"].is_object(), "{report}");
    whole(ground, plural, count, &written, "v1beta1")?;
    gone(ground, plural)
}

fn migrations(ground: &Ground) -> Result<Vec<Value>> {
    let all = ground.get(&["storageversionmigrations.storagemigration.k8s.io"])?;
    Ok(all["items"].as_array().cloned().unwrap_or_default())
}

fn by_the_cluster_while_others_write(ground: &Ground) -> Result<()> {
    plugins::folder()?;
    let (plural, count) = ("theirs", objects());
    fill(ground, plural, &["v1alpha1", "v1beta1"], count)?;
    apply(ground, &[crd(plural, &["v1alpha1", "v1beta1"], "v1beta1")])?;
    let name = format!("{plural}.{GROUP}");
    // As soon as it has asked the cluster.
    let asked = || Ok(!migrations(ground)?.is_empty());
    let args = [name.as_str(), "--by", "cluster", "--yes", "--output", "json"];
    let (ended, written) = cut_off_twice(ground, plural, &|| start(ground, &args, None), &asked)?;
    let report: Value = serde_json::from_str(&ended.stdout)?;
    let one = &report["crds"][0];
    ensure!(one["proved"] == true && one["objects"] == count && one["by"]["cluster"].is_object(), "{report}");
    ensure!(migrations(ground)?.is_empty(), "left behind: {:?}", migrations(ground)?);
    whole(ground, plural, count, &written, "v1beta1")?;
    gone(ground, plural)
}

/// A migration of the cluster's own, as anybody may ask for it.
fn ask_the_cluster(ground: &Ground, name: &str, plural: &str) -> Result<()> {
    apply(
        ground,
        &[json!({"apiVersion": "storagemigration.k8s.io/v1", "kind": "StorageVersionMigration",
        "metadata": {"name": name}, "spec": {"resource": {"group": GROUP, "resource": plural}}})],
    )
}

fn a_claim_that_is_not_true_deceives_nobody(ground: &Ground) -> Result<()> {
    let (plural, count) = ("claims", objects());
    let versions = ["v1", "v2", "v3", "v4"];
    let name = format!("{plural}.{GROUP}");
    fill(ground, plural, &versions, count)?;
    apply(ground, &[crd(plural, &versions, "v2")])?;
    ask_the_cluster(ground, "first", plural)?;
    let wait = ["wait", "--for=condition=Succeeded", "storageversionmigration/first", "--timeout=120s"];
    ground.run(User::Admin, "kubectl", &wait)?.with(0)?;
    // From its second migration on, the controller owns storedVersions and lets go of it as it begins.
    apply(ground, &[crd(plural, &versions, "v3")])?;
    ensure!(stored(ground, plural)? == ["v2", "v3"], "{:?}", stored(ground, plural)?);
    ask_the_cluster(ground, "second", plural)?;
    let early = trimmed_too_early(ground, plural, "second")?;
    println!("the cluster's claim came {}", if early { "before its end" } else { "with its end, this time" });
    let proved = crds(ground, &["migrate", &name, "--yes", "--output", "json"])?.with(0)?;
    ensure!(proved.stdout.contains("\"proved\": true"), "{}", proved.stdout);

    // What is left when such a migration fails, or its controller dies: a claim, and not one object moved.
    apply(ground, &[crd(plural, &versions, "v4")])?;
    let patch = r#"{"status":{"storedVersions":["v4"]}}"#;
    let claim = ["patch", "crd", &name, "--subresource=status", "--type=merge", "--patch", patch];
    ground.run(User::Admin, "kubectl", &claim)?.with(0)?;
    let without = json!({"apiVersion": "v1", "kind": "List", "items": [crd(plural, &["v4"], "v4")]}).to_string();
    let dry = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "-"];
    ground.run_with(User::Admin, "kubectl", &dry, &without, &[])?.with(0).context("the server is deceived")?;
    let ours = crds(ground, &["migrate", &name, "--by", "us", "--yes", "--output", "json"])?.with(0)?;
    let report: Value = serde_json::from_str(&ours.stdout)?;
    ensure!(report["crds"][0]["moved"] == count && report["crds"][0]["proved"] == true, "{report}");
    whole(ground, plural, count, &BTreeMap::new(), "v4")?;
    for migration in ["first", "second"] {
        ground.run(User::Admin, "kubectl", &["delete", "storageversionmigration", migration])?.with(0)?;
    }
    gone(ground, plural)
}

/// Whether storedVersions was trimmed while the migration was still at work. Waits no longer than its end.
fn trimmed_too_early(ground: &Ground, plural: &str, migration: &str) -> Result<bool> {
    client(ground, async |cluster| {
        let crd = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}");
        let path = format!("/apis/storagemigration.k8s.io/v1/storageversionmigrations/{migration}");
        for _ in 0..2000 {
            // First the end, then the claim: a claim that is seen before an end came before it.
            let (stored, ended) = (cluster.get(&crd).await?, cluster.get(&path).await?);
            let ended = ended.to_string().contains("\"type\":\"Succeeded\"");
            let trimmed = stored["status"]["storedVersions"].as_array().map(Vec::len) == Some(1);
            if trimmed || ended {
                return Ok(trimmed && !ended);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the migration does not end")
    })
}

fn managed_fields_keep_their_owner(ground: &Ground) -> Result<()> {
    let plural = "fields";
    let name = format!("{plural}.{GROUP}");
    apply(ground, &[crd(plural, &["v1alpha1", "v1"], "v1alpha1")])?;
    established(ground, plural)?;
    let object = |version: &str, spec: Value| {
        json!({"apiVersion": format!("{GROUP}/{version}"), "kind": "Field",
        "metadata": {"name": "one", "namespace": NAMESPACE}, "spec": spec})
    };
    let versions = |ground: &Ground| -> Result<Vec<String>> {
        let object = ground.get(&[&name, "one", "--namespace", NAMESPACE, "--show-managed-fields"])?;
        let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        Ok(entries.iter().map(|entry| entry["apiVersion"].as_str().unwrap_or_default().to_owned()).collect())
    };
    let mut tries = 0;
    while let Err(error) = apply(ground, &[object("v1alpha1", json!({"a": 1, "b": 2}))]) {
        tries += 1;
        ensure!(tries < 20, "{error:?}");
        std::thread::sleep(Duration::from_millis(250));
    }
    apply(ground, &[crd(plural, &["v1alpha1", "v1"], "v1")])?;
    crds(ground, &["migrate", &name, "--yes", "--by", "us"])?.with(0)?;
    ensure!(versions(ground)? == [format!("{GROUP}/v1alpha1")], "{:?}", versions(ground)?);
    apply(ground, &[crd(plural, &["v1"], "v1")])?;
    std::thread::sleep(Duration::from_secs(1));
    let ours = crds(ground, &["migrate", &name, "--yes", "--by", "us", "--output", "json"])?.with(0)?;
    let report: Value = serde_json::from_str(&ours.stdout)?;
    ensure!(report["crds"][0]["repaired"] == 1 && report["crds"][0]["proved"] == true, "{report}");
    ensure!(versions(ground)? == [format!("{GROUP}/v1")], "{:?}", versions(ground)?);
    // Who owned a field still does: what it no longer applies is dropped.
    apply(ground, &[object("v1", json!({"a": 1}))])?;
    let now = ground.get(&[&name, "one", "--namespace", NAMESPACE])?;
    ensure!(now["spec"] == json!({"a": 1}), "{now}");
    gone(ground, plural)
}
