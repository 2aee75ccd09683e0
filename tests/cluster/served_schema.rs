//! Verification of the served schema: it fails if another field manager reverts a CRD, and it uses strict dry-runs if
//! the server publishes no OpenAPI documents.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use mural_tests::proxy::{FaultEffect, FaultProxy, FaultRule};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::lock::newer_flags;
use crate::refusals::{command, upgrade};
use crate::small::{CRDS, NAMESPACE};
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};

pub const TESTS: &[Test] = &[
    ("served_schema::a_manager_that_reverts_a_crd_is_reported", a_manager_that_reverts_a_crd_is_reported),
    ("served_schema::without_documents_by_dry_runs", without_documents_by_dry_runs),
];

const POOLS: &str = CRDS[1];

/// The older CRD as another client would apply it.
fn older_pools(test_cluster: &TestCluster) -> Result<String> {
    let live = test_cluster.get(&["crd", POOLS])?;
    let kept = json!({"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": {"name": POOLS}, "spec": live["spec"]});
    Ok(kept.to_string())
}

fn a_manager_that_reverts_a_crd_is_reported(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let older = older_pools(test_cluster)?;
    let mut child = command(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--events", "json"]))?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut reader = BufReader::new(child.stderr.take().context("stderr")?);
    let mut said = String::new();
    while !said.contains(r#""event":"step-done","step":"served""#) {
        ensure!(reader.read_line(&mut said)? > 0, "no CRD was verified:\n{said}");
    }
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager", "gitops", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &apply, &older, &[])?.expect_code(0)?;
    reader.read_to_string(&mut said)?;
    let ended = to_command_output(child.wait_with_output()?)?.expect_code(1)?;
    for word in [
        &format!("CRD {POOLS} was verified"),
        "gitops wrote it",
        "update the CRD in the source of gitops",
        "done      crds, served, record",
    ] {
        ensure!(ended.stdout.contains(word), "does not say {word:?}:\n{}", ended.stdout);
    }
    let history = ["history", "mural", "--namespace", NAMESPACE, "--output", "json"];
    let history: Value =
        serde_json::from_str(&test_cluster.run(User::Admin, "helm", &history)?.expect_code(0)?.stdout)?;
    ensure!(history.as_array().map(Vec::len) == Some(1), "the application was begun: {history}");
    // Once the other client stops, the same command succeeds.
    let again = upgrade(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?.expect_code(0)?;
    let all = again.all_text();
    ensure!(
        all.contains("field ownership: spec.versions of 1 CRD, from field manager gitops"),
        "does not say what is taken from gitops:\n{all}"
    );
    Ok(())
}

/// An upgrade through a proxy.
fn upgrade_through_proxy(test_cluster: &TestCluster, faults: Vec<FaultRule>) -> Result<CommandOutput> {
    let proxy = FaultProxy::start(&test_cluster.sandbox()?.kubeconfig(User::Operator), test_cluster.files())?;
    faults.into_iter().for_each(|fault| proxy.add_fault(fault));
    let mut command = command(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--output", "json"]))?;
    let output = command.env("KUBECONFIG", proxy.kubeconfig()).stdin(Stdio::null()).output()?;
    to_command_output(output)
}

fn served_step_detail(ended: &CommandOutput) -> Result<String> {
    let report: Value = serde_json::from_str(&ended.stdout)?;
    let steps = report["steps"].as_array().context("no steps")?;
    let served = steps.iter().find(|step| step["step"] == "served").context("no step served")?;
    Ok(served["detail"].as_str().unwrap_or_default().to_owned())
}

fn without_documents_by_dry_runs(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let mark = test_cluster.mark()?;
    let forbidden = |path: &str| FaultRule::for_path(path, FaultEffect::Status(403, None)).times(200);
    let ended = upgrade_through_proxy(test_cluster, vec![forbidden("/openapi/v3")])?;
    let ended = ended.expect_code(0)?;
    let told = served_step_detail(&ended)?;
    ensure!(told.contains("by strict dry run"), "{told}");
    let log = test_cluster.entries_since(mark)?;
    let probes =
        mural_tests::audit::dry_runs_by(&log, "operator").into_iter().filter(|entry| entry.resource == "pools").count();
    ensure!(probes > 0, "no dry-run of a pool");
    ensure!(
        test_cluster.get(&["pools", "--namespace", NAMESPACE])?["items"].as_array().map(Vec::len) == Some(1),
        "a probe was written"
    );
    Ok(())
}
