//! Going back where Flux keeps the releases.

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;

use super::{at, crds_are_new, newer, older, upgrade};
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
