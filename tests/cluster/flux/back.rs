//! Going back where Flux keeps the releases, and what a dead run has left held.

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;

use super::{at, crds_are_new, helm_release, newer, older, patch, upgrade};
use crate::ground::{Ground, ended};

/// The commands that the refusal of a rollback names are the way back: done as they stand, the application first.
pub fn goes_back(ground: &Ground) -> Result<()> {
    let (ground, _turn) = ground.flux();
    older(ground)?;
    upgrade(ground, &[], &newer(&["--yes"]))?.with(0).context("the upgrade")?;
    let mark = ground.mark()?;
    let refused = upgrade(ground, &["rollback"], &["--yes"])?.with(5)?;
    ground.nothing_written(mark)?;
    let named: Vec<&str> =
        refused.stderr.lines().filter_map(|line| Some(line.split_once("kubectl mural upgrade ")?.1.trim())).collect();
    ensure!(named.len() == 2 && named[0].contains("--to 1.1.0-rc.0") && named[1].contains("--crds 0.7.1"), "{named:?}");
    for (done, line) in named.iter().enumerate() {
        let words: Vec<&str> = line.split_whitespace().chain(["--yes"]).collect();
        let mut command = ground.command(User::Operator, "kubectl-mural-upgrade")?;
        ended(command.args(&words).output()?)?.with(0).with_context(|| (*line).to_owned())?;
        ensure!(at(ground, "mural")?.starts_with("1.1.0-rc.0"), "the application is not back");
        ensure!(crds_are_new(ground)? == (done == 0), "after {line}");
    }
    let again = upgrade(ground, &["rollback"], &["--yes"])?;
    ensure!(again.code != 0, "{}", again.all());
    Ok(())
}

/// A hold that nobody lets go is named, and let go.
pub fn mended(ground: &Ground) -> Result<()> {
    let held = r#"{"metadata":{"annotations":{"mural.dev/held-by-run":"20261126-7"}},"spec":{"suspend":true}}"#;
    patch(ground, "helmrelease", "mural", held)?;
    let mark = ground.mark()?;
    let shown = upgrade(ground, &["repair"], &["--dry-run=server"])?.with(0)?;
    ensure!(shown.all().contains("held-left-behind") && shown.all().contains("20261126-7"), "{}", shown.all());
    ground.nothing_written(mark)?;
    upgrade(ground, &["repair"], &["--yes"])?.with(0)?;
    let release = helm_release(ground, "mural")?;
    let left = release.pointer("/metadata/annotations").is_some_and(|all| all.to_string().contains("held-by-run"));
    ensure!(release["spec"].get("suspend").is_none_or(|held| held != true) && !left, "left behind: {release}");
    Ok(())
}
