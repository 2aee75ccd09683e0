//! Rollbacks: the rollback plan is shown first; afterwards the cluster is as before, except for what the plan listed.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::journal::{
    ensure_says, forget_other_workstation, newest_run, run_here, run_on_other_workstation, state_folder,
};
use crate::kill::state::{ClusterState, read_state};
use crate::lock::{lock_names, newer_flags};
use crate::refusals::upgrade;
use crate::small::{self, CRDS, NAMESPACE};
use crate::stop_signals::interrupt_at;
use crate::test_cluster::TestCluster;
use crate::variants::crd_out_of_templates;

pub fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = vec![
        ("rollback::after_a_whole_upgrade", after_a_whole_upgrade),
        ("rollback::after_a_failed_application", after_a_failed_application),
        ("rollback::changes_by_others_are_kept", changes_by_others_are_kept),
        ("rollback::only_our_keep_annotations_are_removed", only_our_keep_annotations_are_removed),
    ];
    if crate::kill::env("MURAL_ROLLBACKS").is_some() {
        tests.push(("rollback::after_each_step", after_each_step));
    }
    tests
}

/// What may differ after a rollback: what the rollback plan lists, and helm's revision numbers.
fn as_before(before: &ClusterState, now: &ClusterState, stated: &[&str]) -> Result<()> {
    let stated: BTreeSet<String> = stated.iter().map(|name| (*name).to_owned()).collect();
    let differ = before.differences(now);
    let unstated: Vec<&(String, String)> =
        differ.iter().filter(|(name, _)| !stated.iter().any(|stated| name.contains(stated))).collect();
    ensure!(unstated.is_empty(), "differs, and was not stated:\n{unstated:#?}");
    Ok(())
}

/// The release had no record before. A rollback never deletes the new CRD.
const EXPECTED_DIFFERENCES: [&str; 4] =
    ["gadgets.small.example.com", "newest record of mural-crds", "newest record of mural", "journal"];

fn after_a_whole_upgrade(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let before = read_state(test_cluster)?.without_managers();
    upgrade(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?.expect_code(0)?;
    let run = newest_run(test_cluster)?;
    let mark = test_cluster.mark()?;
    let shown = run_here(test_cluster, &["rollback", "--dry-run=server"])?.expect_code(0)?;
    let words = [
        "rolled back",
        "release mural",
        "to the content of revision 1 (1.1.0-rc.0)",
        "CRD pools.small.example.com",
        "will stay as it is",
        "never deletes",
        "helm rollback mural 1",
    ];
    ensure_says(&shown, &words)?;
    let json = run_here(test_cluster, &["rollback", "--dry-run=server", "--output", "json"])?.expect_code(0)?;
    let json: Value = serde_json::from_str(&json.stdout)?;
    ensure!(json["kind"] == "RollbackReport" && json["rollbackPlan"]["run"] == run.run.as_str(), "{json}");
    edited(test_cluster, &run.run)?;
    test_cluster.ensure_nothing_written(mark)?;
    let mark = test_cluster.mark()?;
    let back = run_here(test_cluster, &["rollback", "--yes"])?.expect_code(0)?;
    ensure_says(&back, &["rolled back", "validate"])?;
    let log = test_cluster.entries_since(mark)?;
    let writes = audit::writes_by(&log, "operator");
    let crds: Vec<_> = writes.iter().copied().filter(|entry| entry.is_crd()).collect();
    let app: Vec<_> = writes.iter().copied().filter(|entry| entry.is_record_of("mural")).collect();
    audit::all_before(&app, &crds).context("the application, then its CRDs")?;
    ensure!(writes.iter().all(|entry| !(entry.is_crd() && entry.verb == "delete")), "{writes:?}");
    as_before(&before, &read_state(test_cluster)?.without_managers(), &EXPECTED_DIFFERENCES)?;
    for crd in CRDS {
        test_cluster.get(&["crd", crd])?;
    }
    here_and_green(test_cluster)?;
    let again = run_here(test_cluster, &["rollback", "--yes"])?.expect_code(64)?;
    ensure_says(&again, &["there is nothing to roll back", "already"])?;
    // The upgrade succeeds again after the rollback. Its backup is deleted on request.
    upgrade(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?.expect_code(0).context("forward again")?;
    let run = newest_run(test_cluster)?;
    let folder = state_folder(test_cluster)?.join(&run.run);
    ensure!(folder.join("sums.json").is_file(), "nothing was saved");
    run_here(test_cluster, &["status", "--forget", &run.run])?.expect_code(0)?;
    ensure!(!folder.exists() && newest_run(test_cluster)?.backup.is_none(), "it is still there");
    run_here(test_cluster, &["status", "--forget", "none"])?.expect_code(64).map(drop)
}

/// A backup that was edited is reported and not used.
fn edited(test_cluster: &TestCluster, run: &str) -> Result<()> {
    let file = state_folder(test_cluster)?.join(run).join("crds/pools.small.example.com.yaml");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, format!("{text}# mine\n"))?;
    let refused = run_here(test_cluster, &["rollback", "--yes"])?.expect_code(5);
    std::fs::write(&file, text)?;
    ensure_says(&refused?, &["was modified", "crds/pools.small.example.com.yaml"])
}

fn here_and_green(test_cluster: &TestCluster) -> Result<()> {
    ensure!(lock_names(test_cluster)?.is_empty(), "left behind: {:?}", lock_names(test_cluster)?);
    let green = test_cluster.run(User::Operator, "kubectl-mural-validate", &["--expect", "mural=1.1.0-rc.0"])?;
    ensure!([0, 3].contains(&green.code) && !green.stdout.contains("✖ workload"), "{}", green.all_text());
    Ok(())
}

/// On another workstation the copy in the cluster is used. Without it, the application is rolled back and the CRDs stay.
fn without_the_folder(test_cluster: &TestCluster) -> Result<()> {
    let run = newest_run(test_cluster)?.run;
    let folder = state_folder(test_cluster)?.join(&run);
    let away = test_cluster.files().join("away");
    std::fs::rename(&folder, &away)?;
    let dry_run = || run_on_other_workstation(test_cluster, &["rollback", "--dry-run=server"])?.expect_code(0);
    let secret = format!("mural-backup-{run}-0");
    let with_copy = dry_run();
    let deleted = ["delete", "secret", &secret, "--namespace", NAMESPACE];
    test_cluster.run(User::Admin, "kubectl", &deleted)?.expect_code(0)?;
    forget_other_workstation(test_cluster)?;
    let without_copy = dry_run();
    std::fs::rename(&away, &folder)?;
    let with_copy = with_copy?;
    ensure!(!with_copy.all_text().contains("the backup is on"), "{}", with_copy.all_text());
    ensure_says(&with_copy, &["CRDs in ", "to the content of revision 1"])?;
    ensure_says(&without_copy?, &["the backup is on", &secret, "will stay as it is", "to the content of revision 1"])
}

fn after_a_failed_application(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let mine = serde_json::json!({"apiVersion": "small.example.com/v1", "kind": "Pool", "metadata": {"name": "mine", "namespace": NAMESPACE}, "spec": {"size": 1}});
    test_cluster
        .run_with(User::Admin, "kubectl", &["create", "--filename", "-"], &mine.to_string(), &[])?
        .expect_code(0)?;
    let before = read_state(test_cluster)?.without_managers();
    let failed =
        upgrade(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--set", "node=none", "--timeout", "6s"]))?
            .expect_code(6)?;
    ensure_says(&failed, &["kubectl mural upgrade rollback"])?;
    without_the_folder(test_cluster)?;
    // Changes by others since then stay, or are reverted on request.
    let patch =
        ["patch", "pool", "mine", "--namespace", NAMESPACE, "--type=merge", "--patch", r#"{"spec": {"size": 7}}"#];
    test_cluster.run(User::Admin, "kubectl", &patch)?.expect_code(0)?;
    let back = run_here(test_cluster, &["rollback", "--yes", "--overwrite"])?.expect_code(0)?;
    ensure_says(&back, &["rolled back", "1 object overwritten"])?;
    as_before(&before, &read_state(test_cluster)?.without_managers(), &EXPECTED_DIFFERENCES)
}

fn changes_by_others_are_kept(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let nothing = run_here(test_cluster, &["rollback", "--yes"])?.expect_code(64)?;
    ensure_says(&nothing, &["there is nothing to roll back", "the journal has no run"])?;
    let crds = r#""event":"step-started","step":"mural""#;
    interrupt_at(test_cluster, &["--yes", "--set", "node=none", "--events"], crds, 1)?.0.expect_code(130)?;
    let chart = small::app(test_cluster, "1.1.0-rc.0")?.display().to_string();
    let by_hand = ["upgrade", "mural", &chart, "--namespace", NAMESPACE, "--reset-values"];
    test_cluster.run(User::Admin, "helm", &by_hand)?.expect_code(0)?;
    let mark = test_cluster.mark()?;
    let refused = run_here(test_cluster, &["rollback", "--yes"])?.expect_code(5)?;
    ensure_says(&refused, &["revision 3 of release mural", "written by someone else since the run"])?;
    let values = small::values(test_cluster)?;
    let resume = ["resume", "--plain-http", "--yes", "--values", &values, "--set", "node=none"];
    ensure_says(&run_here(test_cluster, &resume)?.expect_code(5)?, &["release mural", "is deployed at revision 3"])?;
    test_cluster.ensure_nothing_written(mark)
}

/// The run annotates one CRD with keep; another user annotated another. The rollback removes the first annotation only.
fn only_our_keep_annotations_are_removed(test_cluster: &TestCluster) -> Result<()> {
    let charts = crd_out_of_templates::prepared(test_cluster)?;
    let theirs = ["annotate", "crd", "widgets.small.example.com", "helm.sh/resource-policy=keep"];
    test_cluster.run(User::Admin, "kubectl", &theirs)?.expect_code(0)?;
    let before = read_state(test_cluster)?.without_managers();
    let values = small::values(test_cluster)?;
    let args = ["--yes", "--values", &values, "--chart", &charts.app, "--crds-chart", &charts.crds, "--keep-crds"];
    run_here(test_cluster, &args)?.expect_code(0)?;
    let marked = |name: &str| -> Result<bool> {
        Ok(test_cluster.get(&["crd", name])?.pointer("/metadata/annotations/helm.sh~1resource-policy").is_some())
    };
    ensure!(marked(crd_out_of_templates::KIND)? && marked("widgets.small.example.com")?, "nothing was marked");
    let back = run_here(test_cluster, &["rollback", "--yes"])?.expect_code(0)?;
    ensure_says(
        &back,
        &["steps of the run, and what the rollback does with each", "1 of 1 annotations", "rolled back"],
    )?;
    ensure!(!marked(crd_out_of_templates::KIND)? && marked("widgets.small.example.com")?, "{}", back.all_text());
    as_before(&before, &read_state(test_cluster)?.without_managers(), &EXPECTED_DIFFERENCES)
}

/// Interrupted after every step and rolled back: the cluster is as before, except for what the plan listed.
fn after_each_step(test_cluster: &TestCluster) -> Result<()> {
    for step in ["crds", "served", "record", "mural", "validate"] {
        test_cluster.install_older()?;
        let before = read_state(test_cluster)?.without_managers();
        let line: &'static str = Box::leak(format!(r#""event":"step-started","step":"{step}""#).into_boxed_str());
        let stopped = interrupt_at(test_cluster, &["--yes", "--events"], line, 1)?.0;
        let back =
            run_here(test_cluster, &["rollback", "--yes"])?.expect_code(0).with_context(|| format!("after {step}"))?;
        as_before(&before, &read_state(test_cluster)?.without_managers(), &EXPECTED_DIFFERENCES)
            .with_context(|| format!("after {step}"))?;
        let steps: Vec<&str> = back.stderr.lines().filter(|line| line.starts_with('✔')).collect();
        println!("  stopped at {step} (exit {}): {}", stopped.code, steps.join(" | "));
    }
    Ok(())
}
