//! The fault matrix: a bad day begins at a step of an upgrade. Each cell ends right, or in a clear refusal from which `resume`
//! or the same command goes on to the very state that an undisturbed upgrade leaves.
//!
//! A few telling cells always; the whole table, which takes about half an hour, by one command:
//!
//! ```text
//! MURAL_FAULTS=full MURAL_GROUNDS=1 cargo test -p mural-tests --test cluster -- bad_days
//! ```
//!
//! `MURAL_FAULTS=asleep` is that row alone, `MURAL_FAULTS=helm` that column.

mod clock;
mod day;
mod disk;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::Value;

use crate::Test;
use crate::ground::{Ended, Ground, ended};
use crate::journal::newest;
use crate::kill::env;
use crate::kill::moment::children;
use crate::kill::state::{self, State};
use crate::lock::newer;
use crate::nothing_lost::{Begun, ended_well, step, until};
use crate::refusals::command;
use crate::small::CANARY;
use day::{Day, HELM, STEPS, Struck};

pub const TESTS: &[Test] = &[("bad_days::end_right_or_are_gone_on_from", end_right_or_are_gone_on_from)];

/// The cells of an ordinary test run.
const FEW: [(Day, &str); 3] = [(Day::Expired, "record"), (Day::ServerRestarts, HELM), (Day::FullDisk, "crds")];

/// How a cell ended: in a word for the table, and in a sentence.
struct Cell {
    word: String,
    sentence: String,
}

fn end_right_or_are_gone_on_from(ground: &Ground) -> Result<()> {
    ground.older()?;
    ended(command(ground, User::Operator, &[], &newer(&["--yes"]))?.output()?)?.with(0)?;
    let wanted = state::of(ground)?;
    let cells: Vec<(Day, &str)> = match env("MURAL_FAULTS") {
        None => FEW.to_vec(),
        Some(asked) => {
            let all = Day::ALL.into_iter().flat_map(|day| day.steps().iter().map(move |step| (day, *step)));
            all.filter(|(day, step)| asked == "full" || *step == asked || day.to_string().contains(&asked)).collect()
        }
    };
    ensure!(!cells.is_empty(), "MURAL_FAULTS names no row and no column: full is all of them");
    let (mut failed, mut table) = (Vec::new(), Vec::new());
    println!();
    for (day, at) in cells {
        let ended = cell(ground, day, at, &wanted).with_context(|| format!("{day} at {at}"));
        let word = match &ended {
            Ok(cell) => cell.word.clone(),
            Err(_) => "FAILED".to_owned(),
        };
        match ended {
            Ok(cell) => println!("  {day:<24} at {at:<9} {}", cell.sentence),
            Err(error) => {
                println!("  {day:<24} at {at:<9} FAILED {error:#}");
                failed.push(format!("{error:#}"));
            }
        }
        table.push((day, at, word));
    }
    println!("{}", drawn(&table));
    ensure!(failed.is_empty(), "{} cells:\n{}", failed.len(), failed.join("\n\n"));
    Ok(())
}

/// As Markdown: a row for each day, a column for each step.
fn drawn(table: &[(Day, &str, String)]) -> String {
    let line = |first: &str, cells: Vec<&str>| format!("\n  | {first:<24} | {} |", cells.join(" | "));
    let mut out = line("the fault begins at", STEPS.to_vec()) + &line("---", vec!["---"; STEPS.len()]);
    for day in Day::ALL.into_iter().filter(|day| table.iter().any(|(of, ..)| of == day)) {
        let of = |step: &str| table.iter().find(|(of, at, _)| *of == day && *at == step);
        let cells = STEPS.iter().map(|step| of(step).map_or("", |(.., word)| word.as_str())).collect();
        out += &line(&day.to_string(), cells);
    }
    out + "\n  0: done and as undisturbed; N → resume: exit code N, gone on from by resume; N → anew: by the same command\n"
}

fn cell(ground: &Ground, day: Day, at: &str, wanted: &State) -> Result<Cell> {
    // A sandbox that has only just been restored may reset a connection; who only looks is told at once, and begins anew.
    let begun = begun(ground, day, at).or_else(|error| {
        println!("  {day:<24} at {at:<9} did not begin, and is begun anew: {error:#}");
        begun(ground, day, at)
    });
    let Some((run, struck)) = begun? else {
        let word = "not here".to_owned();
        return Ok(Cell { word, sentence: "this machine cannot do that to a program: not asked".to_owned() });
    };
    let struck = day.strikes(ground, &run, struck)?;
    let run = run.end()?;
    ensure!(!run.all().contains(CANARY) && !run.stderr.contains("panicked"), "{}", run.all());
    if struck.over(ground, &run)? {
        wanted.same(&state::of(ground)?)?;
        let word = format!("{}, taken over", run.code);
        return Ok(Cell { word, sentence: format!("exit {}: {}", run.code, reason(&run)) });
    }
    if run.code == 0 {
        wanted.same(&state::of(ground)?)?;
        ensure!(!newest(ground)?.unfinished(), "the journal does not know that it is done");
        return Ok(Cell { word: "0".to_owned(), sentence: "ended well".to_owned() });
    }
    let reason = reason(&run);
    ensure!(!day.is_no_trouble(), "exit {}: {reason}", run.code);
    ensure!(run.stdout.contains("go on") || run.stderr.contains('→'), "no way on is told:\n{}", run.all());
    let on = ended_well(ground).with_context(|| format!("exit {}: {reason}", run.code))?;
    wanted.same(&state::of(ground)?).with_context(|| format!("exit {}: {reason}", run.code))?;
    let by = if on.stderr.contains("proved done") { "resume" } else { "anew" };
    let word = format!("{} → {by}", run.code);
    Ok(Cell { word, sentence: format!("exit {} ({reason}), gone on from: {by}", run.code) })
}

/// An upgrade that has come to where the day begins; none where this machine cannot do that to a program.
fn begun(ground: &Ground, day: Day, at: &str) -> Result<Option<(Begun, Struck)>> {
    ground.older()?;
    let Some((command, struck)) = day.before(ground, command(ground, User::Operator, &[], &flags())?)? else {
        return Ok(None);
    };
    let run = until(command, &step(if at == HELM { "mural" } else { at }))?;
    if at == HELM {
        helm_runs(&run)?;
    }
    Ok(Some((run, struck)))
}

/// Waits until helm is at work: it has read its chart by then, and speaks to the API server.
fn helm_runs(run: &Begun) -> Result<()> {
    let began = Instant::now();
    while !children(run.child.id()).iter().any(|(_, name)| name.starts_with("helm")) {
        ensure!(began.elapsed() < Duration::from_secs(20), "helm is not started");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(400));
    Ok(())
}

fn flags() -> Vec<&'static str> {
    newer(&["--yes", "--events", "json"])
}

/// Which step failed, and why, in its own words; of a run that ended before any step, its last words.
fn reason(run: &Ended) -> String {
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
