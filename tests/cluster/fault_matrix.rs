//! The fault matrix: a fault begins at a step of an upgrade. Each cell succeeds, or fails with a clear message; then
//! `resume` or the same command reaches the state that an undisturbed upgrade leaves.
//!
//! An ordinary run takes three cells. The whole table takes about 30 minutes:
//!
//! ```text
//! MURAL_FAULTS=full MURAL_TEST_CLUSTERS=1 cargo test -p mural-tests --test cluster -- fault_matrix
//! ```
//!
//! `MURAL_FAULTS=asleep` selects the rows whose name contains the text, `MURAL_FAULTS=helm` the column of that name.

mod clock_skew;
mod disk;
mod fault;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::journal::newest_run;
use crate::kill::env;
use crate::kill::moment::children;
use crate::kill::state::{self, ClusterState};
use crate::lock::newer_flags;
use crate::lock_races::{RunningUpgrade, resume_to_success, run_until, step_started_line};
use crate::refusals::command;
use crate::small::CANARY;
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};
use fault::{ActiveFault, Fault, HELM_AT_WORK, STEP_IDS};

pub const TESTS: &[Test] =
    &[("fault_matrix::each_cell_succeeds_or_can_be_continued", each_cell_succeeds_or_can_be_continued)];

/// The cells of an ordinary test run.
const DEFAULT_CELLS: [(Fault, &str); 3] =
    [(Fault::ExpiredCredentials, "record"), (Fault::ServerRestarts, HELM_AT_WORK), (Fault::FullDisk, "crds")];

/// The result of a cell: a short form for the table, and a sentence for the line of the cell.
struct Cell {
    word: String,
    sentence: String,
}

fn each_cell_succeeds_or_can_be_continued(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    to_command_output(command(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?.output()?)?
        .expect_code(0)?;
    let wanted = state::read_state(test_cluster)?;
    let cells: Vec<(Fault, &str)> = match env("MURAL_FAULTS") {
        None => DEFAULT_CELLS.to_vec(),
        Some(selection) => {
            let all = Fault::ALL.into_iter().flat_map(|fault| fault.steps().iter().map(move |step| (fault, *step)));
            all.filter(|(fault, step)| {
                selection == "full" || *step == selection || fault.to_string().contains(&selection)
            })
            .collect()
        }
    };
    ensure!(!cells.is_empty(), "MURAL_FAULTS matches no row and no column; `full` selects all");
    let (mut failed, mut table) = (Vec::new(), Vec::new());
    println!();
    for (fault, at) in cells {
        let ended = run_cell(test_cluster, fault, at, &wanted).with_context(|| format!("{fault} at {at}"));
        let word = match &ended {
            Ok(cell) => cell.word.clone(),
            Err(_) => "FAILED".to_owned(),
        };
        match ended {
            Ok(cell) => println!("  {fault:<24} at {at:<9} {}", cell.sentence),
            Err(error) => {
                println!("  {fault:<24} at {at:<9} FAILED {error:#}");
                failed.push(format!("{error:#}"));
            }
        }
        table.push((fault, at, word));
    }
    println!("{}", render_table(&table));
    ensure!(failed.is_empty(), "{} cells:\n{}", failed.len(), failed.join("\n\n"));
    Ok(())
}

/// Markdown: a row for each fault, a column for each step.
fn render_table(table: &[(Fault, &str, String)]) -> String {
    let line = |first: &str, cells: Vec<&str>| format!("\n  | {first:<24} | {} |", cells.join(" | "));
    let mut out = line("the fault begins at", STEP_IDS.to_vec()) + &line("---", vec!["---"; STEP_IDS.len()]);
    for fault in Fault::ALL.into_iter().filter(|fault| table.iter().any(|(row, ..)| row == fault)) {
        let find_cell = |step: &str| table.iter().find(|(row, at, _)| *row == fault && *at == step);
        let cells = STEP_IDS.iter().map(|step| find_cell(step).map_or("", |(.., word)| word.as_str())).collect();
        out += &line(&fault.to_string(), cells);
    }
    out + "\n  0: done, equal to an undisturbed upgrade; N → resume: exit code N, continued by resume; N → retry: by the same command\n"
}

fn run_cell(test_cluster: &TestCluster, fault: Fault, at: &str, wanted: &ClusterState) -> Result<Cell> {
    // A sandbox that was just restored may reset a connection. A run that has not written yet reports that and ends.
    let started = start_cell(test_cluster, fault, at).or_else(|error| {
        println!("  {fault:<24} at {at:<9} did not start; trying again: {error:#}");
        start_cell(test_cluster, fault, at)
    });
    let Some((run, active_fault)) = started? else {
        let word = "not here".to_owned();
        return Ok(Cell { word, sentence: "this machine cannot produce the fault".to_owned() });
    };
    let active_fault = fault.inject(test_cluster, &run, active_fault)?;
    let run = run.wait()?;
    ensure!(!run.all_text().contains(CANARY) && !run.stderr.contains("panicked"), "{}", run.all_text());
    if active_fault.finish(test_cluster, &run)? {
        wanted.ensure_same(&state::read_state(test_cluster)?)?;
        let word = format!("{}, taken over", run.code);
        return Ok(Cell { word, sentence: format!("exit {}: {}", run.code, failure_reason(&run)) });
    }
    if run.code == 0 {
        wanted.ensure_same(&state::read_state(test_cluster)?)?;
        ensure!(!newest_run(test_cluster)?.is_unfinished(), "the journal has an unfinished run");
        return Ok(Cell { word: "0".to_owned(), sentence: "succeeded".to_owned() });
    }
    let reason = failure_reason(&run);
    ensure!(!fault.is_harmless(), "exit {}: {reason}", run.code);
    ensure!(run.all_text().contains("hint: "), "does not say how to continue:\n{}", run.all_text());
    let retried = resume_to_success(test_cluster).with_context(|| format!("exit {}: {reason}", run.code))?;
    wanted.ensure_same(&state::read_state(test_cluster)?).with_context(|| format!("exit {}: {reason}", run.code))?;
    let word = format!("{} → {}", run.code, retried.command);
    Ok(Cell { word, sentence: format!("exit {} ({reason}), continued by {}", run.code, retried.command) })
}

/// Starts an upgrade and stops reading at the step where the fault begins; none if this machine cannot produce the fault.
fn start_cell(test_cluster: &TestCluster, fault: Fault, at: &str) -> Result<Option<(RunningUpgrade, ActiveFault)>> {
    test_cluster.install_older()?;
    let Some((command, active_fault)) =
        fault.set_up(test_cluster, command(test_cluster, User::Operator, &[], &flags())?)?
    else {
        return Ok(None);
    };
    let run = run_until(command, &step_started_line(if at == HELM_AT_WORK { "mural" } else { at }))?;
    if at == HELM_AT_WORK {
        wait_until_helm_runs(&run)?;
    }
    Ok(Some((run, active_fault)))
}

/// Waits until helm has read its chart and talks to the API server.
fn wait_until_helm_runs(run: &RunningUpgrade) -> Result<()> {
    let began = Instant::now();
    while !children(run.child.id()).iter().any(|(_, name)| name.starts_with("helm")) {
        ensure!(began.elapsed() < Duration::from_secs(20), "helm was not started");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(400));
    Ok(())
}

fn flags() -> Vec<&'static str> {
    newer_flags(&["--yes", "--events", "json"])
}

/// The failed step and its reason; for a run without a step, its last lines on standard error.
fn failure_reason(run: &CommandOutput) -> String {
    let mut events = run.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let failed = events.rfind(|event| event["event"] == "step-failed");
    let text =
        |key: &str| failed.as_ref().and_then(|event| event[key].as_str()).unwrap_or_default().replace('\n', ": ");
    let all = match failed {
        Some(_) => format!("{}: {}", text("step"), text("reason")),
        None => run.stderr.lines().filter(|line| !line.starts_with('{')).collect::<Vec<_>>().join(" "),
    };
    all.chars().take(500).collect()
}
