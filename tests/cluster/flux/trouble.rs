//! What goes wrong after the first write ends in time, with its own reason, with what is done and what is not; and what mends it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::flux as page;
use mural_tests::plugins;
use mural_tests::sandbox::{Folder, State, User};

use super::{at, crds_are_new, helm_release, newer, older, patch, renamed, upgrade};
use crate::ground::{Ended, Ground};
use crate::small::{self, CANARY, NAMESPACE};

/// No trouble here may last longer: the patience is a few seconds.
const IN_TIME: Duration = Duration::from_secs(60);

pub fn in_time(ground: &Ground) -> Result<()> {
    let (ground, _turn) = ground.flux();
    older(ground)?;
    // Built before the clock runs.
    plugins::folder()?;
    source_controller_stopped(ground)?;
    rolled_back(ground)?;
    drift(ground)?;
    tag_missing_and_registry_gone(ground)
}

/// It fails in time, and tells all of this.
pub fn fails(ground: &Ground, flags: &[&str], told: &[&str]) -> Result<Ended> {
    let began = Instant::now();
    let ended = upgrade(ground, &[], flags)?.with(1).with_context(|| told.join(", "))?;
    ensure!(began.elapsed() < IN_TIME, "took {:?}:\n{}", began.elapsed(), ended.all());
    for part in told.iter().chain(&["run the same command again"]) {
        ensure!(ended.all().contains(part), "does not tell {part:?}:\n{}", ended.all());
    }
    ensure!(!ended.all().contains(CANARY), "tells a secret");
    let release = helm_release(ground, "mural")?;
    ensure!(release["spec"].get("suspend").is_none_or(|held| held != true), "left suspended: {}", release["spec"]);
    Ok(ended)
}

/// Does something while a controller stands still.
pub fn while_stopped(ground: &Ground, controller: &str, what: impl FnOnce() -> Result<()>) -> Result<()> {
    let state = State::read(&Folder::of(ground.sandbox()?.name())?);
    let process = state.children.get(controller).with_context(|| format!("{controller} runs"))?.to_string();
    let signal = |signal: &str| -> Result<()> {
        ensure!(std::process::Command::new("kill").args([signal, &process]).status()?.success(), "kill {signal}");
        Ok(())
    };
    signal("-STOP")?;
    let done = what();
    signal("-CONT")?;
    done
}

/// Nobody looks at the patched source.
fn source_controller_stopped(ground: &Ground) -> Result<()> {
    let told = ["source-controller has not looked at the change: does it run?", "mural-crds-source"];
    while_stopped(ground, "source-controller", || {
        fails(ground, &newer(&["--yes", "--failure-grace", "5s"]), &told).map(drop)
    })?;
    ensure!(at(ground, "mural")?.starts_with("1.1.0-rc.0"), "the application moved");
    Ok(())
}

/// The new application never gets ready: helm-controller gives up after its own timeout, and goes back.
fn rolled_back(ground: &Ground) -> Result<()> {
    let impatient = r#"{"spec":{"timeout":"6s","upgrade":{"remediation":{"remediateLastFailure":true}}}}"#;
    patch(ground, "helmrelease", "mural", impatient)?;
    page::ready(ground.sandbox()?, "mural")?;
    let values = ground.files().join("nowhere.yaml");
    std::fs::write(&values, format!("password: {CANARY}\nnode: nowhere\n"))?;
    let file = values.display().to_string();
    let told = ["HelmRelease mural-system/mural: ", "RetriesExceeded", "went back to 1.1.0-rc.0+"];
    fails(ground, &newer(&["--yes", "--values", &file]), &told)?;
    ensure!(crds_are_new(ground)?, "the CRDs came first");
    // Now there is such a node, and the run is gone on from as it was.
    ground.run(User::Admin, "kubectl", &["label", "nodes", "--all", "node=nowhere"])?.with(0)?;
    let resumed = upgrade(ground, &["resume"], &["--yes", "--values", &file])?.with(0).context("resume")?;
    ensure!(at(ground, "mural")?.starts_with("1.1.0-rc.3"), "{}", resumed.all());
    Ok(())
}

/// helm-controller corrects drift while it upgrades: what was changed by hand is told before, and gone after.
fn drift(ground: &Ground) -> Result<()> {
    let values = ground.files().join("anywhere.yaml");
    std::fs::write(&values, format!("password: {CANARY}\n"))?;
    patch(ground, "helmrelease", "mural", r#"{"spec":{"timeout":"60s","driftDetection":{"mode":"enabled"}}}"#)?;
    let scale = ["scale", "deployment/canvas", "--replicas=5", "--namespace", NAMESPACE];
    ground.run(User::Admin, "kubectl", &scale)?.with(0)?;
    let file = values.display().to_string();
    let done = upgrade(ground, &[], &newer(&["--yes", "--values", &file]))?.with(0).context("once it can be ready")?;
    ensure!(at(ground, "mural")?.starts_with("1.1.0-rc.3"), "{}", done.all());
    let replicas = &ground.get(&["deployment", "canvas", "--namespace", NAMESPACE])?["spec"]["replicas"];
    ensure!(*replicas == 2, "{replicas} replicas:\n{}", done.all());
    Ok(())
}

/// What is on this workstation and not where source-controller looks for it.
fn tag_missing_and_registry_gone(ground: &Ground) -> Result<()> {
    let unpushed = renamed(ground, &small::crds(ground, "0.7.4")?, "mural-crds", "0.7.6")?;
    let file = small::pack(ground, &unpushed)?;
    let flags = ["--crds-chart", &file, "--yes", "--failure-grace", "4s"];
    fails(ground, &flags, &["OCIRepository mural-system/mural-crds: ", "no match found for semver: 0.7.6"])?;
    patch(ground, "ocirepository", "mural-crds", r#"{"spec":{"url":"oci://127.0.0.1:1/mural/mural-crds"}}"#)?;
    fails(ground, &flags, &["OCIRepository mural-system/mural-crds: ", "connection refused"])?;
    Ok(())
}
