//! Upgrades that must be refused: the exit code and the message are right, and nothing is written.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;

use crate::Test;
use crate::small::{self, NAMESPACE, NEWER};
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("refusals::an_unknown_version", an_unknown_version),
    ("refusals::a_downgrade", a_downgrade),
    ("refusals::nothing_installed", nothing_installed),
    ("refusals::a_chart_that_helm_refuses", a_chart_that_helm_refuses),
    ("refusals::a_crd_that_the_server_refuses", a_crd_that_the_server_refuses),
    ("refusals::the_application_without_its_crds", the_application_without_its_crds),
    ("refusals::a_user_without_write_permission", a_user_without_write_permission),
    ("refusals::a_pending_release", a_pending_release),
];

/// An upgrade (or its `plan`) with these flags, from the registry's charts.
pub fn upgrade(test_cluster: &TestCluster, user: User, command: &[&str], flags: &[&str]) -> Result<CommandOutput> {
    test_cluster.run(
        user,
        "kubectl-mural-upgrade",
        &upgrade_args(test_cluster, command, flags)?.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

/// The same, not started yet.
pub fn command(
    test_cluster: &TestCluster,
    user: User,
    command: &[&str],
    flags: &[&str],
) -> Result<std::process::Command> {
    let line = upgrade_args(test_cluster, command, flags)?;
    let mut command = test_cluster.command(user, "kubectl-mural-upgrade")?;
    command.args(line);
    Ok(command)
}

fn upgrade_args(test_cluster: &TestCluster, command: &[&str], flags: &[&str]) -> Result<Vec<String>> {
    let charts = small::charts(test_cluster)?;
    let values = small::values(test_cluster)?;
    let mut args: Vec<&str> = [command, &["--plain-http", "--values", &values]].concat();
    // A chart flag of the test replaces the registry's chart.
    let named = charts.iter().filter(|(flag, _)| !flags.contains(flag));
    args.extend(named.flat_map(|(flag, chart)| [*flag, chart.as_str()]));
    args.extend(flags);
    Ok(args.into_iter().map(str::to_owned).collect())
}

/// Makes sure that the run is refused: the exit code, these texts, no secret, no write.
fn ensure_refused(test_cluster: &TestCluster, flags: &[&str], code: i32, words: &[&str]) -> Result<()> {
    let mark = test_cluster.mark()?;
    let ended = upgrade(test_cluster, User::Operator, &[], flags)?;
    let all = ended.all_text();
    test_cluster.ensure_nothing_written(mark)?;
    let ended = ended.expect_code(code)?;
    for word in words {
        ensure!(all.contains(word), "does not say {word:?}:\n{all}");
    }
    ensure!(!all.contains(small::CANARY), "tells a secret:\n{all}");
    ensure!(ended.stderr.lines().all(|line| !line.contains("panicked")), "{all}");
    Ok(())
}

fn an_unknown_version(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    ensure_refused(test_cluster, &["--yes", "--to", "9.9.9"], 64, &["9.9.9", "1.1.0-rc.3"])
}

fn a_downgrade(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let chart = small::app(test_cluster, "1.0.0")?.display().to_string();
    ensure_refused(test_cluster, &["--yes", "--chart", &chart], 5, &["no-downgrade", "1.0.0", "--allow-downgrade"])
}

fn nothing_installed(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let elsewhere = ["--yes", "--to", "1.1.0-rc.3", "--crds", "0.7.4", "--namespace", "default"];
    ensure_refused(test_cluster, &elsewhere, 5, &["installed", "default", "mural"])?;
    let nowhere = ["--yes", "--to", "1.1.0-rc.3", "--crds", "0.7.4", "--namespace", "none"];
    ensure_refused(test_cluster, &nowhere, 5, &["installed", "none", "does not exist"])
}

fn a_chart_that_helm_refuses(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let folder = small::app(test_cluster, "1.1.0-rc.4")?;
    std::fs::write(folder.join("templates/broken.yaml"), "a: {{ .Values.none.of.it }}\n")?;
    let chart = folder.display().to_string();
    ensure_refused(test_cluster, &["--yes", "--chart", &chart], 1, &["1.1.0-rc.4", "broken.yaml"])
}

fn a_crd_that_the_server_refuses(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let folder = small::crds(test_cluster, "0.7.5")?;
    let pools = std::fs::read_to_string(folder.join("crds/pools.yaml"))?;
    std::fs::write(folder.join("crds/pools.yaml"), pools.replace("scope: Namespaced", "scope: Cluster"))?;
    let chart = folder.display().to_string();
    ensure_refused(
        test_cluster,
        &["--yes", "--crds-chart", &chart],
        5,
        &["crds-dry-run", "pools.small.example.com", "immutable"],
    )
}

fn the_application_without_its_crds(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    ensure_refused(test_cluster, &["--yes", "--to", "1.1.0-rc.3"], 5, &["application-crds-served", "Gadget", "--crds"])
}

fn a_user_without_write_permission(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let mark = test_cluster.mark()?;
    let flags: Vec<&str> = NEWER.iter().flat_map(|(flag, value)| [*flag, *value]).chain(["--yes"]).collect();
    let ended = upgrade(test_cluster, User::Viewer, &[], &flags)?;
    ensure!([3, 5].contains(&ended.code), "exit code {}\n{}", ended.code, ended.all_text());
    ensure!(ended.all_text().contains("forbidden"), "{}", ended.all_text());
    let log = test_cluster.entries_since(mark)?;
    let tried = mural_tests::audit::writes_by(&log, "viewer");
    ensure!(tried.is_empty(), "tried to write: {tried:?}");
    Ok(())
}

fn a_pending_release(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let chart = small::app(test_cluster, "1.1.0-rc.0")?.display().to_string();
    leave_pending_release(test_cluster, &[], &chart)?;
    let flags: Vec<&str> = NEWER.iter().flat_map(|(flag, value)| [*flag, *value]).chain(["--yes"]).collect();
    ensure_refused(test_cluster, &flags, 5, &["release-not-pending", "pending-upgrade"])
}

/// The pods wait for a node that does not exist. helm is killed and leaves the revision pending.
pub fn leave_pending_release(test_cluster: &TestCluster, flags: &[&str], chart: &str) -> Result<()> {
    let args = ["upgrade", "mural", chart, "--namespace", NAMESPACE, "--set", "node=none", "--wait"];
    let mut helm = test_cluster.command(User::Admin, "helm")?;
    let helm = helm.args(args).args(flags).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut helm = helm.spawn()?;
    let pending = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let list = test_cluster.get(&["secrets", "--namespace", NAMESPACE, "--selector", "status=pending-upgrade"]);
        list.is_ok_and(|list| list["items"].as_array().is_some_and(|items| !items.is_empty()))
    });
    helm.kill().and_then(|()| helm.wait()).context("helm")?;
    ensure!(pending, "helm did not begin within 10 s");
    Ok(())
}
