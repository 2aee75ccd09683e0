//! Failures after the first write: the run ends in time with the controller's reason, lists what is done and what is
//! not, and says how to continue.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::flux as flux_install;
use mural_tests::plugins;
use mural_tests::sandbox::{Folder, State, User};

use super::{copy_chart_as, crds_are_new, deployed_version, helm_release, install_older, newer_flags, patch, upgrade};
use crate::small::{self, CANARY, NAMESPACE};
use crate::test_cluster::{CommandOutput, TestCluster};

/// Limit for each failure; the timeouts of the runs are a few seconds.
const IN_TIME: Duration = Duration::from_secs(60);

pub fn in_time(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    // Built before the clock runs.
    plugins::folder()?;
    source_controller_stopped(test_cluster)?;
    rolled_back(test_cluster)?;
    drift(test_cluster)?;
    tag_missing_and_registry_gone(test_cluster)
}

/// Makes sure that the run fails in time, with all of these texts.
pub fn fails(test_cluster: &TestCluster, flags: &[&str], told: &[&str]) -> Result<CommandOutput> {
    let began = Instant::now();
    let ended = upgrade(test_cluster, &[], flags)?.expect_code(1).with_context(|| told.join(", "))?;
    ensure!(began.elapsed() < IN_TIME, "took {:?}:\n{}", began.elapsed(), ended.all_text());
    for part in told.iter().chain(&["run the same command again"]) {
        ensure!(ended.all_text().contains(part), "does not tell {part:?}:\n{}", ended.all_text());
    }
    ensure!(!ended.all_text().contains(CANARY), "tells a secret");
    let release = helm_release(test_cluster, "mural")?;
    ensure!(release["spec"].get("suspend").is_none_or(|held| held != true), "left suspended: {}", release["spec"]);
    Ok(ended)
}

/// Runs a closure while a controller is paused.
pub fn while_stopped(test_cluster: &TestCluster, controller: &str, what: impl FnOnce() -> Result<()>) -> Result<()> {
    let state = State::read(&Folder::of(test_cluster.sandbox()?.name())?);
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

/// source-controller does not reconcile the patched source.
fn source_controller_stopped(test_cluster: &TestCluster) -> Result<()> {
    let told = ["source-controller has not observed the change: is it running?", "mural-crds-source"];
    while_stopped(test_cluster, "source-controller", || {
        fails(test_cluster, &newer_flags(&["--yes", "--failure-grace", "5s"]), &told).map(drop)
    })?;
    ensure!(deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.0"), "the application moved");
    Ok(())
}

/// The new application never becomes ready: helm-controller stops after its own timeout and rolls back.
fn rolled_back(test_cluster: &TestCluster) -> Result<()> {
    let impatient = r#"{"spec":{"timeout":"6s","upgrade":{"remediation":{"remediateLastFailure":true}}}}"#;
    patch(test_cluster, "helmrelease", "mural", impatient)?;
    flux_install::ready(test_cluster.sandbox()?, "mural")?;
    let values = test_cluster.files().join("nowhere.yaml");
    std::fs::write(&values, format!("password: {CANARY}\nnode: nowhere\n"))?;
    let file = values.display().to_string();
    let told = ["HelmRelease mural-system/mural: ", "RetriesExceeded", "rolled back to 1.1.0-rc.0+"];
    fails(test_cluster, &newer_flags(&["--yes", "--values", &file]), &told)?;
    ensure!(crds_are_new(test_cluster)?, "the CRDs came first");
    // Now such a node exists, and the run is resumed.
    test_cluster.run(User::Admin, "kubectl", &["label", "nodes", "--all", "node=nowhere"])?.expect_code(0)?;
    let resumed =
        upgrade(test_cluster, &["resume"], &["--yes", "--values", &file])?.expect_code(0).context("resume")?;
    ensure!(deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.3"), "{}", resumed.all_text());
    Ok(())
}

/// helm-controller corrects drift during an upgrade: a manual change is reported before, and is gone after.
fn drift(test_cluster: &TestCluster) -> Result<()> {
    let values = test_cluster.files().join("anywhere.yaml");
    std::fs::write(&values, format!("password: {CANARY}\n"))?;
    patch(test_cluster, "helmrelease", "mural", r#"{"spec":{"timeout":"60s","driftDetection":{"mode":"enabled"}}}"#)?;
    let scale = ["scale", "deployment/canvas", "--replicas=5", "--namespace", NAMESPACE];
    test_cluster.run(User::Admin, "kubectl", &scale)?.expect_code(0)?;
    let file = values.display().to_string();
    let done = upgrade(test_cluster, &[], &newer_flags(&["--yes", "--values", &file]))?
        .expect_code(0)
        .context("once it can be ready")?;
    ensure!(deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.3"), "{}", done.all_text());
    let replicas = &test_cluster.get(&["deployment", "canvas", "--namespace", NAMESPACE])?["spec"]["replicas"];
    ensure!(*replicas == 2, "{replicas} replicas:\n{}", done.all_text());
    Ok(())
}

/// A chart that exists on this workstation only, not in the registry of source-controller.
fn tag_missing_and_registry_gone(test_cluster: &TestCluster) -> Result<()> {
    let unpushed = copy_chart_as(test_cluster, &small::crds(test_cluster, "0.7.4")?, "mural-crds", "0.7.6")?;
    let file = small::pack(test_cluster, &unpushed)?;
    let flags = ["--crds-chart", &file, "--yes", "--failure-grace", "4s"];
    fails(test_cluster, &flags, &["OCIRepository mural-system/mural-crds: ", "no match found for semver: 0.7.6"])?;
    patch(test_cluster, "ocirepository", "mural-crds", r#"{"spec":{"url":"oci://127.0.0.1:1/mural/mural-crds"}}"#)?;
    fails(test_cluster, &flags, &["OCIRepository mural-system/mural-crds: ", "connection refused"])?;
    Ok(())
}
