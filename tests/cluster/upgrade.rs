//! A whole upgrade with each version of helm: planned, applied, verified, and repeated with nothing left to do.

use anyhow::{Context, Result, ensure};
use mural_tests::audit::{self, Entry};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::refusals::upgrade as run;
use crate::small::{CANARY, CRDS, NAMESPACE, NEWER};
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("upgrade::with_helm_3_17_2", |test_cluster| whole(test_cluster, "3.17.2")),
    ("upgrade::with_helm_3_22_0", |test_cluster| whole(test_cluster, "3.22.0")),
    ("upgrade::with_helm_4_2_3", |test_cluster| whole(test_cluster, "4.2.3")),
    ("upgrade::with_helm_4_3_1", |test_cluster| whole(test_cluster, "4.3.1")),
];

/// `--to … --crds …` and more.
fn newer_flags<'a>(more: &[&'a str]) -> Vec<&'a str> {
    NEWER.iter().flat_map(|(flag, value)| [*flag, *value]).chain(more.iter().copied()).collect()
}

fn json(ended: &CommandOutput) -> Result<Value> {
    serde_json::from_str(&ended.stdout).with_context(|| format!("no JSON: {}", ended.stdout))
}

fn whole(test_cluster: &TestCluster, helm: &str) -> Result<()> {
    test_cluster.install_older()?;
    test_cluster.use_helm(helm)?;
    let told = [plans_write_nothing(test_cluster)?, once(test_cluster)?, again(test_cluster)?].concat();
    ensure!(!told.contains(CANARY), "shows a secret:\n{told}");
    Ok(())
}

/// `plan` and `--dry-run` write nothing.
fn plans_write_nothing(test_cluster: &TestCluster) -> Result<String> {
    let mark = test_cluster.mark()?;
    let plan = run(test_cluster, User::Operator, &["plan"], &newer_flags(&["--output", "json"]))?
        .expect_code(2)
        .context("plan")?;
    let planned = json(&plan)?;
    ensure!(planned["outcome"] == "planned", "{}", planned["outcome"]);
    let dry = run(test_cluster, User::Operator, &[], &newer_flags(&["--dry-run=server"]))?
        .expect_code(0)
        .context("--dry-run=server")?;
    test_cluster.ensure_nothing_written(mark)?;
    let log = test_cluster.entries_since(mark)?;
    ensure!(!audit::dry_runs_by(&log, "operator").is_empty(), "no dry-runs: the server was not asked");
    Ok(plan.all_text() + &dry.all_text())
}

/// Runs the upgrade, and verifies it by the audit log, helm and kubectl.
fn once(test_cluster: &TestCluster) -> Result<String> {
    let mark = test_cluster.mark()?;
    let report = test_cluster.files().join("report.md").display().to_string();
    let done = run(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--report", &report]))?
        .expect_code(0)
        .context("the upgrade")?;
    in_order(&test_cluster.entries_since(mark)?)?;
    let kept = std::fs::read_to_string(&report)?;
    for line in [
        "# Upgrade ",
        "done and verified",
        "| mural | 1.1.0-rc.0 | 1.1.0-rc.3 | `sha256:",
        "| pools.small.example.com | safe |",
    ] {
        ensure!(kept.contains(line), "does not say {line:?}:\n{kept}");
    }
    for crd in CRDS {
        let versions = &test_cluster.get(&["crd", crd])?["spec"]["versions"];
        let noted = versions.to_string().contains("note");
        ensure!(noted == crd.starts_with("pools"), "{crd} is not the newer chart's: {versions}");
    }
    for (release, version) in [("mural", "1.1.0-rc.3"), ("mural-crds", "0.7.4")] {
        let list = ["list", "--namespace", NAMESPACE, "--output", "json", "--filter", &format!("^{release}$")];
        let list: Value = serde_json::from_str(&test_cluster.run(User::Admin, "helm", &list)?.expect_code(0)?.stdout)?;
        let (status, chart) = (&list[0]["status"], &list[0]["chart"]);
        ensure!(status == "deployed" && *chart == format!("{release}-{version}"), "{list}");
    }
    let canvas = test_cluster.get(&["deployment", "canvas", "--namespace", NAMESPACE])?;
    let image = &canvas["spec"]["template"]["spec"]["containers"][0]["image"];
    ensure!(*image == "example.com/canvas:1.1.0-rc.3" && canvas["status"]["readyReplicas"] == 2, "{canvas}");
    let secret = test_cluster.get(&["secret", "canvas", "--namespace", NAMESPACE])?;
    ensure!(secret["data"]["password"].is_string(), "the values did not arrive");
    Ok(done.all_text() + &kept)
}

/// No write before the last dry-run; every CRD before the record of either release and before every object.
fn in_order(log: &[Entry]) -> Result<()> {
    let (writes, dry_runs) = (audit::writes_by(log, "operator"), audit::dry_runs_by(log, "operator"));
    audit::all_before(&dry_runs, &writes).context("dry-runs, then writes")?;
    audit::crds_first(&writes, |entry| !entry.is_record_of("mural-crds")).context("CRDs, then the application")?;
    let crds: Vec<&str> = writes.iter().filter(|entry| entry.is_crd()).map(|entry| entry.name.as_str()).collect();
    ensure!(!crds.contains(&"widgets.small.example.com"), "the unchanged CRD was written: {crds:?}");
    ensure!(writes.iter().all(|entry| entry.succeeded()), "refused writes: {writes:?}");
    Ok(())
}

/// A second upgrade has nothing to do and writes nothing; `plan` says so too.
fn again(test_cluster: &TestCluster) -> Result<String> {
    let mark = test_cluster.mark()?;
    let second =
        run(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?.expect_code(0).context("the second run")?;
    ensure!(second.stdout.contains("nothing to do"), "{}", second.all_text());
    let plan = run(test_cluster, User::Operator, &["plan"], &newer_flags(&["--output", "json"]))?
        .expect_code(0)
        .context("the second plan")?;
    ensure!(json(&plan)?["outcome"] == "nothing-to-do", "{}", plan.stdout);
    test_cluster.ensure_nothing_written(mark)?;
    Ok(second.all_text() + &plan.all_text())
}
