//! A run that was killed while the HelmRelease was suspended: `status` reports it, and a new run, `resume` and `repair`
//! each resume the HelmRelease.

use std::process::Stdio;

use anyhow::{Result, ensure};
use mural_tests::flux as flux_install;
use serde_json::Value;

use super::{
    command, crds_are_new, deployed_version, helm_release, install_older, newer_flags, patch, upgrade, wait_within,
};
use crate::test_cluster::{TestCluster, to_command_output};

/// A version range that only the installed version satisfies, so the source stays where it is.
const RANGE: &str = r#"{"spec":{"ref":{"semver":"1.1.0-rc.0 || >9.0.0"}}}"#;
/// The patch that a run leaves if it dies right after it.
const SUSPENDED_BY_RUN_PATCH: &str =
    r#"{"metadata":{"annotations":{"mural.dev/suspended-by-run":"20261101-1"}},"spec":{"suspend":true}}"#;

pub fn while_held(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    patch(test_cluster, "ocirepository", "mural", RANGE)?;
    flux_install::ready(test_cluster.sandbox()?, "mural")?;
    patch(test_cluster, "helmrelease", "mural", SUSPENDED_BY_RUN_PATCH)?;
    repair_resumes(test_cluster)?;
    kill_while_suspended(test_cluster)?;
    let run = read_suspending_run(test_cluster)?;
    let next = upgrade(test_cluster, &["resume"], &["--yes", "--wait-for-lock", "60s"])?.expect_code(0)?;
    for told in ["left suspended", &run, "upgraded"] {
        ensure!(next.all_text().contains(told), "does not tell {told:?}:\n{}", next.all_text());
    }
    ensure_resumed(test_cluster)?;
    ensure!(
        deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.3") && crds_are_new(test_cluster)?,
        "{}",
        next.all_text()
    );
    Ok(())
}

/// Kills an upgrade as soon as it has suspended the application's HelmRelease.
fn kill_while_suspended(test_cluster: &TestCluster) -> Result<()> {
    let mut child =
        command(test_cluster, &[], &newer_flags(&["--yes"]))?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let held = wait_within(40, "the hold", || Ok(helm_release(test_cluster, "mural")?["spec"]["suspend"] == true));
    child.kill()?;
    let said = child.wait_with_output()?;
    held.map_err(|error| error.context(String::from_utf8_lossy(&said.stderr).into_owned()))?;
    ensure!(to_command_output(said).is_err(), "it ended before it was killed");
    ensure!(deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.0"), "it went on while it was held");
    Ok(())
}

/// Checks what `status` says about the suspended HelmRelease: the run, the time, and the command that resumes it.
/// Returns the run.
fn read_suspending_run(test_cluster: &TestCluster) -> Result<String> {
    let status = upgrade(test_cluster, &["status"], &["--output", "json"])?.expect_code(0)?;
    let status_json: Value = serde_json::from_str(&status.stdout)?;
    let suspended = &status_json["suspendedReleases"][0];
    let run = suspended["run"].as_str().unwrap_or_default().to_owned();
    let whole = suspended["helmRelease"]["name"] == "mural"
        && suspended["suspendedAt"].is_string()
        && suspended["isOrphaned"] == true;
    ensure!(whole && !run.is_empty(), "{}", status.stdout);
    let text = upgrade(test_cluster, &["status"], &[])?.expect_code(0)?.stdout;
    for part in ["suspended   HelmRelease mural-system/mural", "no run is alive that resumes it", "next  "] {
        ensure!(text.contains(part), "does not tell {part:?}:\n{text}");
    }
    Ok(run)
}

/// `repair` resumes the HelmRelease that a dead run suspended, and changes nothing else.
fn repair_resumes(test_cluster: &TestCluster) -> Result<()> {
    ensure!(read_suspending_run(test_cluster)? == "20261101-1", "another run");
    let mark = test_cluster.mark()?;
    let preview = upgrade(test_cluster, &["repair"], &["--dry-run=server"])?.expect_code(0)?;
    ensure!(preview.all_text().contains("helmrelease-suspended"), "{}", preview.all_text());
    test_cluster.ensure_nothing_written(mark)?;
    let repaired = upgrade(test_cluster, &["repair"], &["--yes"])?.expect_code(0)?;
    ensure!(repaired.all_text().contains("was suspended by run 20261101-1"), "{}", repaired.all_text());
    ensure_resumed(test_cluster)?;
    flux_install::ready(test_cluster.sandbox()?, "mural")?;
    ensure!(
        deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.0") && !crds_are_new(test_cluster)?,
        "{}",
        repaired.all_text()
    );
    Ok(())
}

fn ensure_resumed(test_cluster: &TestCluster) -> Result<()> {
    let release = helm_release(test_cluster, "mural")?;
    let left = release.pointer("/metadata/annotations").is_some_and(|all| all.to_string().contains("suspended-by-run"));
    ensure!(release["spec"].get("suspend").is_none_or(|held| held != true) && !left, "left behind: {release}");
    Ok(())
}
