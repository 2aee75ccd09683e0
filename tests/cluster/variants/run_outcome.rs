//! Compares the outcome of a case with the table: exit code, guards, messages and the next step.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::table::Expect;
use crate::small::CANARY;
use crate::test_cluster::CommandOutput;

/// One run, as far as the closing table tells it.
#[derive(Debug)]
pub struct RunOutcome {
    pub code: i32,
    pub guard: String,
    pub hint: String,
    /// How many guards were asked, and had nothing to say.
    pub silent: usize,
}

impl RunOutcome {
    /// # Errors
    /// It is not as expected; the run's own words are part of the error.
    pub fn check(expect: &Expect, ended: &CommandOutput, report: &Path) -> Result<Self> {
        let all = ended.all_text();
        ensure!(ended.code == expect.code, "exit code {} instead of {}\n{all}", ended.code, expect.code);
        for word in expect.fires.iter().chain(expect.says) {
            ensure!(all.contains(word), "does not say {word:?}:\n{all}");
        }
        let hints: Vec<&str> = all
            .lines()
            .filter_map(|line| line.trim().strip_prefix("→ ").or_else(|| line.trim().strip_prefix("hint: ")))
            .collect();
        let hint = hints.iter().find(|line| line.contains(expect.hint)).copied();
        ensure!(hint.is_some() || expect.hint.is_empty(), "no next step with {:?} in {hints:?}:\n{all}", expect.hint);
        let silent = if report.exists() { ensure_only_these_fire(expect.fires, report)? } else { 0 };
        ensure!(silent > 0 || expect.fires.is_empty(), "a refusal keeps its report too:\n{all}");
        let guard = expect.fires.join(", ");
        Ok(Self { code: ended.code, guard, hint: hint.unwrap_or_default().to_owned(), silent })
    }
}

/// Of all guards these, and no other, say more than something worth knowing; gives how many kept silent.
fn ensure_only_these_fire(fires: &[&str], report: &Path) -> Result<usize> {
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report)?)?;
    let guards = report.pointer("/plan/guards").and_then(Value::as_array).context("guards in the report")?;
    let grave = |guard: &&Value| {
        let findings = guard["findings"].as_array();
        guard["verdict"] == "undetermined" || findings.is_some_and(|all| all.iter().any(|one| one["level"] != "info"))
    };
    let mut fired: Vec<&str> = guards.iter().filter(grave).filter_map(|guard| guard["check"].as_str()).collect();
    let silent = guards.len() - fired.len();
    let mut expected = fires.to_vec();
    fired.sort_unstable();
    expected.sort_unstable();
    let told = || guards.iter().filter(grave).map(|guard| format!("{guard:#}")).collect::<Vec<_>>().join("\n");
    ensure!(fired == expected, "{fired:?} fire instead of {expected:?}:\n{}", told());
    Ok(silent)
}

/// No secret, nothing that a terminal obeys, no panic.
pub fn safe_to_show(ended: &CommandOutput) -> Result<()> {
    let all = ended.all_text();
    ensure!(!all.contains(CANARY), "tells a secret:\n{all}");
    ensure!(!all.contains("panicked"), "{all}");
    let harmful = all.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    ensure!(harmful.is_none(), "{harmful:?} reaches the terminal:\n{all:?}");
    Ok(())
}

/// The closing table.
pub fn print<'a>(lines: impl Iterator<Item = (&'a str, &'a RunOutcome, f64)>) {
    println!("\n{:<28} {:>4}  {:<34} {:>6} {:>5}  hint", "case", "exit", "guard", "silent", "s");
    for (case, told, seconds) in lines {
        let RunOutcome { code, guard, hint, silent } = told;
        println!("{case:<28} {code:>4}  {guard:<34} {silent:>6} {seconds:>5.1}  {hint}");
    }
    println!();
}
