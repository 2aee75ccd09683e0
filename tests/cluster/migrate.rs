//! `helm mural crds migrate`, by the plugin and by the cluster's StorageVersionMigration: other clients keep writing,
//! the migration is interrupted twice, and `storedVersions` makes wrong claims.

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
use mural_tests::proxy::{FaultEffect, FaultProxy, FaultRule};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::crd_backup::{apply, crds};
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("migrate::by_the_plugin_while_others_write", by_the_plugin_while_others_write),
    ("migrate::by_the_cluster_while_others_write", by_the_cluster_while_others_write),
    ("migrate::a_wrong_stored_versions_claim_is_not_trusted", a_wrong_stored_versions_claim_is_not_trusted),
    ("migrate::managed_fields_keep_their_owner", managed_fields_keep_their_owner),
];

pub const GROUP: &str = "moved.example.com";
const NAMESPACE: &str = "default";
const MERGE: &str = "application/merge-patch+json";

/// Number of objects.
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
pub fn client<T>(test_cluster: &TestCluster, work: impl AsyncFnOnce(&Cluster) -> Result<T>) -> Result<T> {
    let kubeconfig = Some(test_cluster.sandbox()?.kubeconfig(User::Admin));
    let access = ClusterAccess { kubeconfig, ..ClusterAccess::default() };
    tokio::runtime::Runtime::new()?.block_on(async { work(&Cluster::connect(&access).await?).await })
}

fn collection(plural: &str, version: &str) -> String {
    format!("/apis/{GROUP}/{version}/namespaces/{NAMESPACE}/{plural}")
}

/// Creates the CRD and this number of objects, stored in its first version.
pub fn fill(test_cluster: &TestCluster, plural: &str, versions: &[&str], count: usize) -> Result<()> {
    apply(test_cluster, &[crd(plural, versions, versions[0])])?;
    established(test_cluster, plural)?;
    let crd = crd(plural, versions, versions[0]);
    let object = |at: usize| {
        json!({"apiVersion": format!("{GROUP}/{}", versions[0]), "kind": crd["spec"]["names"]["kind"],
        "metadata": {"name": format!("one-{at}")}, "spec": {"at": at, "count": 0, "text": "x".repeat(300)}})
    };
    client(test_cluster, async |cluster| {
        let path = collection(plural, versions[0]);
        // A CRD that was just established may not be served yet.
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

fn established(test_cluster: &TestCluster, plural: &str) -> Result<()> {
    let name = format!("crd/{plural}.{GROUP}");
    test_cluster
        .run(User::Admin, "kubectl", &["wait", "--for=condition=Established", &name, "--timeout=30s"])?
        .expect_code(0)
        .map(drop)
}

pub fn stored_versions(test_cluster: &TestCluster, plural: &str) -> Result<Vec<String>> {
    let crd = test_cluster.get(&["crd", &format!("{plural}.{GROUP}")])?;
    Ok(serde_json::from_value(crd["status"]["storedVersions"].clone())?)
}

fn delete_crd(test_cluster: &TestCluster, plural: &str) -> Result<()> {
    let name = format!("crd/{plural}.{GROUP}");
    test_cluster
        .run(User::Admin, "kubectl", &["delete", &name, "--wait=true", "--timeout=120s"])?
        .expect_code(0)
        .map(drop)
}

/// A client that writes until it is stopped. Returns the last acknowledged value of each object.
fn keep_writing(
    test_cluster: &TestCluster,
    plural: &str,
    count: usize,
    over: &AtomicBool,
    done: &Mutex<BTreeMap<String, u64>>,
) -> Result<()> {
    client(test_cluster, async |cluster| {
        let mut turn = 0_u64;
        while !over.load(Ordering::SeqCst) {
            turn += 1;
            // Each write goes to another object.
            let name = format!("one-{}", (turn as usize * 7919) % count);
            let path = format!("{}/{name}", collection(plural, "v1beta1"));
            let patch = json!({"spec": {"count": turn}});
            cluster.request(Method::PATCH, &path, Some((MERGE, &patch))).await?;
            done.lock().expect("a writer's notes").insert(name, turn);
        }
        Ok(())
    })
}

/// Makes sure that no object is lost or reverted, and that all can be read without the old version.
fn whole(
    test_cluster: &TestCluster,
    plural: &str,
    count: usize,
    written: &BTreeMap<String, u64>,
    last: &str,
) -> Result<()> {
    ensure!(
        stored_versions(test_cluster, plural)? == [last],
        "storedVersions: {:?}",
        stored_versions(test_cluster, plural)?
    );
    apply(test_cluster, &[crd(plural, &[last], last)]).context("the CRD without the older versions")?;
    let items = client(test_cluster, async |cluster| {
        // The API server needs a moment to serve the new CRD.
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

/// Migrates while another client writes. The first two runs are killed when `far_enough` returns true.
fn cut_off_twice(
    test_cluster: &TestCluster,
    plural: &str,
    start: &dyn Fn() -> Result<Child>,
    far_enough: &(dyn Fn() -> Result<bool> + Sync),
) -> Result<(CommandOutput, BTreeMap<String, u64>)> {
    let (over, written, count) = (AtomicBool::new(false), Mutex::default(), objects());
    let ended = std::thread::scope(|scope| {
        let writer = scope.spawn(|| keep_writing(test_cluster, plural, count, &over, &written));
        let runs = (0..2).try_for_each(|_| kill_when(start()?, far_enough));
        let ended = runs.and_then(|()| crate::test_cluster::to_command_output(start()?.wait_with_output()?));
        over.store(true, Ordering::SeqCst);
        writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        ended
    })?;
    let written = written.into_inner()?;
    ensure!(written.len() > 20, "no other client wrote: {}", written.len());
    Ok((ended.expect_code(0)?, written))
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

fn start(test_cluster: &TestCluster, args: &[&str], kubeconfig: Option<&std::path::Path>) -> Result<Child> {
    let mut command = test_cluster.command(User::Operator, "helm-mural")?;
    command
        .args([&["crds", "migrate"], args].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(kubeconfig.into_iter().fold(&mut command, |command, file| command.env("KUBECONFIG", file)).spawn()?)
}

fn by_the_plugin_while_others_write(test_cluster: &TestCluster) -> Result<()> {
    plugins::folder()?;
    let (plural, count) = ("ours", objects());
    fill(test_cluster, plural, &["v1alpha1", "v1beta1"], count)?;
    apply(test_cluster, &[crd(plural, &["v1alpha1", "v1beta1"], "v1beta1")])?;
    let name = format!("{plural}.{GROUP}");
    let mark = test_cluster.mark()?;
    let dry = crds(test_cluster, &["migrate", &name, "--dry-run=server"])?.expect_code(0)?;
    test_cluster.ensure_nothing_written(mark)?;
    ensure!(dry.stdout.contains(&format!("{count} objects would be stored as v1beta1")), "{}", dry.stdout);

    // Slow enough to be interrupted in the middle.
    let proxy = FaultProxy::start(&test_cluster.sandbox()?.kubeconfig(User::Operator), test_cluster.files())?;
    proxy.add_fault(
        FaultRule::for_path_containing("/ours/", FaultEffect::Delay(Duration::from_millis(20)))
            .for_method("PATCH")
            .times(usize::MAX),
    );
    let patched = || proxy.requests().iter().filter(|seen| seen.method == "PATCH").count();
    let far = Mutex::new(0);
    let far_enough = || -> Result<bool> {
        let mut far = far.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        // Each run migrates a third of the objects.
        let enough = patched() >= *far + count / 3;
        if enough {
            *far = patched();
        }
        Ok(enough)
    };
    let args = [name.as_str(), "--by", "us", "--yes", "--output", "json"];
    let start = || start(test_cluster, &args, Some(proxy.kubeconfig()));
    let (ended, written) = cut_off_twice(test_cluster, plural, &start, &far_enough)?;
    let report: Value = serde_json::from_str(&ended.stdout)?;
    let one = &report["crds"][0];
    ensure!(one["verified"] == true && one["objects"] == count && one["migratedBy"]["plugin"].is_object(), "{report}");
    whole(test_cluster, plural, count, &written, "v1beta1")?;
    delete_crd(test_cluster, plural)
}

fn migrations(test_cluster: &TestCluster) -> Result<Vec<Value>> {
    let all = test_cluster.get(&["storageversionmigrations.storagemigration.k8s.io"])?;
    Ok(all["items"].as_array().cloned().unwrap_or_default())
}

fn by_the_cluster_while_others_write(test_cluster: &TestCluster) -> Result<()> {
    plugins::folder()?;
    let (plural, count) = ("theirs", objects());
    fill(test_cluster, plural, &["v1alpha1", "v1beta1"], count)?;
    apply(test_cluster, &[crd(plural, &["v1alpha1", "v1beta1"], "v1beta1")])?;
    let name = format!("{plural}.{GROUP}");
    // As soon as the StorageVersionMigration exists.
    let asked = || Ok(!migrations(test_cluster)?.is_empty());
    let args = [name.as_str(), "--by", "cluster", "--yes", "--output", "json"];
    let (ended, written) = cut_off_twice(test_cluster, plural, &|| start(test_cluster, &args, None), &asked)?;
    let report: Value = serde_json::from_str(&ended.stdout)?;
    let one = &report["crds"][0];
    ensure!(one["verified"] == true && one["objects"] == count && one["migratedBy"]["cluster"].is_object(), "{report}");
    ensure!(migrations(test_cluster)?.is_empty(), "left behind: {:?}", migrations(test_cluster)?);
    whole(test_cluster, plural, count, &written, "v1beta1")?;
    delete_crd(test_cluster, plural)
}

/// Creates a StorageVersionMigration, as any client may.
fn ask_the_cluster(test_cluster: &TestCluster, name: &str, plural: &str) -> Result<()> {
    apply(
        test_cluster,
        &[json!({"apiVersion": "storagemigration.k8s.io/v1", "kind": "StorageVersionMigration",
        "metadata": {"name": name}, "spec": {"resource": {"group": GROUP, "resource": plural}}})],
    )
}

fn a_wrong_stored_versions_claim_is_not_trusted(test_cluster: &TestCluster) -> Result<()> {
    let (plural, count) = ("claims", objects());
    let versions = ["v1", "v2", "v3", "v4"];
    let name = format!("{plural}.{GROUP}");
    fill(test_cluster, plural, &versions, count)?;
    apply(test_cluster, &[crd(plural, &versions, "v2")])?;
    ask_the_cluster(test_cluster, "first", plural)?;
    let wait = ["wait", "--for=condition=Succeeded", "storageversionmigration/first", "--timeout=120s"];
    test_cluster.run(User::Admin, "kubectl", &wait)?.expect_code(0)?;
    // From its second migration on, the controller owns `storedVersions` and trims it at the start.
    apply(test_cluster, &[crd(plural, &versions, "v3")])?;
    ensure!(stored_versions(test_cluster, plural)? == ["v2", "v3"], "{:?}", stored_versions(test_cluster, plural)?);
    ask_the_cluster(test_cluster, "second", plural)?;
    let early = trimmed_too_early(test_cluster, plural, "second")?;
    println!("the cluster's claim came {}", if early { "before its end" } else { "with its end, this time" });
    let proved = crds(test_cluster, &["migrate", &name, "--yes", "--output", "json"])?.expect_code(0)?;
    ensure!(proved.stdout.contains("\"verified\": true"), "{}", proved.stdout);

    // The state after such a migration fails or its controller dies: `storedVersions` is trimmed, and no object is
    // migrated.
    apply(test_cluster, &[crd(plural, &versions, "v4")])?;
    let patch = r#"{"status":{"storedVersions":["v4"]}}"#;
    let claim = ["patch", "crd", &name, "--subresource=status", "--type=merge", "--patch", patch];
    test_cluster.run(User::Admin, "kubectl", &claim)?.expect_code(0)?;
    let without = json!({"apiVersion": "v1", "kind": "List", "items": [crd(plural, &["v4"], "v4")]}).to_string();
    let dry = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "-"];
    test_cluster
        .run_with(User::Admin, "kubectl", &dry, &without, &[])?
        .expect_code(0)
        .context("the server is deceived")?;
    let ours = crds(test_cluster, &["migrate", &name, "--by", "us", "--yes", "--output", "json"])?.expect_code(0)?;
    let report: Value = serde_json::from_str(&ours.stdout)?;
    ensure!(report["crds"][0]["migratedObjects"] == count && report["crds"][0]["verified"] == true, "{report}");
    whole(test_cluster, plural, count, &BTreeMap::new(), "v4")?;
    for migration in ["first", "second"] {
        test_cluster.run(User::Admin, "kubectl", &["delete", "storageversionmigration", migration])?.expect_code(0)?;
    }
    delete_crd(test_cluster, plural)
}

/// Whether `storedVersions` was trimmed while the migration was still running. Waits until its end at most.
fn trimmed_too_early(test_cluster: &TestCluster, plural: &str, migration: &str) -> Result<bool> {
    client(test_cluster, async |cluster| {
        let crd = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}");
        let path = format!("/apis/storagemigration.k8s.io/v1/storageversionmigrations/{migration}");
        for _ in 0..2000 {
            // Read the end first. If `storedVersions` is trimmed and no end was seen, it was trimmed before the end.
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

fn managed_fields_keep_their_owner(test_cluster: &TestCluster) -> Result<()> {
    let plural = "fields";
    let name = format!("{plural}.{GROUP}");
    apply(test_cluster, &[crd(plural, &["v1alpha1", "v1"], "v1alpha1")])?;
    established(test_cluster, plural)?;
    let object = |version: &str, spec: Value| {
        json!({"apiVersion": format!("{GROUP}/{version}"), "kind": "Field",
        "metadata": {"name": "one", "namespace": NAMESPACE}, "spec": spec})
    };
    let versions = |test_cluster: &TestCluster| -> Result<Vec<String>> {
        let object = test_cluster.get(&[&name, "one", "--namespace", NAMESPACE, "--show-managed-fields"])?;
        let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        Ok(entries.iter().map(|entry| entry["apiVersion"].as_str().unwrap_or_default().to_owned()).collect())
    };
    let mut tries = 0;
    while let Err(error) = apply(test_cluster, &[object("v1alpha1", json!({"a": 1, "b": 2}))]) {
        tries += 1;
        ensure!(tries < 20, "{error:?}");
        std::thread::sleep(Duration::from_millis(250));
    }
    apply(test_cluster, &[crd(plural, &["v1alpha1", "v1"], "v1")])?;
    crds(test_cluster, &["migrate", &name, "--yes", "--by", "us"])?.expect_code(0)?;
    ensure!(versions(test_cluster)? == [format!("{GROUP}/v1alpha1")], "{:?}", versions(test_cluster)?);
    apply(test_cluster, &[crd(plural, &["v1"], "v1")])?;
    std::thread::sleep(Duration::from_secs(1));
    let ours = crds(test_cluster, &["migrate", &name, "--yes", "--by", "us", "--output", "json"])?.expect_code(0)?;
    let report: Value = serde_json::from_str(&ours.stdout)?;
    ensure!(report["crds"][0]["repairedObjects"] == 1 && report["crds"][0]["verified"] == true, "{report}");
    ensure!(versions(test_cluster)? == [format!("{GROUP}/v1")], "{:?}", versions(test_cluster)?);
    // Field owners are kept: a field that its owner no longer applies is removed.
    apply(test_cluster, &[object("v1", json!({"a": 1}))])?;
    let now = test_cluster.get(&[&name, "one", "--namespace", NAMESPACE])?;
    ensure!(now["spec"] == json!({"a": 1}), "{now}");
    delete_crd(test_cluster, plural)
}
