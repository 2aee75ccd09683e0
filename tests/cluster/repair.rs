//! `kubectl mural upgrade repair`: each issue is reported first, then fixed, and nothing else is written.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::journal::{ensure_says, read_journal, run_here};
use crate::kill::env;
use crate::lock::{lock_names, newer_flags};
use crate::refusals::{command, leave_pending_release};
use crate::small::{self, NAMESPACE};
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};
use crate::transitional_crd::{COUNT, RACKS, racks};
use crate::variants::crd_out_of_templates;

pub fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = vec![("repair::each_issue_is_reported_and_fixed", each_issue_is_reported_and_fixed)];
    if env("MURAL_ROLLBACKS").is_some() {
        tests.push(("repair::a_transitional_crd_is_removed", a_transitional_crd_is_removed));
    }
    tests
}

/// A pending release, a failed one without a deployed revision, a keep annotation and a damaged run, all at the same
/// time.
fn each_issue_is_reported_and_fixed(test_cluster: &TestCluster) -> Result<()> {
    let charts = crd_out_of_templates::prepared(test_cluster)?;
    let values = small::values(test_cluster)?;
    let args = ["--yes", "--values", &values, "--chart", &charts.app, "--crds-chart", &charts.crds, "--keep-crds"];
    run_here(test_cluster, &args)?.expect_code(0).context("an upgrade that marks a CRD")?;
    leave_pending_release(test_cluster, &["--reuse-values"], &charts.app)?;
    failed(test_cluster, "sh.helm.release.v1.mural-crds.v2")?;
    let damaged = json!({"data": {"20200101-000000.json.gz": STANDARD.encode("no gzip")}}).to_string();
    let patch = ["patch", "secret", "mural-journal", "--namespace", NAMESPACE, "--type=merge", "--patch", &damaged];
    test_cluster.run(User::Admin, "kubectl", &patch)?.expect_code(0)?;

    let mark = test_cluster.mark()?;
    let shown = run_here(test_cluster, &["repair", "--dry-run=server"])?.expect_code(0)?;
    let named =
        ["release-pending", "release-failed", "keep-annotation-left", "journal-damaged", crd_out_of_templates::KIND];
    ensure_says(&shown, &named)?;
    ensure_says(
        &shown,
        &["mark revision 3 of mural failed", "mural-crds back to revision 1", "helm.sh/resource-policy-"],
    )?;
    test_cluster.ensure_nothing_written(mark)?;
    let mended = run_here(test_cluster, &["repair", "--yes"])?.expect_code(0)?;
    ensure_says(&mended, &["fixed"])?;
    ensure!(
        statuses(test_cluster, "mural")? == ["superseded", "deployed", "failed"],
        "{:?}",
        statuses(test_cluster, "mural")?
    );
    let crds = statuses(test_cluster, "mural-crds")?;
    ensure!(crds.last().is_some_and(|last| last == "deployed"), "{crds:?}");
    let crd = test_cluster.get(&["crd", crd_out_of_templates::KIND])?;
    ensure!(crd.pointer("/metadata/annotations/helm.sh~1resource-policy").is_none(), "{}", crd["metadata"]);
    let crates = test_cluster.get(&[crd_out_of_templates::KIND, "--namespace", NAMESPACE])?;
    ensure!(crates["items"].as_array().map(Vec::len) == Some(1), "{crates}");
    ensure!(
        read_journal(test_cluster)?.unreadable_runs.is_empty() && lock_names(test_cluster)?.is_empty(),
        "left behind: {:?}",
        lock_names(test_cluster)?
    );

    let mark = test_cluster.mark()?;
    let again = run_here(test_cluster, &["repair", "--yes"])?.expect_code(0)?;
    ensure_says(&again, &["nothing to do"])?;
    test_cluster.ensure_nothing_written(mark)
}

fn statuses(test_cluster: &TestCluster, release: &str) -> Result<Vec<String>> {
    let history = ["history", release, "--namespace", NAMESPACE, "--output", "json"];
    let history: Value =
        serde_json::from_str(&test_cluster.run(User::Admin, "helm", &history)?.expect_code(0)?.stdout)?;
    let all = history.as_array().into_iter().flatten();
    Ok(all.filter_map(|one| one["status"].as_str().map(str::to_owned)).collect())
}

/// The record that helm leaves if it fails after it has marked the previous revision as superseded.
fn failed(test_cluster: &TestCluster, record: &str) -> Result<()> {
    let mut secret = test_cluster.get(&["secret", record, "--namespace", NAMESPACE])?;
    let text = secret["data"]["release"].as_str().context("no record")?.to_owned();
    let mut release = String::new();
    flate2::read::GzDecoder::new(&*STANDARD.decode(STANDARD.decode(text)?)?).read_to_string(&mut release)?;
    let mut release: Value = serde_json::from_str(&release)?;
    release["info"]["status"] = "failed".into();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(release.to_string().as_bytes())?;
    secret["data"]["release"] = STANDARD.encode(STANDARD.encode(packer.finish()?)).into();
    secret["metadata"]["labels"]["status"] = "failed".into();
    test_cluster
        .run_with(User::Admin, "kubectl", &["replace", "--filename", "-"], &secret.to_string(), &[])?
        .expect_code(0)?;
    Ok(())
}

/// An upgrade is killed while the transitional CRD exists. `repair` moves the objects back to the old version and
/// restores the CRD.
fn a_transitional_crd_is_removed(test_cluster: &TestCluster) -> Result<()> {
    let chart = racks(test_cluster)?;
    let before = test_cluster.get(&["crd", RACKS])?["spec"].clone();
    let to: Vec<&str> = newer_flags(&[]).into_iter().take(2).collect();
    let flags = [&to[..], &["--crds-chart", &chart, "--yes", "--migrate"]].concat();
    let mut run = command(test_cluster, User::Operator, &[], &flags)?;
    let mut run = run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let bridge = wait_within(60, || {
        Ok(test_cluster.get(&["crd", RACKS])?["spec"]["versions"]
            .as_array()
            .is_some_and(|versions| versions.len() == 2))
    });
    run.kill().and_then(|()| run.wait()).context("the run")?;
    bridge.context("the bridge")?;

    ensure_says(
        &run_here(test_cluster, &["repair", "--dry-run=server"])?,
        &["transitional-crd-left", "run kubectl mural upgrade resume to continue"],
    )?;
    let back = run_here(test_cluster, &["rollback", "--yes"])?.expect_code(0)?;
    ensure_says(&back, &["they would be unreadable", "run kubectl mural upgrade repair afterwards", "stay migrated"])?;
    // The cluster's own migration continues by itself. Until it ends, no version can be removed.
    let mut mended: Option<CommandOutput> = None;
    wait_within(120, || {
        let ended = run_here(test_cluster, &["repair", "--yes"])?;
        let over = ended.code != 5;
        ensure!(over || ended.all_text().contains("storage-migrating"), "{}", ended.all_text());
        mended = Some(ended);
        Ok(over)
    })?;
    ensure_says(
        &mended.context("no repair")?.expect_code(0)?,
        &["transitional-crd-left", "stored as v1alpha1", "fixed"],
    )?;
    let crd = test_cluster.get(&["crd", RACKS])?;
    ensure!(crd["spec"] == before, "{}", crd["spec"]);
    ensure!(crd["status"]["storedVersions"] == json!(["v1alpha1"]), "{}", crd["status"]);
    let racks = test_cluster.get(&[RACKS, "--namespace", NAMESPACE])?;
    let items = racks["items"].as_array().context("items")?;
    ensure!(items.len() == COUNT, "{} racks", items.len());
    for rack in items {
        let name = rack["metadata"]["name"].as_str().unwrap_or_default();
        ensure!(format!("rack-{}", rack["spec"]["size"]) == name, "{name} holds {}", rack["spec"]);
    }
    ensure_says(&run_here(test_cluster, &["repair", "--yes"])?.expect_code(0)?, &["nothing to do"])?;
    // The same upgrade succeeds afterwards.
    let forward = to_command_output(command(test_cluster, User::Operator, &[], &flags)?.output()?)?;
    forward.expect_code(0).context("the upgrade after all").map(drop)
}

fn wait_within(seconds: u64, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !holds()? {
        ensure!(began.elapsed() < Duration::from_secs(seconds), "not within {seconds}s");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
