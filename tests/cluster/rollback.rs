//! Going back: stated first, then done, and the cluster is as before but for what was stated.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::ground::Ground;
use crate::journal::{elsewhere, here, newest, says, state};
use crate::kill::state::{State, of};
use crate::lock::{locks, newer};
use crate::refusals::upgrade;
use crate::small::{self, CRDS, NAMESPACE};
use crate::stopped::stopped_at;
use crate::variants::moved;

pub fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = vec![
        ("rollback::after_a_whole_upgrade", after_a_whole_upgrade),
        ("rollback::after_a_failed_application", after_a_failed_application),
        ("rollback::what_others_did_is_not_undone", what_others_did_is_not_undone),
        ("rollback::our_marks_are_taken_away_and_no_others", our_marks_are_taken_away_and_no_others),
    ];
    if crate::kill::env("MURAL_ROLLBACKS").is_some() {
        tests.push(("rollback::after_each_step", after_each_step));
    }
    tests
}

/// What may differ after a way back: what the statement names, and revisions that helm counts on.
fn as_before(before: &State, now: &State, stated: &[&str]) -> Result<()> {
    let stated: BTreeSet<String> = stated.iter().map(|name| (*name).to_owned()).collect();
    let differ = before.differing(now);
    let unstated: Vec<&(String, String)> =
        differ.iter().filter(|(name, _)| !stated.iter().any(|stated| name.contains(stated))).collect();
    ensure!(unstated.is_empty(), "differs, and was not stated:\n{unstated:#?}");
    Ok(())
}

/// The release's record was none before, and the new CRD is never deleted.
const STATED: [&str; 4] =
    ["gadgets.small.example.com", "newest record of mural-crds", "newest record of mural", "journal"];

fn after_a_whole_upgrade(ground: &Ground) -> Result<()> {
    ground.older()?;
    let before = of(ground)?.without_managers();
    upgrade(ground, User::Operator, &[], &newer(&["--yes"]))?.with(0)?;
    let run = newest(ground)?;
    let mark = ground.mark()?;
    let shown = here(ground, &["rollback", "--dry-run=server"])?.with(0)?;
    let words = [
        "goes back",
        "release mural",
        "as revision 1 was, 1.1.0-rc.0",
        "CRD pools.small.example.com",
        "stays",
        "never deleted",
        "helm rollback mural 1",
    ];
    says(&shown, &words)?;
    let json = here(ground, &["rollback", "--dry-run=server", "--output", "json"])?.with(0)?;
    let json: Value = serde_json::from_str(&json.stdout)?;
    ensure!(json["kind"] == "RollbackReport" && json["statement"]["run"] == run.run.as_str(), "{json}");
    edited(ground, &run.run)?;
    ground.nothing_written(mark)?;
    let mark = ground.mark()?;
    let back = here(ground, &["rollback", "--yes"])?.with(0)?;
    says(&back, &["went back", "validate"])?;
    let log = ground.since(mark)?;
    let writes = audit::writes_by(&log, "operator");
    let crds: Vec<_> = writes.iter().copied().filter(|entry| entry.is_crd()).collect();
    let app: Vec<_> = writes.iter().copied().filter(|entry| entry.is_record_of("mural")).collect();
    audit::all_before(&app, &crds).context("the application, then its CRDs")?;
    ensure!(writes.iter().all(|entry| !(entry.is_crd() && entry.verb == "delete")), "{writes:?}");
    as_before(&before, &of(ground)?.without_managers(), &STATED)?;
    for crd in CRDS {
        ground.get(&["crd", crd])?;
    }
    here_and_green(ground)?;
    let again = here(ground, &["rollback", "--yes"])?.with(5)?;
    says(&again, &["there is nothing to go back from", "already"])?;
    // Forward again: nothing of the way back is in its way. Its copy is dropped when it is asked for.
    upgrade(ground, User::Operator, &[], &newer(&["--yes"]))?.with(0).context("forward again")?;
    let run = newest(ground)?;
    let folder = state(ground)?.join(&run.run);
    ensure!(folder.join("sums.json").is_file(), "nothing was saved");
    here(ground, &["status", "--forget", &run.run])?.with(0)?;
    ensure!(!folder.exists() && newest(ground)?.saved.is_none(), "it is still there");
    here(ground, &["status", "--forget", "none"])?.with(64).map(drop)
}

/// A saved copy that somebody edited is named, and nothing is done with it.
fn edited(ground: &Ground, run: &str) -> Result<()> {
    let file = state(ground)?.join(run).join("crds/pools.small.example.com.yaml");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, format!("{text}# mine\n"))?;
    let refused = here(ground, &["rollback", "--yes"])?.with(5);
    std::fs::write(&file, text)?;
    says(&refused?, &["is not as it was written", "crds/pools.small.example.com.yaml"])
}

fn here_and_green(ground: &Ground) -> Result<()> {
    ensure!(locks(ground)?.is_empty(), "left behind: {:?}", locks(ground)?);
    let green = ground.run(User::Operator, "kubectl-mural-validate", &["--expect", "mural=1.1.0-rc.0"])?;
    ensure!([0, 3].contains(&green.code) && !green.stdout.contains("✖ workload"), "{}", green.all());
    Ok(())
}

fn after_a_failed_application(ground: &Ground) -> Result<()> {
    ground.older()?;
    let mine = serde_json::json!({"apiVersion": "small.example.com/v1", "kind": "Pool", "metadata": {"name": "mine", "namespace": NAMESPACE}, "spec": {"size": 1}});
    ground.run_with(User::Admin, "kubectl", &["create", "--filename", "-"], &mine.to_string(), &[])?.with(0)?;
    let before = of(ground)?.without_managers();
    let failed =
        upgrade(ground, User::Operator, &[], &newer(&["--yes", "--set", "node=none", "--timeout", "6s"]))?.with(6)?;
    says(&failed, &["kubectl mural upgrade rollback"])?;
    // With the cluster's journal alone the application goes back, and the CRDs stay: the copy is elsewhere.
    let folder = state(ground)?.join(newest(ground)?.run);
    let away = ground.files().join("away");
    std::fs::rename(&folder, &away)?;
    let shown = elsewhere(ground, &["rollback", "--dry-run=server"])?.with(0);
    std::fs::rename(&away, &folder)?;
    let shown = shown?;
    says(&shown, &["the saved copy is on", "stays", "as revision 1 was"])?;
    // What somebody wrote since is left as it is, or put back where that is asked for.
    let patch =
        ["patch", "pool", "mine", "--namespace", NAMESPACE, "--type=merge", "--patch", r#"{"spec": {"size": 7}}"#];
    ground.run(User::Admin, "kubectl", &patch)?.with(0)?;
    let back = here(ground, &["rollback", "--yes", "--overwrite"])?.with(0)?;
    says(&back, &["went back", "1 objects written back"])?;
    as_before(&before, &of(ground)?.without_managers(), &STATED)
}

fn what_others_did_is_not_undone(ground: &Ground) -> Result<()> {
    ground.older()?;
    let nothing = here(ground, &["rollback", "--yes"])?.with(5)?;
    says(&nothing, &["there is nothing to go back from", "no run of ours"])?;
    let crds = r#""event":"step-started","step":"mural""#;
    stopped_at(ground, &["--yes", "--set", "node=none", "--events"], crds, 1)?.0.with(130)?;
    let chart = small::app(ground, "1.1.0-rc.0")?.display().to_string();
    let by_hand = ["upgrade", "mural", &chart, "--namespace", NAMESPACE, "--reset-values"];
    ground.run(User::Admin, "helm", &by_hand)?.with(0)?;
    let mark = ground.mark()?;
    let refused = here(ground, &["rollback", "--yes"])?.with(5)?;
    says(&refused, &["revision 3 of release mural", "made by somebody else since"])?;
    let values = small::values(ground)?;
    let resume = ["resume", "--plain-http", "--yes", "--values", &values, "--set", "node=none"];
    says(&here(ground, &resume)?.with(5)?, &["release mural", "is deployed at 3"])?;
    ground.nothing_written(mark)
}

/// The run marks a CRD so that helm keeps it; somebody else has marked another. The way back takes the first mark away.
fn our_marks_are_taken_away_and_no_others(ground: &Ground) -> Result<()> {
    let charts = moved::prepared(ground)?;
    let theirs = ["annotate", "crd", "widgets.small.example.com", "helm.sh/resource-policy=keep"];
    ground.run(User::Admin, "kubectl", &theirs)?.with(0)?;
    let before = of(ground)?.without_managers();
    let values = small::values(ground)?;
    let args = ["--yes", "--values", &values, "--chart", &charts.app, "--crds-chart", &charts.crds, "--keep-crds"];
    here(ground, &args)?.with(0)?;
    let marked = |name: &str| -> Result<bool> {
        Ok(ground.get(&["crd", name])?.pointer("/metadata/annotations/helm.sh~1resource-policy").is_some())
    };
    ensure!(marked(moved::KIND)? && marked("widgets.small.example.com")?, "nothing was marked");
    let back = here(ground, &["rollback", "--yes"])?.with(0)?;
    says(&back, &["what the run did, and what becomes of it", "1 of 1 marks", "went back"])?;
    ensure!(!marked(moved::KIND)? && marked("widgets.small.example.com")?, "{}", back.all());
    as_before(&before, &of(ground)?.without_managers(), &STATED)
}

/// Stopped after every step, then back: as before, or what was stated.
fn after_each_step(ground: &Ground) -> Result<()> {
    for step in ["crds", "served", "record", "mural", "validate"] {
        ground.older()?;
        let before = of(ground)?.without_managers();
        let line: &'static str = Box::leak(format!(r#""event":"step-started","step":"{step}""#).into_boxed_str());
        let stopped = stopped_at(ground, &["--yes", "--events"], line, 1)?.0;
        let back = here(ground, &["rollback", "--yes"])?.with(0).with_context(|| format!("after {step}"))?;
        as_before(&before, &of(ground)?.without_managers(), &STATED).with_context(|| format!("after {step}"))?;
        let steps: Vec<&str> = back.stderr.lines().filter(|line| line.starts_with('✔')).collect();
        println!("  stopped at {step} (exit {}): {}", stopped.code, steps.join(" | "));
    }
    Ok(())
}
