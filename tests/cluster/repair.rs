//! States that somebody left behind: each is named and shown first, then mended, and nothing else is touched.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::bridge::{COUNT, RACKS, racks};
use crate::ground::{Ended, Ground, ended};
use crate::journal::{here, journal, says};
use crate::kill::env;
use crate::lock::{locks, newer};
use crate::refusals::{command, pending};
use crate::small::{self, NAMESPACE};
use crate::variants::moved;

pub fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = vec![("repair::each_state_is_named_and_mended", each_state_is_named_and_mended)];
    if env("MURAL_ROLLBACKS").is_some() {
        tests.push(("repair::a_bridge_is_taken_back", a_bridge_is_taken_back));
    }
    tests
}

/// A pending release, a failed one without a deployed revision, a mark, a damaged run: all at once.
fn each_state_is_named_and_mended(ground: &Ground) -> Result<()> {
    let charts = moved::prepared(ground)?;
    let values = small::values(ground)?;
    let args = ["--yes", "--values", &values, "--chart", &charts.app, "--crds-chart", &charts.crds, "--keep-crds"];
    here(ground, &args)?.with(0).context("an upgrade that marks a CRD")?;
    pending(ground, &["--reuse-values"], &charts.app)?;
    failed(ground, "sh.helm.release.v1.mural-crds.v2")?;
    let damaged = json!({"data": {"20200101-000000.json.gz": STANDARD.encode("no gzip")}}).to_string();
    let patch = ["patch", "secret", "mural-journal", "--namespace", NAMESPACE, "--type=merge", "--patch", &damaged];
    ground.run(User::Admin, "kubectl", &patch)?.with(0)?;

    let mark = ground.mark()?;
    let shown = here(ground, &["repair", "--dry-run=server"])?.with(0)?;
    let named = ["release-pending", "release-failed", "keep-left-behind", "journal-damaged", moved::KIND];
    says(&shown, &named)?;
    says(&shown, &["mark revision 3 of mural failed", "mural-crds back to revision 1", "helm.sh/resource-policy-"])?;
    ground.nothing_written(mark)?;
    let mended = here(ground, &["repair", "--yes"])?.with(0)?;
    says(&mended, &["mended"])?;
    ensure!(statuses(ground, "mural")? == ["superseded", "deployed", "failed"], "{:?}", statuses(ground, "mural")?);
    let crds = statuses(ground, "mural-crds")?;
    ensure!(crds.last().is_some_and(|last| last == "deployed"), "{crds:?}");
    let crd = ground.get(&["crd", moved::KIND])?;
    ensure!(crd.pointer("/metadata/annotations/helm.sh~1resource-policy").is_none(), "{}", crd["metadata"]);
    let crates = ground.get(&[moved::KIND, "--namespace", NAMESPACE])?;
    ensure!(crates["items"].as_array().map(Vec::len) == Some(1), "{crates}");
    ensure!(journal(ground)?.unread.is_empty() && locks(ground)?.is_empty(), "left behind: {:?}", locks(ground)?);

    let mark = ground.mark()?;
    let again = here(ground, &["repair", "--yes"])?.with(0)?;
    says(&again, &["nothing to do"])?;
    ground.nothing_written(mark)
}

fn statuses(ground: &Ground, release: &str) -> Result<Vec<String>> {
    let history = ["history", release, "--namespace", NAMESPACE, "--output", "json"];
    let history: Value = serde_json::from_str(&ground.run(User::Admin, "helm", &history)?.with(0)?.stdout)?;
    let all = history.as_array().into_iter().flatten();
    Ok(all.filter_map(|one| one["status"].as_str().map(str::to_owned)).collect())
}

/// A record that helm would have written, had it failed after it had marked the one before as superseded.
fn failed(ground: &Ground, record: &str) -> Result<()> {
    let mut secret = ground.get(&["secret", record, "--namespace", NAMESPACE])?;
    let text = secret["data"]["release"].as_str().context("no record")?.to_owned();
    let mut release = String::new();
    flate2::read::GzDecoder::new(&*STANDARD.decode(STANDARD.decode(text)?)?).read_to_string(&mut release)?;
    let mut release: Value = serde_json::from_str(&release)?;
    release["info"]["status"] = "failed".into();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(release.to_string().as_bytes())?;
    secret["data"]["release"] = STANDARD.encode(STANDARD.encode(packer.finish()?)).into();
    secret["metadata"]["labels"]["status"] = "failed".into();
    ground.run_with(User::Admin, "kubectl", &["replace", "--filename", "-"], &secret.to_string(), &[])?.with(0)?;
    Ok(())
}

/// Killed when the bridge stands, and given up: the objects go back to the old version, and the CRD is the old one again.
fn a_bridge_is_taken_back(ground: &Ground) -> Result<()> {
    let chart = racks(ground)?;
    let before = ground.get(&["crd", RACKS])?["spec"].clone();
    let to: Vec<&str> = newer(&[]).into_iter().take(2).collect();
    let flags = [&to[..], &["--crds-chart", &chart, "--yes", "--migrate"]].concat();
    let mut run = command(ground, User::Operator, &[], &flags)?;
    let mut run = run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let bridge = within(60, || {
        Ok(ground.get(&["crd", RACKS])?["spec"]["versions"].as_array().is_some_and(|versions| versions.len() == 2))
    });
    run.kill().and_then(|()| run.wait()).context("the run")?;
    bridge.context("the bridge")?;

    says(&here(ground, &["repair", "--dry-run=server"])?, &["bridge-left-standing", "resume goes on over it"])?;
    let back = here(ground, &["rollback", "--yes"])?.with(0)?;
    says(&back, &["they would be unreadable", "kubectl mural upgrade repair moves them back", "stay so"])?;
    // The cluster's own migration, once asked for, goes on by itself: while it does, no version may go.
    let mut mended: Option<Ended> = None;
    within(120, || {
        let ended = here(ground, &["repair", "--yes"])?;
        let over = ended.code != 5;
        ensure!(over || ended.all().contains("storage-migrating"), "{}", ended.all());
        mended = Some(ended);
        Ok(over)
    })?;
    says(&mended.context("no repair")?.with(0)?, &["bridge-left-standing", "stored as v1alpha1", "mended"])?;
    let crd = ground.get(&["crd", RACKS])?;
    ensure!(crd["spec"] == before, "{}", crd["spec"]);
    ensure!(crd["status"]["storedVersions"] == json!(["v1alpha1"]), "{}", crd["status"]);
    let racks = ground.get(&[RACKS, "--namespace", NAMESPACE])?;
    let items = racks["items"].as_array().context("items")?;
    ensure!(items.len() == COUNT, "{} racks", items.len());
    for rack in items {
        let name = rack["metadata"]["name"].as_str().unwrap_or_default();
        ensure!(format!("rack-{}", rack["spec"]["size"]) == name, "{name} holds {}", rack["spec"]);
    }
    says(&here(ground, &["repair", "--yes"])?.with(0)?, &["nothing to do"])?;
    // And forward again, as if nothing had been.
    let forward = ended(command(ground, User::Operator, &[], &flags)?.output()?)?;
    forward.with(0).context("the upgrade after all").map(drop)
}

fn within(seconds: u64, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !holds()? {
        ensure!(began.elapsed() < Duration::from_secs(seconds), "not within {seconds}s");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
