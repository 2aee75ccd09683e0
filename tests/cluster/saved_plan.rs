//! A saved plan: applied as recorded, and refused if the cluster, the charts or the values have drifted since.

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::refusals::upgrade;
use crate::small::{self, CANARY, NAMESPACE};
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[("saved_plan::done_as_agreed_or_refused", done_as_agreed_or_refused)];

fn done_as_agreed_or_refused(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let file = save(test_cluster)?;
    a_crd_changed_by_hand(test_cluster, &file)?;
    other_values(test_cluster, &file)?;
    a_file_that_is_none(test_cluster)?;
    half_applied_by_hand(test_cluster, &file)?;
    test_cluster.install_older()?;
    the_same_world(test_cluster, &file)?;
    a_second_time(test_cluster, &file)
}

fn save(test_cluster: &TestCluster) -> Result<String> {
    let file = test_cluster.files().join("plan.json").display().to_string();
    let mark = test_cluster.mark()?;
    let flags = crate::lock::newer_flags(&[]);
    let planned = upgrade(test_cluster, User::Operator, &["plan", "--save", &file], &flags)?.expect_code(2)?;
    test_cluster.ensure_nothing_written(mark)?;
    ensure!(planned.stderr.contains("kubectl mural upgrade apply"), "{}", planned.stderr);
    let text = std::fs::read_to_string(&file)?;
    ensure!(!text.contains(CANARY), "values are in the plan:\n{text}");
    let saved: Value = serde_json::from_str(&text)?;
    let chart = &saved["request"]["app"]["chart"];
    ensure!(chart["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "not pinned: {chart}");
    Ok(file)
}

fn apply(test_cluster: &TestCluster, file: &str, values: &[&str]) -> Result<CommandOutput> {
    let args = [&["apply", file, "--plain-http", "--yes"], values].concat();
    test_cluster.run(User::Operator, "kubectl-mural-upgrade", &args)
}

fn refused(test_cluster: &TestCluster, file: &str, values: &[&str], words: &[&str]) -> Result<()> {
    let mark = test_cluster.mark()?;
    let ended = apply(test_cluster, file, values)?.expect_code(5)?;
    test_cluster.ensure_nothing_written(mark)?;
    let all = ended.all_text();
    for word in [&["no-drift", "refused, nothing was written"], words].concat() {
        ensure!(all.contains(word), "does not say {word:?}:\n{all}");
    }
    ensure!(!all.contains(CANARY), "tells a secret:\n{all}");
    Ok(())
}

fn a_crd_changed_by_hand(test_cluster: &TestCluster, file: &str) -> Result<()> {
    let patch = r#"[{"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/mine", "value": {"type": "string"}}]"#;
    let undo =
        r#"[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/mine"}]"#;
    let by_hand = |patch: &str| {
        test_cluster.run(User::Admin, "kubectl", &["patch", "crd", small::CRDS[1], "--type=json", "-p", patch])
    };
    by_hand(patch)?.expect_code(0)?;
    let values = small::values(test_cluster)?;
    refused(
        test_cluster,
        file,
        &["--values", &values],
        &["CRD pools.small.example.com: has another spec: someone else changed it"],
    )?;
    by_hand(undo)?.expect_code(0).map(drop)
}

fn other_values(test_cluster: &TestCluster, file: &str) -> Result<()> {
    let values = small::values(test_cluster)?;
    let (same, none) = (["--values", values.as_str()], "values: differ from the values of the plan");
    refused(test_cluster, file, &[&same[..], &["--set", "password=canary-other"]].concat(), &[none, "password"])?;
    refused(test_cluster, file, &[&same[..], &["--set", "node=x"]].concat(), &[none, "node"])?;
    refused(test_cluster, file, &[&same[..], &["--reset-values"]].concat(), &["values: --reset-values now"])
}

fn a_file_that_is_none(test_cluster: &TestCluster) -> Result<()> {
    let values = small::values(test_cluster)?;
    let wrong = apply(test_cluster, &values, &[])?.expect_code(64)?;
    ensure!(wrong.stderr.contains("not a saved plan") && wrong.stderr.contains("--save FILE"), "{}", wrong.stderr);
    let none = apply(test_cluster, "none.json", &[])?.expect_code(64)?;
    ensure!(none.stderr.contains("cannot read the saved plan none.json"), "{}", none.stderr);
    Ok(())
}

/// Another operator has applied the newer CRDs by the guide's commands since the plan was saved.
fn half_applied_by_hand(test_cluster: &TestCluster, file: &str) -> Result<()> {
    let chart = small::crds(test_cluster, "0.7.4")?.display().to_string();
    let rendered =
        test_cluster.run(User::Admin, "helm", &["template", "mural-crds", &chart, "--include-crds"])?.expect_code(0)?;
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    test_cluster.run_with(User::Admin, "kubectl", &apply, &rendered.stdout, &[])?.expect_code(0)?;
    let values = small::values(test_cluster)?;
    let told =
        ["CRD pools.small.example.com: has another spec: someone else changed it", "CRD gadgets.small.example.com"];
    refused(test_cluster, file, &["--values", &values], &told)
}

fn the_same_world(test_cluster: &TestCluster, file: &str) -> Result<()> {
    let values = small::values(test_cluster)?;
    let done = apply(test_cluster, file, &["--values", &values])?.expect_code(0).context("apply")?;
    ensure!(done.stdout.contains("upgraded"), "{}", done.all_text());
    let list = ["list", "--namespace", NAMESPACE, "--output", "json", "--filter", "^mural$"];
    let list: Value = serde_json::from_str(&test_cluster.run(User::Admin, "helm", &list)?.expect_code(0)?.stdout)?;
    ensure!(list[0]["chart"] == "mural-1.1.0-rc.3" && list[0]["status"] == "deployed", "{list}");
    Ok(())
}

/// A plan can be applied once.
fn a_second_time(test_cluster: &TestCluster, file: &str) -> Result<()> {
    let values = small::values(test_cluster)?;
    refused(
        test_cluster,
        file,
        &["--values", &values],
        &["release mural: is deployed at revision 2, and was deployed at revision 1"],
    )
}
