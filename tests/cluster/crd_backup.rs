//! `helm mural crds save`, then an emptied cluster, then `restore`: kubectl and `diff` compare the objects before and
//! after.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] =
    &[("crd_backup::a_restored_cluster_equals_the_backup", a_restored_cluster_equals_the_backup)];

const GROUP: &str = "keep.example.com";
const KINDS: [&str; 3] = ["parts", "roots", "things"];
const SECRET: &str = "canary-91c2";
/// Enough objects for more than one page of a list.
const MANY: usize = 120;

/// `helm mural crds …` as the operator.
pub fn crds(test_cluster: &TestCluster, args: &[&str]) -> Result<CommandOutput> {
    test_cluster.run(User::Operator, "helm-mural", &[&["crds"], args].concat())
}

/// Applies objects as the admin.
pub fn apply(test_cluster: &TestCluster, items: &[Value]) -> Result<()> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &apply, &list, &[])?.expect_code(0).map(drop)
}

fn kubectl(test_cluster: &TestCluster, args: &[&str]) -> Result<CommandOutput> {
    test_cluster.run(User::Admin, "kubectl", args)?.expect_code(0)
}

fn crd(kind: &str, scope: &str, status: bool) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"size": {"type": "integer", "default": 7}}});
    let schema =
        json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": any, "data": any}}});
    let subresources = if status { json!({"status": {}}) } else { json!({}) };
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "schema": schema, "subresources": subresources});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}"), "labels": {"kept": "yes"}, "annotations": {"note": "a: b"}},
        "spec": {"group": GROUP, "scope": scope, "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [version("v1beta1", false), version("v1", true)]}})
}

fn part(namespace: &str, name: &str, owners: &Value) -> Value {
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Part",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "keep"}, "annotations": {"on": "yes", "text": "two\nlines\n"}, "ownerReferences": owners},
        "spec": {"password": SECRET, "odd": ["1e3", "0x1F", 1e21, 0.5, true, "off", ""], "nothing": {}}})
}

/// An owner reference to an existing object.
fn owner(test_cluster: &TestCluster, args: &[&str]) -> Result<Value> {
    let owner = test_cluster.get(args)?;
    Ok(
        json!([{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true}]),
    )
}

/// Creates three kinds with objects, owners of several kinds, status and a finalizer.
fn fill(test_cluster: &TestCluster) -> Result<()> {
    let config = |namespace: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keeper", "namespace": namespace}});
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let kinds = [crd("Part", "Namespaced", true), crd("Root", "Cluster", true), crd("Thing", "Namespaced", false)];
    apply(test_cluster, &[&kinds[..], &[namespace("keep-a"), config("keep-a"), config("default")]].concat())?;
    let wait = ["wait", "--for=condition=Established", "crd", "--selector", "kept=yes", "--timeout=30s"];
    kubectl(test_cluster, &wait)?;
    let root =
        json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Root", "metadata": {"name": "root"}, "spec": {"size": 1}});
    let thing = json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Thing", "metadata": {"name": "thing", "namespace": "keep-a", "finalizers": ["keep.example.com/last"]},
        "data": {"free": [1, 2]}, "status": {"phase": "in the main resource"}});
    let none = json!([]);
    let many = (0..MANY).map(|at| part("keep-a", &format!("part-{at}"), &none));
    let long = part("default", &format!("{}.long", "x".repeat(240)), &none);
    apply(test_cluster, &many.chain([root, thing, long]).collect::<Vec<_>>())?;
    let by_part = owner(test_cluster, &["parts", "part-0", "--namespace", "keep-a"])?;
    let child = part("keep-a", "a-child", &by_part);
    let gone = part("keep-a", "of-a-config", &owner(test_cluster, &["configmap", "keeper", "--namespace", "keep-a"])?);
    let stays =
        part("default", "of-a-config", &owner(test_cluster, &["configmap", "keeper", "--namespace", "default"])?);
    let of_root = part("default", "of-a-root", &owner(test_cluster, &["roots", "root"])?);
    apply(test_cluster, &[child, gone, stays, of_root])?;
    for name in ["part-0", "part-7", "a-child"] {
        let status = format!(r#"{{"status":{{"ready":true,"of":"{name}"}}}}"#);
        let patch =
            ["patch", "parts", name, "--namespace", "keep-a", "--subresource=status", "--type=merge", "--patch"];
        kubectl(test_cluster, &[&patch[..], &[&status]].concat())?;
    }
    Ok(())
}

/// Writes all objects as kubectl prints them, without the fields that belong to one cluster; owners by name.
fn write_objects(test_cluster: &TestCluster, file: &Path) -> Result<()> {
    let mut all = test_cluster.get(&["crd", "--selector", "kept=yes"])?["items"].take();
    for crd in all.as_array_mut().context("CRDs")? {
        crd["status"].take();
    }
    let all_kinds = KINDS.map(|kind| format!("{kind}.{GROUP}")).join(",");
    let objects = test_cluster.get(&[&all_kinds, "--all-namespaces"])?["items"].take();
    let mut lines = Vec::new();
    for mut object in [all.as_array().cloned(), objects.as_array().cloned()].into_iter().flatten().flatten() {
        let metadata = object["metadata"].as_object_mut().context("metadata")?;
        for key in ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"] {
            metadata.remove(key);
        }
        for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
            owner["uid"].take();
        }
        // Its owner is deleted with the namespace, and a restore does not create it.
        if (metadata["name"].as_str(), metadata.get("namespace").and_then(Value::as_str))
            == (Some("of-a-config"), Some("keep-a"))
        {
            metadata.remove("ownerReferences");
        }
        lines.push(object.to_string());
    }
    lines.sort();
    Ok(std::fs::write(file, lines.join("\n") + "\n")?)
}

fn differences(one: &Path, other: &Path) -> Result<String> {
    let ended = Command::new("diff").arg("--unified=0").args([one, other]).output().context("diff")?;
    ensure!(ended.status.code().is_some_and(|code| code < 2), "diff: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

fn equal(one: &Path, other: &Path) -> Result<()> {
    let differences = differences(one, other)?;
    ensure!(differences.is_empty(), "not equal:\n{differences}");
    Ok(())
}

fn empty(test_cluster: &TestCluster) -> Result<()> {
    let free = [
        "patch",
        "things",
        "thing",
        "--namespace",
        "keep-a",
        "--type=merge",
        "--patch",
        r#"{"metadata":{"finalizers":null}}"#,
    ];
    kubectl(test_cluster, &free)?;
    let names = KINDS.map(|kind| format!("crd/{kind}.{GROUP}"));
    let gone: Vec<&str> = names.iter().map(String::as_str).chain(["namespace/keep-a"]).collect();
    kubectl(test_cluster, &[&["delete", "--wait=true", "--timeout=90s"], &gone[..]].concat()).map(drop)
}

fn a_restored_cluster_equals_the_backup(test_cluster: &TestCluster) -> Result<()> {
    fill(test_cluster)?;
    let files = test_cluster.files();
    let (before, after, folder) = (files.join("before"), files.join("after"), files.join("kept"));
    let dir = folder.display().to_string();
    write_objects(test_cluster, &before)?;
    let names = KINDS.map(|kind| format!("{kind}.{GROUP}"));
    let select: Vec<&str> = names.iter().map(String::as_str).collect();
    let mark = test_cluster.mark()?;
    let saved = crds(test_cluster, &[&["save", &dir], &select[..]].concat())?.expect_code(0)?;
    test_cluster.ensure_nothing_written(mark)?;
    ensure!(saved.stdout.contains(&format!("backed up 3 CRDs and {} objects", MANY + 7)), "{}", saved.stdout);
    crds(test_cluster, &["save", &dir])?.expect_code(1).context("a second save into the same folder")?;
    only_mine(&folder)?;
    // A backup folder contains CRDs and objects, so a check accepts it on both sides and for `--objects`.
    let checked = crds(test_cluster, &["check", &dir, &dir, "--objects", &dir, "--output", "json"])?.expect_code(0)?;
    let checked: Value = serde_json::from_str(&checked.stdout)?;
    ensure!(checked["evidence"] == "files" && checked["objectsChecked"] == MANY + 7, "{checked}");

    empty(test_cluster)?;
    let mark = test_cluster.mark()?;
    let refused = crds(test_cluster, &["restore", &dir, "--yes"])?.expect_code(5).context("without its namespace")?;
    ensure!(refused.stderr.contains("keep-a") && refused.stderr.contains("--create-namespace"), "{}", refused.stderr);
    crds(test_cluster, &["restore", &dir, "--create-namespace"])?
        .expect_code(64)
        .context("no terminal to confirm on")?;
    crds(test_cluster, &["restore", &dir, "--create-namespace", "--dry-run=server"])?.expect_code(0)?;
    test_cluster.ensure_nothing_written(mark)?;
    let restored =
        crds(test_cluster, &["restore", &dir, "--yes", "--create-namespace", "--output", "json"])?.expect_code(0)?;
    write_objects(test_cluster, &after)?;
    equal(&before, &after)?;
    let report: Value = serde_json::from_str(&restored.stdout)?;
    ensure!(report["crdsCreated"].as_array().map(Vec::len) == Some(3), "{report}");
    let unlinked = json!([{"object": "Part keep-a/of-a-config", "owner": "ConfigMap keeper"}]);
    ensure!(report["missingOwners"] == unlinked, "{}", report["missingOwners"]);
    linked(test_cluster)?;
    ensure!(!(saved.all_text() + &refused.all_text() + &restored.all_text()).contains(SECRET), "tells a secret");
    let log = test_cluster.entries_since(mark)?;
    let deleted: Vec<_> =
        audit::writes_by(&log, "operator").into_iter().filter(|entry| entry.verb.contains("delete")).collect();
    ensure!(deleted.is_empty(), "{deleted:?}");
    restore_again(test_cluster, &dir, &before, &after)
}

/// Owner references get the uids of this cluster: the garbage collector would delete an object whose owner does not
/// exist.
fn linked(test_cluster: &TestCluster) -> Result<()> {
    let pairs = [
        (["parts", "a-child", "--namespace", "keep-a"], vec!["parts", "part-0", "--namespace", "keep-a"]),
        (["parts", "of-a-config", "--namespace", "default"], vec!["configmap", "keeper", "--namespace", "default"]),
        (["parts", "of-a-root", "--namespace", "default"], vec!["roots", "root"]),
    ];
    for (owned, owner) in pairs {
        let (owned, owner) = (test_cluster.get(&owned)?, test_cluster.get(&owner)?);
        let uid = &owned["metadata"]["ownerReferences"][0]["uid"];
        ensure!(*uid == owner["metadata"]["uid"] && uid.is_string(), "{uid} instead of {}", owner["metadata"]["uid"]);
    }
    Ok(())
}

/// Existing objects stay, unless `--overwrite` is set.
fn restore_again(test_cluster: &TestCluster, dir: &str, before: &Path, after: &Path) -> Result<()> {
    let mark = test_cluster.mark()?;
    let equal_all = crds(test_cluster, &["restore", dir, "--yes", "--output", "json"])?.expect_code(0)?;
    let report: Value = serde_json::from_str(&equal_all.stdout)?;
    ensure!(report["objects"][0]["unchanged"] == MANY + 5 && report["objects"][0]["created"] == 0, "{report}");
    let log = test_cluster.entries_since(mark)?;
    let done: Vec<_> = audit::writes_by(&log, "operator").into_iter().filter(|entry| entry.succeeded()).collect();
    ensure!(done.is_empty(), "{done:?}");
    let patch = [
        "patch",
        "parts",
        "part-3",
        "--namespace",
        "keep-a",
        "--type=merge",
        "--patch",
        r#"{"spec":{"password":"mine"}}"#,
    ];
    kubectl(test_cluster, &patch)?;
    let left = crds(test_cluster, &["restore", dir, "--yes"])?.expect_code(0)?;
    write_objects(test_cluster, after)?;
    ensure!(left.stdout.contains("--overwrite") && differences(before, after)?.contains("mine"), "{}", left.stdout);
    crds(test_cluster, &["restore", dir, "--yes", "--overwrite"])?.expect_code(0)?;
    write_objects(test_cluster, after)?;
    equal(before, after)
}

/// Only the owner may read the files and folders.
fn only_mine(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut open: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let meta = std::fs::metadata(&path)?;
        ensure!(meta.permissions().mode() & 0o077 == 0, "{} is open to others", path.display());
        if meta.is_dir() {
            open.extend(std::fs::read_dir(&path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?);
        }
    }
    Ok(())
}
