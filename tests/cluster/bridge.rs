//! A chart that drops the version in which everything is stored: refused by the page's way, carried through over the bridge.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::ground::{Ended, Ground, ended};
use crate::keep::{apply, crds};
use crate::lock::newer;
use crate::refusals::upgrade;
use crate::small::NAMESPACE;
use crate::variants::overlay;

/// With `MURAL_KILLS`, who breaks off half-way too: the cluster's own migration takes half a minute each time.
pub fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = vec![
        ("bridge::the_storage_version_is_dropped", the_storage_version_is_dropped),
        ("bridge::the_crds_alone", the_crds_alone),
        ("bridge::a_claim_is_not_believed", a_claim_is_not_believed),
    ];
    if crate::kill::env("MURAL_KILLS").is_some() {
        tests.push(("bridge::who_breaks_off_on_the_bridge_goes_on", who_breaks_off_on_the_bridge_goes_on));
    }
    tests
}

pub const RACKS: &str = "racks.small.example.com";
pub const COUNT: usize = 60;

/// Racks in the older version, and the chart that knows only the newer one.
pub fn racks(ground: &Ground) -> Result<String> {
    ground.older()?;
    let spec = json!({"type": "object", "properties": {"size": {"type": "integer"}}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
    apply(
        ground,
        &[
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": RACKS},
        "spec": {"group": "small.example.com", "scope": "Namespaced", "names": {"kind": "Rack", "plural": "racks"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": schema}]}}),
        ],
    )?;
    let wait = ["wait", "--for=condition=Established", &format!("crd/{RACKS}"), "--timeout=30s"];
    ground.run(User::Admin, "kubectl", &wait)?.with(0)?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    let rack = |at: usize| {
        json!({"apiVersion": "small.example.com/v1alpha1", "kind": "Rack",
        "metadata": {"name": format!("rack-{at}"), "namespace": NAMESPACE}, "spec": {"size": at}})
    };
    apply(ground, &(0..COUNT).map(rack).collect::<Vec<_>>())?;
    Ok(overlay::charts(ground, "stored-version-dropped")?.crds)
}

fn run(ground: &Ground, chart: &str, command: &[&str], more: &[&str]) -> Result<Ended> {
    let to: Vec<&str> = newer(&[]).into_iter().take(2).collect();
    upgrade(ground, User::Operator, command, &[&to[..], &["--crds-chart", chart], more].concat())
}

/// Everything is stored in the version that the chart keeps, and nothing is lost.
fn carried(ground: &Ground) -> Result<()> {
    let crd = ground.get(&["crd", RACKS])?;
    let versions: Vec<&Value> =
        crd["spec"]["versions"].as_array().context("versions")?.iter().map(|one| &one["name"]).collect();
    ensure!(versions == [&json!("v1")] && crd["status"]["storedVersions"] == json!(["v1"]), "{}", crd["status"]);
    let racks = ground.get(&[RACKS, "--namespace", NAMESPACE, "--show-managed-fields"])?;
    let items = racks["items"].as_array().context("items")?;
    ensure!(items.len() == COUNT, "{} racks", items.len());
    for rack in items {
        let name = rack["metadata"]["name"].as_str().unwrap_or_default();
        ensure!(format!("rack-{}", rack["spec"]["size"]) == name, "{name} holds {}", rack["spec"]);
        ensure!(!rack["metadata"]["managedFields"].to_string().contains("v1alpha1"), "{name}: {}", rack["metadata"]);
    }
    // Whoever owned a field before still does.
    let again = json!({"apiVersion": "small.example.com/v1", "kind": "Rack", "metadata": {"name": "rack-7", "namespace": NAMESPACE}});
    apply(ground, &[again])?;
    let rack = ground.get(&[RACKS, "rack-7", "--namespace", NAMESPACE])?;
    ensure!(rack.get("spec").is_none_or(|spec| spec.get("size").is_none()), "{rack}");
    Ok(())
}

fn the_storage_version_is_dropped(ground: &Ground) -> Result<()> {
    let chart = racks(ground)?;
    let rendered =
        ground.run(User::Admin, "helm", &["template", "mural-crds", &chart, "--include-crds"])?.with(0)?.stdout;
    let by_the_page = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "-"];
    let page =
        ground.run_with(User::Admin, "kubectl", &by_the_page, &rendered, &[])?.with(1).context("the page's way")?;
    ensure!(page.stderr.contains("must remain in spec.versions"), "{}", page.stderr);

    let mark = ground.mark()?;
    let refused = run(ground, &chart, &[], &["--yes"])?.with(5).context("not agreed to")?;
    ensure!(refused.stdout.contains("--migrate") && refused.stdout.contains("crds-dry-run"), "{}", refused.stdout);
    let plan = run(ground, &chart, &["plan"], &["--migrate", "--output", "json"])?.with(2)?;
    let plan: Value = serde_json::from_str(&plan.stdout)?;
    let steps: Vec<&str> =
        plan["plan"]["steps"].as_array().context("steps")?.iter().filter_map(|step| step["id"].as_str()).collect();
    ensure!(steps.starts_with(&["migrate", "crds", "served"]), "{steps:?}");
    ground.nothing_written(mark)?;

    let done = run(ground, &chart, &[], &["--yes", "--migrate"])?.with(0)?;
    ensure!(done.stderr.contains(&format!("{RACKS}: {COUNT} objects stored as v1")), "{}", done.stderr);
    let log = ground.since(mark)?;
    let writes = audit::writes_by(&log, "operator");
    let of_racks: Vec<_> = writes.iter().copied().filter(|entry| entry.resource == "racks").collect();
    let of_crd: Vec<_> = writes.iter().copied().filter(|entry| entry.is_crd() && entry.name == RACKS).collect();
    audit::all_before(&of_crd[..1], &of_racks).context("the bridge, then the objects")?;
    let applied: Vec<_> = of_crd.iter().copied().filter(|entry| entry.user_agent.contains("kubectl")).collect();
    audit::all_before(&of_racks, &applied).context("the objects, then the chart's CRD")?;
    carried(ground)?;
    as_recorded(ground)?;
    let mark = ground.mark()?;
    run(ground, &chart, &[], &["--yes"])?.with(0).context("a second run")?;
    let again = ground.since(mark)?;
    ensure!(audit::writes_by(&again, "operator").is_empty(), "{:?}", audit::writes_by(&again, "operator"));
    Ok(())
}

/// `helm mural crds`: whose each CRD is, and how far it is from what the release holds.
fn as_recorded(ground: &Ground) -> Result<()> {
    let listed: Value = serde_json::from_str(&crds(ground, &["--all", "--output", "json"])?.with(0)?.stdout)?;
    let row = listed["items"].as_array().context("items")?.iter().find(|row| row["name"] == RACKS).context(RACKS)?;
    ensure!(row["owner"] == "release mural-crds" && row["drift"] == 0, "{row}");
    Ok(())
}

/// `helm mural crds apply`: the same, and no release is written.
fn the_crds_alone(ground: &Ground) -> Result<()> {
    let chart = racks(ground)?;
    let mark = ground.mark()?;
    let refused = crds(ground, &["apply", &chart, "--yes"])?.with(5)?;
    ensure!(refused.stdout.contains("--migrate"), "{}", refused.stdout);
    crds(ground, &["apply", &chart, "--migrate"])?.with(64).context("nobody to ask")?;
    crds(ground, &["apply", &chart, "--migrate", "--dry-run=server"])?.with(0)?;
    ground.nothing_written(mark)?;
    let mut apply = ground.command(User::Operator, "helm-mural")?;
    let apply = apply.args(["crds", "apply", &chart, "--migrate", "--yes", "--output", "json"]);
    let apply = apply.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let meanwhile = seen_by_others(ground, &chart);
    let done = ended(apply.wait_with_output()?)?.with(0)?;
    meanwhile?;
    let report: Value = serde_json::from_str(&done.stdout)?;
    ensure!(report["kind"] == "CrdApply" && report["outcome"] == "upgraded", "{}", done.stdout);
    let log = ground.since(mark)?;
    let secrets: Vec<_> =
        audit::writes_by(&log, "operator").into_iter().filter(|entry| entry.resource == "secrets").collect();
    ensure!(secrets.is_empty(), "a release was written: {secrets:?}");
    let locks: Vec<_> = audit::locks_by(&log, "operator").into_iter().map(|entry| entry.namespace.as_str()).collect();
    ensure!(!locks.is_empty() && locks.iter().all(|namespace| *namespace == "kube-system"), "{locks:?}");
    carried(ground)?;
    let mark = ground.mark()?;
    let args = ["crds", "apply", chart.as_str(), "--yes"];
    let elsewhere = [("HELM_NAMESPACE", std::path::Path::new("nowhere"))];
    let again = ground.run_with(User::Operator, "helm-mural", &args, "", &elsewhere)?.with(0)?;
    ensure!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    ground.nothing_written(mark)
}

/// Who applies CRDs alone keeps no journal: its lock says who, and at which step, to whoever looks and to whoever comes second.
fn seen_by_others(ground: &Ground, chart: &str) -> Result<()> {
    let began = Instant::now();
    let lock = loop {
        let status = ground.run(User::Operator, "kubectl-mural-upgrade", &["status", "--output", "json"])?;
        let status: Value = serde_json::from_str(&status.stdout).with_context(|| status.all())?;
        match status["locks"].as_array().and_then(|locks| locks.first().cloned()) {
            Some(lock) if lock["holder"]["step"] == "migrate" => break lock,
            last => ensure!(began.elapsed() < Duration::from_secs(30), "never at migrate: {last:?}"),
        }
    };
    ensure!(lock["place"]["name"] == "mural-crds", "{lock}");
    let second = crds(ground, &["apply", chart, "--migrate", "--yes"])?.with(7)?;
    let run = lock["holder"]["run"].as_str().context("no run")?;
    for word in ["somebody else is upgrading", "step   migrate", run] {
        ensure!(second.stderr.contains(word), "does not say {word:?}:\n{}", second.stderr);
    }
    Ok(())
}

/// The chart's version stands beside the old one, and stores; nothing is moved yet.
fn bridge_by_hand(ground: &Ground) -> Result<()> {
    let mut bridge = ground.get(&["crd", RACKS])?;
    let mut newer = bridge["spec"]["versions"][0].clone();
    newer["name"] = json!("v1");
    bridge["spec"]["versions"][0]["storage"] = json!(false);
    bridge["spec"]["versions"].as_array_mut().context("versions")?.push(newer);
    let patch = json!({"spec": {"versions": bridge["spec"]["versions"]}}).to_string();
    ground.run(User::Admin, "kubectl", &["patch", "crd", RACKS, "--type=merge", "--patch", &patch])?.with(0)?;
    let stored = ground.get(&["crd", RACKS])?["status"]["storedVersions"].take();
    ensure!(stored == json!(["v1alpha1", "v1"]), "{stored}");
    Ok(())
}

/// Somebody says that nothing is stored in the old version any more. The server takes the chart's CRD then, and loses everything.
fn a_claim_is_not_believed(ground: &Ground) -> Result<()> {
    let chart = racks(ground)?;
    bridge_by_hand(ground)?;
    let claim = r#"{"status":{"storedVersions":["v1"]}}"#;
    let patch = ["patch", "crd", RACKS, "--subresource=status", "--type=merge", "--patch", claim];
    ground.run(User::Admin, "kubectl", &patch)?.with(0)?;
    let mark = ground.mark()?;
    let refused = crds(ground, &["apply", &chart, "--yes"])?.with(5)?;
    for told in ["dropped-version-proved", RACKS, "v1alpha1", &format!("{COUNT} objects"), "--migrate"] {
        ensure!(refused.stdout.contains(told), "{told:?} is not said:\n{}", refused.stdout);
    }
    ground.nothing_written(mark)?;
    crds(ground, &["apply", &chart, "--yes", "--migrate"])?.with(0)?;
    carried(ground)
}

/// The bridge stands, nothing is moved yet: what a run leaves behind that is cut off.
fn who_breaks_off_on_the_bridge_goes_on(ground: &Ground) -> Result<()> {
    let chart = racks(ground)?;
    bridge_by_hand(ground)?;
    let listed = crds(ground, &["--all"])?.with(0)?;
    ensure!(listed.stdout.contains("v1 (and v1alpha1)"), "{}", listed.stdout);
    run(ground, &chart, &[], &["--yes", "--migrate"])?.with(0)?;
    carried(ground)
}
