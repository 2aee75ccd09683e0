//! A saved plan: done as it was agreed to, and refused where the world has moved since.

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::refusals::upgrade;
use crate::small::{self, CANARY, NAMESPACE};

pub const TESTS: &[Test] = &[("saved::done_as_agreed_or_refused", done_as_agreed_or_refused)];

fn done_as_agreed_or_refused(ground: &Ground) -> Result<()> {
    ground.older()?;
    let file = save(ground)?;
    a_crd_changed_by_hand(ground, &file)?;
    other_values(ground, &file)?;
    a_file_that_is_none(ground)?;
    half_applied_by_hand(ground, &file)?;
    ground.older()?;
    the_same_world(ground, &file)?;
    a_second_time(ground, &file)
}

fn save(ground: &Ground) -> Result<String> {
    let file = ground.files().join("plan.json").display().to_string();
    let mark = ground.mark()?;
    let flags = crate::lock::newer(&[]);
    let planned = upgrade(ground, User::Operator, &["plan", "--save", &file], &flags)?.with(2)?;
    ground.nothing_written(mark)?;
    ensure!(planned.stderr.contains("kubectl mural upgrade apply"), "{}", planned.stderr);
    let text = std::fs::read_to_string(&file)?;
    ensure!(!text.contains(CANARY), "values are in the plan:\n{text}");
    let saved: Value = serde_json::from_str(&text)?;
    let chart = &saved["asked"]["app"]["chart"];
    ensure!(chart["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "not pinned: {chart}");
    Ok(file)
}

fn apply(ground: &Ground, file: &str, values: &[&str]) -> Result<Ended> {
    let args = [&["apply", file, "--plain-http", "--yes"], values].concat();
    ground.run(User::Operator, "kubectl-mural-upgrade", &args)
}

fn refused(ground: &Ground, file: &str, values: &[&str], words: &[&str]) -> Result<()> {
    let mark = ground.mark()?;
    let ended = apply(ground, file, values)?.with(5)?;
    ground.nothing_written(mark)?;
    let all = ended.all();
    for word in [&["saved-plan-holds", "refused before any write"], words].concat() {
        ensure!(all.contains(word), "does not say {word:?}:\n{all}");
    }
    ensure!(!all.contains(CANARY), "tells a secret:\n{all}");
    Ok(())
}

fn a_crd_changed_by_hand(ground: &Ground, file: &str) -> Result<()> {
    let patch = r#"[{"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/mine", "value": {"type": "string"}}]"#;
    let undo =
        r#"[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/mine"}]"#;
    let by_hand =
        |patch: &str| ground.run(User::Admin, "kubectl", &["patch", "crd", small::CRDS[1], "--type=json", "-p", patch]);
    by_hand(patch)?.with(0)?;
    let values = small::values(ground)?;
    refused(ground, file, &["--values", &values], &["CRD pools.small.example.com: somebody has changed its spec"])?;
    by_hand(undo)?.with(0).map(drop)
}

fn other_values(ground: &Ground, file: &str) -> Result<()> {
    let values = small::values(ground)?;
    let (same, none) = (["--values", values.as_str()], "values: are not the ones that the plan was made with");
    refused(ground, file, &[&same[..], &["--set", "password=canary-other"]].concat(), &[none, "password"])?;
    refused(ground, file, &[&same[..], &["--set", "node=x"]].concat(), &[none, "node"])?;
    refused(ground, file, &[&same[..], &["--reset-values"]].concat(), &["values: --reset-values now"])
}

fn a_file_that_is_none(ground: &Ground) -> Result<()> {
    let values = small::values(ground)?;
    let wrong = apply(ground, &values, &[])?.with(64)?;
    ensure!(wrong.stderr.contains("not a saved plan") && wrong.stderr.contains("--save FILE"), "{}", wrong.stderr);
    let none = apply(ground, "none.json", &[])?.with(64)?;
    ensure!(none.stderr.contains("none.json cannot be read"), "{}", none.stderr);
    Ok(())
}

/// Somebody began with the page's commands: the CRDs are the newer chart's already, and the plan knows of none of that.
fn half_applied_by_hand(ground: &Ground, file: &str) -> Result<()> {
    let chart = small::crds(ground, "0.7.4")?.display().to_string();
    let rendered = ground.run(User::Admin, "helm", &["template", "mural-crds", &chart, "--include-crds"])?.with(0)?;
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    ground.run_with(User::Admin, "kubectl", &apply, &rendered.stdout, &[])?.with(0)?;
    let values = small::values(ground)?;
    let told = ["CRD pools.small.example.com: somebody has changed its spec", "CRD gadgets.small.example.com"];
    refused(ground, file, &["--values", &values], &told)
}

fn the_same_world(ground: &Ground, file: &str) -> Result<()> {
    let values = small::values(ground)?;
    let done = apply(ground, file, &["--values", &values])?.with(0).context("apply")?;
    ensure!(done.stdout.contains("upgraded"), "{}", done.all());
    let list = ["list", "--namespace", NAMESPACE, "--output", "json", "--filter", "^mural$"];
    let list: Value = serde_json::from_str(&ground.run(User::Admin, "helm", &list)?.with(0)?.stdout)?;
    ensure!(list[0]["chart"] == "mural-1.1.0-rc.3" && list[0]["status"] == "deployed", "{list}");
    Ok(())
}

/// What was agreed to is done: a plan is for one time.
fn a_second_time(ground: &Ground, file: &str) -> Result<()> {
    let values = small::values(ground)?;
    refused(ground, file, &["--values", &values], &["release mural: is deployed at 2, and was deployed at 1"])
}
