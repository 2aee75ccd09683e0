//! An upgrade of the sample installation, which has the product's size: 42 CRDs, workloads, webhooks, hooks and volume
//! claims.

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::charts;
use mural_tests::install::{self, NAMESPACE};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[("sample::the_newer_pair_in_the_right_order", the_newer_pair_in_the_right_order)];

/// Runs `kubectl mural upgrade` to the newer pair, with the flags of the demo.
fn upgrade(test_cluster: &TestCluster, words: &[&str], flags: &[&str]) -> Result<CommandOutput> {
    crate::test_cluster::to_command_output(command(test_cluster, words, flags)?.output()?)
}

/// The same, not started yet.
pub fn command(test_cluster: &TestCluster, command: &[&str], flags: &[&str]) -> Result<std::process::Command> {
    let registry = test_cluster.sandbox()?.registry();
    let (crds, app) = charts::PAIRS[1];
    let [chart, crds_chart] = ["mural", "mural-crds"].map(|name| format!("oci://{registry}/mural/{name}"));
    let values = charts::values_file().display().to_string();
    let hooks = install::webhook_values(test_cluster.sandbox()?)?;
    let mut args = command.to_vec();
    args.extend(["--plain-http", "--chart", &chart, "--crds-chart", &crds_chart, "--to", app, "--crds", crds]);
    args.extend(["--namespace", NAMESPACE, "--values", &values]);
    args.extend(hooks.iter().flat_map(|value| ["--set", value.as_str()]));
    args.extend(flags);
    let mut upgrade = test_cluster.command(User::Operator, "kubectl-mural-upgrade")?;
    upgrade.args(args);
    Ok(upgrade)
}

/// Waits until everything runs again after a restore.
pub fn ready_again(test_cluster: &TestCluster) -> Result<()> {
    let wait = ["wait", "--for=condition=Available", "deployment", "--all", "--namespace", NAMESPACE, "--timeout=120s"];
    test_cluster.run(User::Admin, "kubectl", &wait)?.expect_code(0)?;
    Ok(())
}

fn the_newer_pair_in_the_right_order(test_cluster: &TestCluster) -> Result<()> {
    install::install(test_cluster.sandbox()?, &install::Args::default())?;
    let mark = test_cluster.mark()?;
    upgrade(test_cluster, &["plan"], &[])?.expect_code(2).context("plan")?;
    test_cluster.ensure_nothing_written(mark)?;
    let done = upgrade(test_cluster, &[], &["--yes", "--output", "json"])?.expect_code(0).context("the upgrade")?;
    let report: Value = serde_json::from_str(&done.stdout)?;
    ensure!(report["outcome"] == "succeeded", "{}", report["outcome"]);

    let log = test_cluster.entries_since(mark)?;
    let (writes, dry_runs) = (audit::writes_by(&log, "operator"), audit::dry_runs_by(&log, "operator"));
    audit::all_before(&dry_runs, &writes).context("dry-runs, then writes")?;
    audit::crds_first(&writes, |entry| !entry.is_record_of("mural-crds")).context("CRDs, then the application")?;

    let crds = ours(test_cluster)?;
    ensure!(crds == charts::CRDS, "{crds} CRDs instead of {}", charts::CRDS);
    let secrets = secrets()?;
    no_secret(&secrets, &done)?;
    let mark = test_cluster.mark()?;
    let again = upgrade(test_cluster, &[], &["--yes"])?.expect_code(0).context("the second run")?;
    ensure!(again.stdout.contains("nothing to do"), "{}", again.all_text());
    no_secret(&secrets, &again)?;
    test_cluster.ensure_nothing_written(mark)?;
    for (release, version) in [("mural", charts::PAIRS[1].1), ("mural-crds", charts::PAIRS[1].0)] {
        let status = ["status", release, "--namespace", NAMESPACE, "--output", "json"];
        let status: Value =
            serde_json::from_str(&test_cluster.run(User::Admin, "helm", &status)?.expect_code(0)?.stdout)?;
        let list = ["list", "--namespace", NAMESPACE, "--output", "json", "--filter", &format!("^{release}$")];
        let list: Value = serde_json::from_str(&test_cluster.run(User::Admin, "helm", &list)?.expect_code(0)?.stdout)?;
        ensure!(status["info"]["status"] == "deployed" && list[0]["chart"] == format!("{release}-{version}"), "{list}");
    }
    let pods = test_cluster.get(&["pods", "--namespace", NAMESPACE])?;
    let unready: Vec<&Value> = pods["items"].as_array().into_iter().flatten().filter(|pod| !ready(pod)).collect();
    ensure!(unready.is_empty(), "pods are not ready: {unready:?}");
    Ok(())
}

fn ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    pod["status"]["phase"] == "Succeeded" || conditions.is_some_and(|conditions| conditions.iter().any(is_ready))
}

/// CRDs of the chart's groups on the cluster.
fn ours(test_cluster: &TestCluster) -> Result<usize> {
    let groups = ["spectrocloud.com", "fluxcd.io", "open-cluster-management.io"];
    let crds = test_cluster.get(&["crd"])?;
    let names = crds["items"].as_array().into_iter().flatten().filter_map(|crd| crd["metadata"]["name"].as_str());
    Ok(names.filter(|name| groups.iter().any(|group| name.ends_with(group))).count())
}

/// The recognisable secrets among the sample operator's values.
fn secrets() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(charts::values_file())?;
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let secrets: Vec<String> = words.filter(|word| word.starts_with("canary-")).map(str::to_owned).collect();
    ensure!(secrets.len() >= 5, "no secrets among the sample values: the test would prove nothing");
    Ok(secrets)
}

fn no_secret(secrets: &[String], ended: &CommandOutput) -> Result<()> {
    let all = ended.all_text();
    let told = secrets.iter().filter(|secret| all.contains(*secret)).count();
    ensure!(told == 0, "{told} of {} secrets are shown:\n{all}", secrets.len());
    Ok(())
}
