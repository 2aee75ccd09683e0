//! A chart that drops the version in which all objects are stored: the plain upgrade is refused, and `--migrate` uses a
//! transitional CRD to keep every object.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::crd_backup::{apply, crds};
use crate::lock::newer_flags;
use crate::refusals::upgrade;
use crate::small::NAMESPACE;
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};
use crate::variants::overlay;

/// With `MURAL_KILLS`, also an interrupted run: the cluster's own migration takes half a minute each time.
pub fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = vec![
        ("transitional_crd::the_storage_version_is_dropped", the_storage_version_is_dropped),
        ("transitional_crd::the_crds_alone", the_crds_alone),
        (
            "transitional_crd::a_wrong_stored_versions_claim_is_not_trusted",
            a_wrong_stored_versions_claim_is_not_trusted,
        ),
    ];
    if crate::kill::env("MURAL_KILLS").is_some() {
        tests.push((
            "transitional_crd::an_interrupted_run_continues_from_the_transitional_crd",
            an_interrupted_run_continues_from_the_transitional_crd,
        ));
    }
    tests
}

pub const RACKS: &str = "racks.small.example.com";
pub const COUNT: usize = 60;

/// Creates Racks in the older version, and the chart that has only the newer one.
pub fn racks(test_cluster: &TestCluster) -> Result<String> {
    test_cluster.install_older()?;
    let spec = json!({"type": "object", "properties": {"size": {"type": "integer"}}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
    apply(
        test_cluster,
        &[
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": RACKS},
        "spec": {"group": "small.example.com", "scope": "Namespaced", "names": {"kind": "Rack", "plural": "racks"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": schema}]}}),
        ],
    )?;
    let wait = ["wait", "--for=condition=Established", &format!("crd/{RACKS}"), "--timeout=30s"];
    test_cluster.run(User::Admin, "kubectl", &wait)?.expect_code(0)?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    let rack = |at: usize| {
        json!({"apiVersion": "small.example.com/v1alpha1", "kind": "Rack",
        "metadata": {"name": format!("rack-{at}"), "namespace": NAMESPACE}, "spec": {"size": at}})
    };
    apply(test_cluster, &(0..COUNT).map(rack).collect::<Vec<_>>())?;
    Ok(overlay::charts(test_cluster, "stored-version-dropped")?.crds)
}

fn run(test_cluster: &TestCluster, chart: &str, command: &[&str], more: &[&str]) -> Result<CommandOutput> {
    let to: Vec<&str> = newer_flags(&[]).into_iter().take(2).collect();
    upgrade(test_cluster, User::Operator, command, &[&to[..], &["--crds-chart", chart], more].concat())
}

/// Makes sure that all objects are stored in the chart's version and none is lost.
fn ensure_migrated(test_cluster: &TestCluster) -> Result<()> {
    let crd = test_cluster.get(&["crd", RACKS])?;
    let versions: Vec<&Value> =
        crd["spec"]["versions"].as_array().context("versions")?.iter().map(|one| &one["name"]).collect();
    ensure!(versions == [&json!("v1")] && crd["status"]["storedVersions"] == json!(["v1"]), "{}", crd["status"]);
    let racks = test_cluster.get(&[RACKS, "--namespace", NAMESPACE, "--show-managed-fields"])?;
    let items = racks["items"].as_array().context("items")?;
    ensure!(items.len() == COUNT, "{} racks", items.len());
    for rack in items {
        let name = rack["metadata"]["name"].as_str().unwrap_or_default();
        ensure!(format!("rack-{}", rack["spec"]["size"]) == name, "{name} holds {}", rack["spec"]);
        ensure!(!rack["metadata"]["managedFields"].to_string().contains("v1alpha1"), "{name}: {}", rack["metadata"]);
    }
    // The owners of fields are the same.
    let again = json!({"apiVersion": "small.example.com/v1", "kind": "Rack", "metadata": {"name": "rack-7", "namespace": NAMESPACE}});
    apply(test_cluster, &[again])?;
    let rack = test_cluster.get(&[RACKS, "rack-7", "--namespace", NAMESPACE])?;
    ensure!(rack.get("spec").is_none_or(|spec| spec.get("size").is_none()), "{rack}");
    Ok(())
}

fn the_storage_version_is_dropped(test_cluster: &TestCluster) -> Result<()> {
    let chart = racks(test_cluster)?;
    let rendered = test_cluster
        .run(User::Admin, "helm", &["template", "mural-crds", &chart, "--include-crds"])?
        .expect_code(0)?
        .stdout;
    let by_guide = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "-"];
    let by_guide_output = test_cluster
        .run_with(User::Admin, "kubectl", &by_guide, &rendered, &[])?
        .expect_code(1)
        .context("by the guide")?;
    ensure!(by_guide_output.stderr.contains("must remain in spec.versions"), "{}", by_guide_output.stderr);

    let mark = test_cluster.mark()?;
    let refused = run(test_cluster, &chart, &[], &["--yes"])?.expect_code(5).context("not agreed to")?;
    ensure!(refused.stdout.contains("--migrate") && refused.stdout.contains("crds-dry-run"), "{}", refused.stdout);
    let plan = run(test_cluster, &chart, &["plan"], &["--migrate", "--output", "json"])?.expect_code(2)?;
    let plan: Value = serde_json::from_str(&plan.stdout)?;
    let steps: Vec<&str> =
        plan["plan"]["steps"].as_array().context("steps")?.iter().filter_map(|step| step["id"].as_str()).collect();
    ensure!(steps.starts_with(&["migrate", "crds", "served"]), "{steps:?}");
    test_cluster.ensure_nothing_written(mark)?;

    let done = run(test_cluster, &chart, &[], &["--yes", "--migrate"])?.expect_code(0)?;
    ensure!(done.stderr.contains(&format!("{RACKS}: {COUNT} objects stored as v1")), "{}", done.stderr);
    let log = test_cluster.entries_since(mark)?;
    let writes = audit::writes_by(&log, "operator");
    let of_racks: Vec<_> = writes.iter().copied().filter(|entry| entry.resource == "racks").collect();
    let of_crd: Vec<_> = writes.iter().copied().filter(|entry| entry.is_crd() && entry.name == RACKS).collect();
    audit::all_before(&of_crd[..1], &of_racks).context("the bridge, then the objects")?;
    let applied: Vec<_> = of_crd.iter().copied().filter(|entry| entry.user_agent.contains("kubectl")).collect();
    audit::all_before(&of_racks, &applied).context("the objects, then the chart's CRD")?;
    ensure_migrated(test_cluster)?;
    as_recorded(test_cluster)?;
    let mark = test_cluster.mark()?;
    run(test_cluster, &chart, &[], &["--yes"])?.expect_code(0).context("a second run")?;
    let again = test_cluster.entries_since(mark)?;
    ensure!(audit::writes_by(&again, "operator").is_empty(), "{:?}", audit::writes_by(&again, "operator"));
    Ok(())
}

/// `helm mural crds`: the owner of the CRD and its drift from the release.
fn as_recorded(test_cluster: &TestCluster) -> Result<()> {
    let listed: Value =
        serde_json::from_str(&crds(test_cluster, &["--all", "--output", "json"])?.expect_code(0)?.stdout)?;
    let row = listed["items"].as_array().context("items")?.iter().find(|row| row["name"] == RACKS).context(RACKS)?;
    ensure!(row["owner"] == "release mural-crds" && row["drift"] == 0, "{row}");
    Ok(())
}

/// `helm mural crds apply`: the same, without a release.
fn the_crds_alone(test_cluster: &TestCluster) -> Result<()> {
    let chart = racks(test_cluster)?;
    let mark = test_cluster.mark()?;
    let refused = crds(test_cluster, &["apply", &chart, "--yes"])?.expect_code(5)?;
    ensure!(refused.stdout.contains("--migrate"), "{}", refused.stdout);
    crds(test_cluster, &["apply", &chart, "--migrate"])?.expect_code(64).context("no terminal to confirm on")?;
    crds(test_cluster, &["apply", &chart, "--migrate", "--dry-run=server"])?.expect_code(0)?;
    test_cluster.ensure_nothing_written(mark)?;
    let mut apply = test_cluster.command(User::Operator, "helm-mural")?;
    let apply = apply.args(["crds", "apply", &chart, "--migrate", "--yes", "--output", "json"]);
    let apply = apply.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let meanwhile = seen_by_others(test_cluster, &chart);
    let done = to_command_output(apply.wait_with_output()?)?.expect_code(0)?;
    meanwhile?;
    let report: Value = serde_json::from_str(&done.stdout)?;
    ensure!(report["kind"] == "CrdApply" && report["outcome"] == "succeeded", "{}", done.stdout);
    let log = test_cluster.entries_since(mark)?;
    let secrets: Vec<_> =
        audit::writes_by(&log, "operator").into_iter().filter(|entry| entry.resource == "secrets").collect();
    ensure!(secrets.is_empty(), "a release was written: {secrets:?}");
    let locks: Vec<_> = audit::locks_by(&log, "operator").into_iter().map(|entry| entry.namespace.as_str()).collect();
    ensure!(!locks.is_empty() && locks.iter().all(|namespace| *namespace == "kube-system"), "{locks:?}");
    ensure_migrated(test_cluster)?;
    let mark = test_cluster.mark()?;
    let args = ["crds", "apply", chart.as_str(), "--yes"];
    let elsewhere = [("HELM_NAMESPACE", std::path::Path::new("nowhere"))];
    let again = test_cluster.run_with(User::Operator, "helm-mural", &args, "", &elsewhere)?.expect_code(0)?;
    ensure!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    test_cluster.ensure_nothing_written(mark)
}

/// `helm mural crds apply` writes no journal, so its Lease tells `status` and a second run the holder and the step.
fn seen_by_others(test_cluster: &TestCluster, chart: &str) -> Result<()> {
    let began = Instant::now();
    let lock = loop {
        let status = test_cluster.run(User::Operator, "kubectl-mural-upgrade", &["status", "--output", "json"])?;
        let status: Value = serde_json::from_str(&status.stdout).with_context(|| status.all_text())?;
        match status["locks"].as_array().and_then(|locks| locks.first().cloned()) {
            Some(lock) if lock["holder"]["step"] == "migrate" => break lock,
            last => ensure!(began.elapsed() < Duration::from_secs(30), "never at migrate: {last:?}"),
        }
    };
    ensure!(lock["lease"]["name"] == "mural-crds", "{lock}");
    let second = crds(test_cluster, &["apply", chart, "--migrate", "--yes"])?.expect_code(7)?;
    let run = lock["holder"]["run"].as_str().context("no run")?;
    for word in ["someone else is upgrading", "step      migrate", run] {
        ensure!(second.stderr.contains(word), "does not say {word:?}:\n{}", second.stderr);
    }
    Ok(())
}

/// Adds the chart's version to the CRD as the storage version. No object is migrated yet.
fn apply_transitional_crd_by_hand(test_cluster: &TestCluster) -> Result<()> {
    let mut bridge = test_cluster.get(&["crd", RACKS])?;
    let mut newer = bridge["spec"]["versions"][0].clone();
    newer["name"] = json!("v1");
    bridge["spec"]["versions"][0]["storage"] = json!(false);
    bridge["spec"]["versions"].as_array_mut().context("versions")?.push(newer);
    let patch = json!({"spec": {"versions": bridge["spec"]["versions"]}}).to_string();
    test_cluster
        .run(User::Admin, "kubectl", &["patch", "crd", RACKS, "--type=merge", "--patch", &patch])?
        .expect_code(0)?;
    let stored = test_cluster.get(&["crd", RACKS])?["status"]["storedVersions"].take();
    ensure!(stored == json!(["v1alpha1", "v1"]), "{stored}");
    Ok(())
}

/// `storedVersions` claims that no object is stored in the old version. The server would accept the chart's CRD, and
/// every object would be lost.
fn a_wrong_stored_versions_claim_is_not_trusted(test_cluster: &TestCluster) -> Result<()> {
    let chart = racks(test_cluster)?;
    apply_transitional_crd_by_hand(test_cluster)?;
    let claim = r#"{"status":{"storedVersions":["v1"]}}"#;
    let patch = ["patch", "crd", RACKS, "--subresource=status", "--type=merge", "--patch", claim];
    test_cluster.run(User::Admin, "kubectl", &patch)?.expect_code(0)?;
    let mark = test_cluster.mark()?;
    let refused = crds(test_cluster, &["apply", &chart, "--yes"])?.expect_code(5)?;
    for told in ["dropped-version-unused", RACKS, "v1alpha1", &format!("{COUNT} objects"), "--migrate"] {
        ensure!(refused.stdout.contains(told), "{told:?} is not in the output:\n{}", refused.stdout);
    }
    test_cluster.ensure_nothing_written(mark)?;
    crds(test_cluster, &["apply", &chart, "--yes", "--migrate"])?.expect_code(0)?;
    ensure_migrated(test_cluster)
}

/// The transitional CRD exists and no object is migrated: the state that an interrupted run leaves.
fn an_interrupted_run_continues_from_the_transitional_crd(test_cluster: &TestCluster) -> Result<()> {
    let chart = racks(test_cluster)?;
    apply_transitional_crd_by_hand(test_cluster)?;
    let listed = crds(test_cluster, &["--all"])?.expect_code(0)?;
    ensure!(listed.stdout.contains("v1 (and v1alpha1)"), "{}", listed.stdout);
    run(test_cluster, &chart, &[], &["--yes", "--migrate"])?.expect_code(0)?;
    ensure_migrated(test_cluster)
}
