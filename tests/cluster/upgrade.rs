//! The first real upgrade, whole, with each helm: planned, done, proved, and asked for again.

use anyhow::{Context, Result, ensure};
use mural_tests::audit::{self, Entry};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::refusals::upgrade as run;
use crate::small::{CANARY, CRDS, NAMESPACE, NEWER};

pub const TESTS: &[Test] = &[
    ("upgrade::with_helm_3_17_2", |ground| whole(ground, "3.17.2")),
    ("upgrade::with_helm_3_22_0", |ground| whole(ground, "3.22.0")),
    ("upgrade::with_helm_4_2_3", |ground| whole(ground, "4.2.3")),
    ("upgrade::with_helm_4_3_1", |ground| whole(ground, "4.3.1")),
];

/// `--to … --crds …` and more.
fn newer<'a>(more: &[&'a str]) -> Vec<&'a str> {
    NEWER.iter().flat_map(|(flag, value)| [*flag, *value]).chain(more.iter().copied()).collect()
}

fn json(ended: &Ended) -> Result<Value> {
    serde_json::from_str(&ended.stdout).with_context(|| format!("no JSON: {}", ended.stdout))
}

fn whole(ground: &Ground, helm: &str) -> Result<()> {
    ground.older()?;
    ground.use_helm(helm)?;
    let told = [plans_write_nothing(ground)?, once(ground)?, again(ground)?].concat();
    ensure!(!told.contains(CANARY), "tells a secret:\n{told}");
    Ok(())
}

/// `plan` and `--dry-run` tell what would be done, and leave it.
fn plans_write_nothing(ground: &Ground) -> Result<String> {
    let mark = ground.mark()?;
    let plan = run(ground, User::Operator, &["plan"], &newer(&["--output", "json"]))?.with(2).context("plan")?;
    let planned = json(&plan)?;
    ensure!(planned["outcome"] == "planned", "{}", planned["outcome"]);
    let dry = run(ground, User::Operator, &[], &newer(&["--dry-run=server"]))?.with(0).context("--dry-run=server")?;
    ground.nothing_written(mark)?;
    let log = ground.since(mark)?;
    ensure!(!audit::dry_runs_by(&log, "operator").is_empty(), "no dry-runs: the server was not asked");
    Ok(plan.all() + &dry.all())
}

/// The upgrade itself, judged by the audit log, plain helm and plain kubectl.
fn once(ground: &Ground) -> Result<String> {
    let mark = ground.mark()?;
    let report = ground.files().join("report.md").display().to_string();
    let done =
        run(ground, User::Operator, &[], &newer(&["--yes", "--report", &report]))?.with(0).context("the upgrade")?;
    in_order(&ground.since(mark)?)?;
    let kept = std::fs::read_to_string(&report)?;
    for line in [
        "# Upgrade ",
        "done and proved",
        "| mural | 1.1.0-rc.0 | 1.1.0-rc.3 | `sha256:",
        "| pools.small.example.com | safe |",
    ] {
        ensure!(kept.contains(line), "does not say {line:?}:\n{kept}");
    }
    for crd in CRDS {
        let versions = &ground.get(&["crd", crd])?["spec"]["versions"];
        let noted = versions.to_string().contains("note");
        ensure!(noted == crd.starts_with("pools"), "{crd} is not the newer chart's: {versions}");
    }
    for (release, version) in [("mural", "1.1.0-rc.3"), ("mural-crds", "0.7.4")] {
        let list = ["list", "--namespace", NAMESPACE, "--output", "json", "--filter", &format!("^{release}$")];
        let list: Value = serde_json::from_str(&ground.run(User::Admin, "helm", &list)?.with(0)?.stdout)?;
        let (status, chart) = (&list[0]["status"], &list[0]["chart"]);
        ensure!(status == "deployed" && *chart == format!("{release}-{version}"), "{list}");
    }
    let canvas = ground.get(&["deployment", "canvas", "--namespace", NAMESPACE])?;
    let image = &canvas["spec"]["template"]["spec"]["containers"][0]["image"];
    ensure!(*image == "example.com/canvas:1.1.0-rc.3" && canvas["status"]["readyReplicas"] == 2, "{canvas}");
    let secret = ground.get(&["secret", "canvas", "--namespace", NAMESPACE])?;
    ensure!(secret["data"]["password"].is_string(), "the values did not arrive");
    Ok(done.all() + &kept)
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

/// Asked for again: nothing to do, nothing written, and `plan` says so too.
fn again(ground: &Ground) -> Result<String> {
    let mark = ground.mark()?;
    let second = run(ground, User::Operator, &[], &newer(&["--yes"]))?.with(0).context("the second run")?;
    ensure!(second.stdout.contains("nothing to do"), "{}", second.all());
    let plan =
        run(ground, User::Operator, &["plan"], &newer(&["--output", "json"]))?.with(0).context("the second plan")?;
    ensure!(json(&plan)?["outcome"] == "nothing-to-do", "{}", plan.stdout);
    ground.nothing_written(mark)?;
    Ok(second.all() + &plan.all())
}
