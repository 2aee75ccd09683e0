//! Two operators: who comes second is told who was first, a lock of the dead is taken over, and exactly one of many writes.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::refusals::{command, upgrade};
use crate::small::{NAMESPACE, NEWER};

pub const TESTS: &[Test] = &[
    ("lock::who_lives_is_left_alone_and_named", who_lives_is_left_alone_and_named),
    ("lock::who_does_not_renew_is_dead", who_does_not_renew_is_dead),
    ("lock::who_may_not_lock_writes_nothing", who_may_not_lock_writes_nothing),
    ("lock::of_four_at_once_one_writes", of_four_at_once_one_writes),
];

pub fn newer(more: &[&'static str]) -> Vec<&'static str> {
    NEWER.iter().flat_map(|(flag, value)| [*flag, *value]).chain(more.iter().copied()).collect()
}

/// A lock as another workstation's run would hold it.
fn held(namespace: &str, name: &str) -> Value {
    let notes = json!({"mural-who": "ann", "mural-where": "ann@desk, process 7", "mural-since": "2026-11-23T07:13:22Z",
        "mural-step": "crds", "mural-run": "20261123-071300", "mural-version": "0.1.0"});
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace, "annotations": notes},
        "spec": {"holderIdentity": "ann@desk pid 7", "leaseDurationSeconds": 15, "renewTime": "2026-11-23T07:13:22.000000Z"}})
}

fn put(ground: &Ground, lease: &Value) -> Result<Ended> {
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    ground.run_with(User::Admin, "kubectl", &apply, &lease.to_string(), &[])?.with(0)
}

/// The locks that are there now.
pub fn locks(ground: &Ground) -> Result<Vec<String>> {
    let leases = ground.get(&["leases", "--all-namespaces"])?;
    let names = leases["items"].as_array().into_iter().flatten().filter_map(|lease| lease["metadata"]["name"].as_str());
    Ok(names.filter(|name| name.starts_with("mural-")).map(str::to_owned).collect())
}

/// Where the upgrade stands, as a second terminal sees it.
fn status(ground: &Ground) -> Result<Value> {
    let told = ground.run(User::Operator, "kubectl-mural-upgrade", &["status", "--output", "json"])?.with(0)?;
    Ok(serde_json::from_str(&told.stdout)?)
}

fn who_lives_is_left_alone_and_named(ground: &Ground) -> Result<()> {
    ground.older()?;
    let mut lease = held(NAMESPACE, "mural-upgrade");
    put(ground, &lease)?;
    let mark = ground.mark()?;
    let plan = upgrade(ground, User::Operator, &["plan"], &newer(&[]))?.with(2).context("plan takes no lock")?;
    ensure!(plan.stdout.contains("held by ann (ann@desk, process 7)"), "{}", plan.stdout);

    let over = AtomicBool::new(false);
    let (second, waited, seen) = std::thread::scope(|scope| {
        scope.spawn(|| {
            for beat in 0..200 {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                lease["spec"]["renewTime"] = format!("2026-11-23T07:13:{:02}.000000Z", beat % 60).into();
                put(ground, &lease).expect("the other operator renews");
                std::thread::sleep(Duration::from_secs(2));
            }
        });
        let began = Instant::now();
        let second = upgrade(ground, User::Operator, &[], &newer(&["--yes"]));
        let waiting = upgrade(ground, User::Operator, &[], &newer(&["--yes", "--wait-for-lock", "6s"]));
        let waited = began.elapsed();
        let seen = status(ground);
        over.store(true, Ordering::SeqCst);
        ((second, waiting), waited, seen)
    });
    let (second, waiting) = (second.0?.with(7)?, second.1?.with(7).context("a wait that is over")?);
    for word in
        ["ann (ann@desk, process 7)", "2026-11-23T07:13:22Z", "step   crds", "0.1.0", "--wait-for-lock", "status"]
    {
        ensure!(
            second.stderr.contains(word) && waiting.stderr.contains(word),
            "does not say {word:?}:\n{}",
            second.stderr
        );
    }
    let seen = seen?;
    let lock = seen.pointer("/locks/0").with_context(|| format!("no lock in {seen}"))?;
    ensure!(lock["life"] == "alive" && lock["holder"]["step"] == "crds", "{seen}");
    ensure!(waited > Duration::from_secs(6) && waited < Duration::from_secs(25), "{waited:?}");
    ground.nothing_written(mark)
}

fn who_does_not_renew_is_dead(ground: &Ground) -> Result<()> {
    ground.older()?;
    put(ground, &held(NAMESPACE, "mural-upgrade"))?;
    // Of somebody whose clock is ten years ahead: what a Lease says of times is no sign of life.
    let mut ahead = held("kube-system", "mural-crds");
    ahead["spec"]["renewTime"] = "2036-11-23T07:13:22.000000Z".into();
    put(ground, &ahead)?;
    let mark = ground.mark()?;
    let began = Instant::now();
    let done = upgrade(ground, User::Operator, &[], &newer(&["--yes"]))?.with(0)?;
    ensure!(began.elapsed() >= Duration::from_secs(15), "taken over after {:?}", began.elapsed());
    ensure!(
        done.stderr.contains("left behind by ann") && done.stderr.contains("not renewed for 15s"),
        "{}",
        done.stderr
    );
    ensure!(locks(ground)?.is_empty(), "left behind: {:?}", locks(ground)?);
    let seen = status(ground)?;
    let wrote = seen.pointer("/runs/0/revisions").and_then(Value::as_array).map(Vec::len);
    ensure!(seen["locks"] == json!([]) && seen["next"].is_null() && wrote == Some(2), "{seen}");
    let log = ground.since(mark)?;
    let (locked, writes) = (audit::locks_by(&log, "operator"), audit::writes_by(&log, "operator"));
    let taken: Vec<_> = locked.iter().copied().filter(|entry| entry.succeeded()).take(2).collect();
    audit::all_before(&taken, &writes).context("both locks, then the first write")?;
    let gone: Vec<_> = locked.iter().copied().filter(|entry| entry.verb == "delete").collect();
    audit::all_before(&writes, &gone).context("the last write, then the locks go")
}

fn who_may_not_lock_writes_nothing(ground: &Ground) -> Result<()> {
    ground.older()?;
    // Everything but the locks.
    let rules = json!([{"apiGroups": ["", "apps", "batch", "apiextensions.k8s.io", "small.example.com", "helm.toolkit.fluxcd.io", "argoproj.io", "admissionregistration.k8s.io", "discovery.k8s.io", "policy", "authorization.k8s.io"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["get"]}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "no-locks"}, "rules": rules});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "no-locks"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "no-locks"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer"}]});
    put(ground, &json!({"apiVersion": "v1", "kind": "List", "items": [role, binding]}))?;
    let mark = ground.mark()?;
    let refused = upgrade(ground, User::Viewer, &[], &newer(&["--yes"]))?.with(5)?;
    for word in ["namespace kube-system", "viewer may not create leases.coordination.k8s.io", r#""kind":"Role""#] {
        ensure!(refused.all().contains(word), "does not say {word:?}:\n{}", refused.all());
    }
    let log = ground.since(mark)?;
    ensure!(audit::writes_by(&log, "viewer").is_empty(), "{:?}", audit::writes_by(&log, "viewer"));
    Ok(())
}

fn of_four_at_once_one_writes(ground: &Ground) -> Result<()> {
    ground.older()?;
    let mark = ground.mark()?;
    let start = |_| -> Result<_> {
        let mut command = command(ground, User::Operator, &[], &newer(&["--yes", "--events", "json"]))?;
        Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    };
    let all: Vec<_> = (0..4).map(start).collect::<Result<_>>()?;
    let ended: Vec<_> = all.into_iter().map(std::process::Child::wait_with_output).collect::<Result<_, _>>()?;
    let codes: Vec<_> = ended.iter().map(|ended| ended.status.code().unwrap_or(-1)).collect();
    let told = || ended.iter().map(|ended| String::from_utf8_lossy(&ended.stderr).into_owned()).collect::<String>();
    // Who came second is told so, or finds the world moved when its turn comes, or (late) that all is done.
    ensure!(codes.contains(&0) && codes.iter().all(|code| [0, 5, 7].contains(code)), "{codes:?}\n{}", told());
    ensure!(codes.contains(&7), "nobody was told to wait: {codes:?}");
    let log = ground.since(mark)?;
    let crds =
        audit::writes_by(&log, "operator").into_iter().filter(|entry| entry.is_crd() && entry.succeeded()).count();
    ensure!(crds == 2, "{crds} writes of the two CRDs that differ: more than one run wrote");
    let history = ["history", "mural", "--namespace", NAMESPACE, "--output", "json"];
    let history: Value = serde_json::from_str(&ground.run(User::Admin, "helm", &history)?.with(0)?.stdout)?;
    ensure!(history.as_array().map(Vec::len) == Some(2), "{history}");
    ensure!(locks(ground)?.is_empty(), "left behind: {:?}", locks(ground)?);
    Ok(())
}
