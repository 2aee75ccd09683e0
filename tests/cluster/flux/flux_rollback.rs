//! A rollback of an installation that Flux manages.

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;

use super::{crds_are_new, deployed_version, install_older, newer_flags, upgrade};
use crate::test_cluster::{TestCluster, to_command_output};

/// `rollback` is refused with commands. Run as printed, they roll back the application first, then the CRDs.
pub fn goes_back(test_cluster: &TestCluster) -> Result<()> {
    let (test_cluster, _turn) = test_cluster.flux_cluster();
    install_older(test_cluster)?;
    upgrade(test_cluster, &[], &newer_flags(&["--yes"]))?.expect_code(0).context("the upgrade")?;
    let mark = test_cluster.mark()?;
    let refused = upgrade(test_cluster, &["rollback"], &["--yes"])?.expect_code(5)?;
    test_cluster.ensure_nothing_written(mark)?;
    let named: Vec<&str> =
        refused.stderr.lines().filter_map(|line| Some(line.split_once("kubectl mural upgrade ")?.1.trim())).collect();
    ensure!(named.len() == 2 && named[0].contains("--to 1.1.0-rc.0") && named[1].contains("--crds 0.7.1"), "{named:?}");
    for (done, line) in named.iter().enumerate() {
        let words: Vec<&str> = line.split_whitespace().chain(["--yes"]).collect();
        let mut command = test_cluster.command(User::Operator, "kubectl-mural-upgrade")?;
        to_command_output(command.args(&words).output()?)?.expect_code(0).with_context(|| (*line).to_owned())?;
        ensure!(deployed_version(test_cluster, "mural")?.starts_with("1.1.0-rc.0"), "the application is not back");
        ensure!(crds_are_new(test_cluster)? == (done == 0), "after {line}");
    }
    let again = upgrade(test_cluster, &["rollback"], &["--yes"])?;
    ensure!(again.code != 0, "{}", again.all_text());
    Ok(())
}
