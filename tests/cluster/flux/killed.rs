//! A run that died while it held the application: `status` tells it, the next run, `resume` and `repair` each end it.

use std::process::Stdio;

use anyhow::{Result, ensure};
use mural_tests::flux as page;
use serde_json::Value;

use super::{at, command, crds_are_new, helm_release, newer, older, patch, upgrade, within};
use crate::ground::{Ground, ended};

/// What nothing in the registry answers to but the installed version: it could move by itself, and does not.
const RANGE: &str = r#"{"spec":{"ref":{"semver":"1.1.0-rc.0 || >9.0.0"}}}"#;
/// As a run leaves it that died right after its first patch.
const HELD: &str = r#"{"metadata":{"annotations":{"mural.dev/held-by-run":"20261101-1"}},"spec":{"suspend":true}}"#;

pub fn while_held(ground: &Ground) -> Result<()> {
    let (ground, _turn) = ground.flux();
    older(ground)?;
    patch(ground, "ocirepository", "mural", RANGE)?;
    page::ready(ground.sandbox()?, "mural")?;
    patch(ground, "helmrelease", "mural", HELD)?;
    mended(ground)?;
    killed(ground)?;
    let run = told(ground)?;
    let next = upgrade(ground, &["resume"], &["--yes", "--wait-for-lock", "60s"])?.with(0)?;
    for told in ["left suspended", &run, "upgraded"] {
        ensure!(next.all().contains(told), "does not tell {told:?}:\n{}", next.all());
    }
    let_go(ground)?;
    ensure!(at(ground, "mural")?.starts_with("1.1.0-rc.3") && crds_are_new(ground)?, "{}", next.all());
    Ok(())
}

/// Kills an upgrade as soon as it holds the application.
fn killed(ground: &Ground) -> Result<()> {
    let mut child = command(ground, &[], &newer(&["--yes"]))?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let held = within(40, "the hold", || Ok(helm_release(ground, "mural")?["spec"]["suspend"] == true));
    child.kill()?;
    let said = child.wait_with_output()?;
    held.map_err(|error| error.context(String::from_utf8_lossy(&said.stderr).into_owned()))?;
    ensure!(ended(said).is_err(), "it ended before it was killed");
    ensure!(at(ground, "mural")?.starts_with("1.1.0-rc.0"), "it went on while it was held");
    Ok(())
}

/// `status`: which HelmRelease, by which run, since when, and how it is let go. Gives the run.
fn told(ground: &Ground) -> Result<String> {
    let status = upgrade(ground, &["status"], &["--output", "json"])?.with(0)?;
    let told: Value = serde_json::from_str(&status.stdout)?;
    let held = &told["held"][0];
    let run = held["run"].as_str().unwrap_or_default().to_owned();
    let whole = held["helmRelease"]["name"] == "mural" && held["since"].is_string() && held["leftBehind"] == true;
    ensure!(whole && !run.is_empty(), "{}", status.stdout);
    let text = upgrade(ground, &["status"], &[])?.with(0)?.stdout;
    for part in ["held        HelmRelease mural-system/mural", "by hand: kubectl patch helmrelease mural", "next  "] {
        ensure!(text.contains(part), "does not tell {part:?}:\n{text}");
    }
    Ok(run)
}

/// `repair` lets go what a dead run held, and nothing else moves.
fn mended(ground: &Ground) -> Result<()> {
    ensure!(told(ground)? == "20261101-1", "another run");
    let mark = ground.mark()?;
    let shown = upgrade(ground, &["repair"], &["--dry-run=server"])?.with(0)?;
    ensure!(shown.all().contains("held-left-behind"), "{}", shown.all());
    ground.nothing_written(mark)?;
    let repaired = upgrade(ground, &["repair"], &["--yes"])?.with(0)?;
    ensure!(repaired.all().contains("was suspended by our run 20261101-1"), "{}", repaired.all());
    let_go(ground)?;
    page::ready(ground.sandbox()?, "mural")?;
    ensure!(at(ground, "mural")?.starts_with("1.1.0-rc.0") && !crds_are_new(ground)?, "{}", repaired.all());
    Ok(())
}

fn let_go(ground: &Ground) -> Result<()> {
    let release = helm_release(ground, "mural")?;
    let left = release.pointer("/metadata/annotations").is_some_and(|all| all.to_string().contains("held-by-run"));
    ensure!(release["spec"].get("suspend").is_none_or(|held| held != true) && !left, "left behind: {release}");
    Ok(())
}
