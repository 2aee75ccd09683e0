//! The lock of an upgrade: a second operator is refused with the holder's identity, an expired Lease is taken over, and
//! of several simultaneous runs exactly one writes.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::refusals::{command, upgrade};
use crate::small::{NAMESPACE, NEWER};
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("lock::a_live_holder_is_reported_and_left_alone", a_live_holder_is_reported_and_left_alone),
    ("lock::a_holder_that_does_not_renew_is_taken_over", a_holder_that_does_not_renew_is_taken_over),
    ("lock::without_permission_to_lock_nothing_is_written", without_permission_to_lock_nothing_is_written),
    ("lock::of_four_at_once_one_writes", of_four_at_once_one_writes),
];

pub fn newer_flags(more: &[&'static str]) -> Vec<&'static str> {
    NEWER.iter().flat_map(|(flag, value)| [*flag, *value]).chain(more.iter().copied()).collect()
}

/// A Lease as the run of another workstation would write it.
fn build_held_lease(namespace: &str, name: &str) -> Value {
    let notes = json!({"mural.dev/user": "ann", "mural.dev/process": "ann@desk, process 7", "mural.dev/acquired-at": "2026-11-23T07:13:22Z",
        "mural.dev/step": "crds", "mural.dev/run": "20261123-071300", "mural.dev/version": "0.1.0"});
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace, "annotations": notes},
        "spec": {"holderIdentity": "ann@desk pid 7", "leaseDurationSeconds": 15, "renewTime": "2026-11-23T07:13:22.000000Z"}})
}

fn apply_lease(test_cluster: &TestCluster, lease: &Value) -> Result<CommandOutput> {
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &apply, &lease.to_string(), &[])?.expect_code(0)
}

/// Names of the existing Leases of locks.
pub fn lock_names(test_cluster: &TestCluster) -> Result<Vec<String>> {
    let leases = test_cluster.get(&["leases", "--all-namespaces"])?;
    let names = leases["items"].as_array().into_iter().flatten().filter_map(|lease| lease["metadata"]["name"].as_str());
    Ok(names.filter(|name| name.starts_with("mural-")).map(str::to_owned).collect())
}

/// Runs `status -o json`, as in a second terminal.
fn read_status(test_cluster: &TestCluster) -> Result<Value> {
    let told =
        test_cluster.run(User::Operator, "kubectl-mural-upgrade", &["status", "--output", "json"])?.expect_code(0)?;
    Ok(serde_json::from_str(&told.stdout)?)
}

fn a_live_holder_is_reported_and_left_alone(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let mut lease = build_held_lease(NAMESPACE, "mural-upgrade");
    apply_lease(test_cluster, &lease)?;
    let mark = test_cluster.mark()?;
    let plan = upgrade(test_cluster, User::Operator, &["plan"], &newer_flags(&[]))?
        .expect_code(2)
        .context("plan takes no lock")?;
    ensure!(plan.stdout.contains("held by ann (ann@desk, process 7)"), "{}", plan.stdout);

    let over = AtomicBool::new(false);
    let (second, waited, seen) = std::thread::scope(|scope| {
        scope.spawn(|| {
            for beat in 0..200 {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                lease["spec"]["renewTime"] = format!("2026-11-23T07:13:{:02}.000000Z", beat % 60).into();
                apply_lease(test_cluster, &lease).expect("the other operator renews");
                std::thread::sleep(Duration::from_secs(2));
            }
        });
        let began = Instant::now();
        let second = upgrade(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]));
        let waiting = upgrade(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--wait-for-lock", "6s"]));
        let waited = began.elapsed();
        let seen = read_status(test_cluster);
        over.store(true, Ordering::SeqCst);
        ((second, waiting), waited, seen)
    });
    let (second, waiting) = (second.0?.expect_code(7)?, second.1?.expect_code(7).context("a wait that is over")?);
    for word in
        ["ann (ann@desk, process 7)", "2026-11-23T07:13:22Z", "step      crds", "0.1.0", "--wait-for-lock", "status"]
    {
        ensure!(
            second.stderr.contains(word) && waiting.stderr.contains(word),
            "does not say {word:?}:\n{}",
            second.stderr
        );
    }
    let seen = seen?;
    let lock = seen.pointer("/locks/0").with_context(|| format!("no lock in {seen}"))?;
    ensure!(lock["liveness"] == "alive" && lock["holder"]["step"] == "crds", "{seen}");
    ensure!(waited > Duration::from_secs(6) && waited < Duration::from_secs(25), "{waited:?}");
    test_cluster.ensure_nothing_written(mark)
}

fn a_holder_that_does_not_renew_is_taken_over(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    apply_lease(test_cluster, &build_held_lease(NAMESPACE, "mural-upgrade"))?;
    // Its holder's clock is ten years ahead. The times in a Lease must not matter.
    let mut ahead = build_held_lease("kube-system", "mural-crds");
    ahead["spec"]["renewTime"] = "2036-11-23T07:13:22.000000Z".into();
    apply_lease(test_cluster, &ahead)?;
    let mark = test_cluster.mark()?;
    let began = Instant::now();
    let done = upgrade(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?.expect_code(0)?;
    ensure!(began.elapsed() >= Duration::from_secs(15), "taken over after {:?}", began.elapsed());
    ensure!(done.stderr.contains("abandoned by ann") && done.stderr.contains("not renewed for 15s"), "{}", done.stderr);
    ensure!(lock_names(test_cluster)?.is_empty(), "left behind: {:?}", lock_names(test_cluster)?);
    let seen = read_status(test_cluster)?;
    let wrote = seen.pointer("/runs/0/revisions").and_then(Value::as_array).map(Vec::len);
    ensure!(seen["locks"] == json!([]) && seen["nextStep"].is_null() && wrote == Some(2), "{seen}");
    let log = test_cluster.entries_since(mark)?;
    let (locked, writes) = (audit::locks_by(&log, "operator"), audit::writes_by(&log, "operator"));
    let taken: Vec<_> = locked.iter().copied().filter(|entry| entry.succeeded()).take(2).collect();
    audit::all_before(&taken, &writes).context("both locks, then the first write")?;
    let gone: Vec<_> = locked.iter().copied().filter(|entry| entry.verb == "delete").collect();
    audit::all_before(&writes, &gone).context("the last write, then the locks go")
}

fn without_permission_to_lock_nothing_is_written(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    // All permissions except on Leases.
    let rules = json!([{"apiGroups": ["", "apps", "batch", "apiextensions.k8s.io", "small.example.com", "helm.toolkit.fluxcd.io", "argoproj.io", "admissionregistration.k8s.io", "discovery.k8s.io", "policy", "authorization.k8s.io"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["get"]}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "no-locks"}, "rules": rules});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "no-locks"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "no-locks"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer"}]});
    apply_lease(test_cluster, &json!({"apiVersion": "v1", "kind": "List", "items": [role, binding]}))?;
    let mark = test_cluster.mark()?;
    let refused = upgrade(test_cluster, User::Viewer, &[], &newer_flags(&["--yes"]))?.expect_code(5)?;
    for word in ["namespace kube-system", "viewer may not create leases.coordination.k8s.io", "--explain-permissions"] {
        ensure!(refused.all_text().contains(word), "does not say {word:?}:\n{}", refused.all_text());
    }
    let log = test_cluster.entries_since(mark)?;
    ensure!(audit::writes_by(&log, "viewer").is_empty(), "{:?}", audit::writes_by(&log, "viewer"));
    Ok(())
}

fn of_four_at_once_one_writes(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let mark = test_cluster.mark()?;
    let start = |_| -> Result<_> {
        let mut command = command(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--events", "json"]))?;
        Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    };
    let all: Vec<_> = (0..4).map(start).collect::<Result<_>>()?;
    let ended: Vec<_> = all.into_iter().map(std::process::Child::wait_with_output).collect::<Result<_, _>>()?;
    let codes: Vec<_> = ended.iter().map(|ended| ended.status.code().unwrap_or(-1)).collect();
    let told = || ended.iter().map(|ended| String::from_utf8_lossy(&ended.stderr).into_owned()).collect::<String>();
    // A later run is refused by the lock (7), finds drift (5), or finds nothing to do (0).
    ensure!(codes.contains(&0) && codes.iter().all(|code| [0, 5, 7].contains(code)), "{codes:?}\n{}", told());
    ensure!(codes.contains(&7), "no run had to wait: {codes:?}");
    let log = test_cluster.entries_since(mark)?;
    let crds =
        audit::writes_by(&log, "operator").into_iter().filter(|entry| entry.is_crd() && entry.succeeded()).count();
    ensure!(crds == 2, "{crds} writes of the two CRDs that differ: more than one run wrote");
    let history = ["history", "mural", "--namespace", NAMESPACE, "--output", "json"];
    let history: Value =
        serde_json::from_str(&test_cluster.run(User::Admin, "helm", &history)?.expect_code(0)?.stdout)?;
    ensure!(history.as_array().map(Vec::len) == Some(2), "{history}");
    ensure!(lock_names(test_cluster)?.is_empty(), "left behind: {:?}", lock_names(test_cluster)?);
    Ok(())
}
