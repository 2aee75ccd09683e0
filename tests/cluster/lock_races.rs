//! Races of two operators: exactly one writes, and a run that loses its Lease writes nothing more. `MURAL_RACES=20`
//! makes 20 races.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::sandbox::User;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Test;
use crate::journal::newest_run;
use crate::kill::env;
use crate::lock::{lock_names, newer_flags};
use crate::refusals::command;
use crate::small::{self, NAMESPACE};
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};

pub const TESTS: &[Test] = &[
    ("lock_races::two_operators_and_one_writes", two_operators_and_one_writes),
    ("lock_races::a_lost_lock_stops_before_the_next_write", a_lost_lock_stops_before_the_next_write),
];

/// The command `resume`, not started yet.
pub fn resume_command(test_cluster: &TestCluster) -> Result<std::process::Command> {
    let values = small::values(test_cluster)?;
    let mut command = test_cluster.command(User::Operator, "kubectl-mural-upgrade")?;
    command.args(["resume", "--plain-http", "--yes", "--wait-for-lock", "60s", "--values", &values]);
    Ok(command)
}

/// A run that is still in progress, with its events read up to a line.
pub struct RunningUpgrade {
    pub child: Child,
    reader: BufReader<std::process::ChildStderr>,
    stderr: String,
}

/// Starts an upgrade and reads its events up to a line that contains this text.
pub fn run_until(mut command: std::process::Command, line: &str) -> Result<RunningUpgrade> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (mut reader, mut stderr) = (BufReader::new(child.stderr.take().context("stderr")?), String::new());
    while !stderr.contains(line) {
        ensure!(reader.read_line(&mut stderr)? > 0, "it ended before {line:?}:\n{stderr}");
    }
    Ok(RunningUpgrade { child, reader, stderr })
}

impl RunningUpgrade {
    pub fn wait(mut self) -> Result<CommandOutput> {
        std::io::Read::read_to_string(&mut self.reader, &mut self.stderr)?;
        let output = self.child.wait_with_output()?;
        Ok(CommandOutput { stderr: self.stderr, ..to_command_output(output)? })
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("signal")
    }
}

pub fn step_started_line(id: &str) -> String {
    format!(r#""event":"step-started","step":"{id}""#)
}

pub fn count_revisions(test_cluster: &TestCluster) -> Result<usize> {
    let history = ["history", "mural", "--namespace", NAMESPACE, "--output", "json"];
    let history: Value =
        serde_json::from_str(&test_cluster.run(User::Admin, "helm", &history)?.expect_code(0)?.stdout)?;
    Ok(history.as_array().map_or(0, Vec::len))
}

/// Two processes start a random time apart. In every second race, one of them resumes an interrupted run.
fn two_operators_and_one_writes(test_cluster: &TestCluster) -> Result<()> {
    let races = env("MURAL_RACES").map_or(Ok(2), |races| races.parse::<usize>()).context("MURAL_RACES")?;
    let seed = env("MURAL_KILL_SEED").map_or_else(|| Ok(7), |seed| seed.parse()).context("MURAL_KILL_SEED")?;
    let mut dice = crate::kill::moment::Dice::new(seed);
    println!("\n  {races} races, MURAL_KILL_SEED={seed}");
    for race in 0..races {
        test_cluster.install_older()?;
        let resumes = race % 2 == 1;
        if resumes {
            let stopped = run_until(
                command(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--events", "json"]))?,
                &step_started_line("crds"),
            )?;
            stopped.signal(Signal::INT)?;
            stopped.wait()?.expect_code(130)?;
        }
        let mark = test_cluster.mark()?;
        let apart = Duration::from_secs_f64(dice.throw() * 1.5);
        let start = |mut command: std::process::Command| {
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
        };
        let first = start(if resumes {
            resume_command(test_cluster)?
        } else {
            command(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?
        })?;
        std::thread::sleep(apart);
        let second =
            start(command(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--wait-for-lock", "0s"]))?)?;
        let both = [first, second]
            .map(|child| child.wait_with_output().map_err(anyhow::Error::from).and_then(to_command_output));
        let [first, second] = both;
        let (first, second) = (first?, second?);
        let codes = [first.code, second.code];
        println!(
            "  {race:>3}  {} apart {apart:.2?}: exit codes {codes:?}",
            if resumes { "resume and a new run" } else { "two new runs" }
        );
        let told = || format!("{codes:?}\n{}\n{}", first.all_text(), second.all_text());
        ensure!(codes.contains(&0) && codes.iter().all(|code| [0, 5, 7].contains(code)), "{}", told());
        let log = test_cluster.entries_since(mark)?;
        let written = |entry: &&audit::Entry| entry.is_crd() && entry.succeeded();
        let crds = audit::writes_by(&log, "operator").into_iter().filter(written).count();
        ensure!(crds == if resumes { 0 } else { 2 }, "{crds} writes of CRDs:\n{}", told());
        ensure!(count_revisions(test_cluster)? == 2, "{} revisions:\n{}", count_revisions(test_cluster)?, told());
        ensure!(
            lock_names(test_cluster)?.is_empty() && !newest_run(test_cluster)?.is_unfinished(),
            "left behind: {:?}\n{}",
            lock_names(test_cluster)?,
            told()
        );
    }
    Ok(())
}

/// The Lease is deleted during a step: the step ends, and no other step starts.
fn a_lost_lock_stops_before_the_next_write(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let run = run_until(
        command(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--events", "json"]))?,
        &step_started_line("crds"),
    )?;
    let gone = ["delete", "lease", "mural-upgrade", "--namespace", NAMESPACE];
    test_cluster.run(User::Admin, "kubectl", &gone)?.expect_code(0)?;
    let mark = test_cluster.mark()?;
    let ended = run.wait()?.expect_code(1)?;
    for word in ["this run has lost the lock", "was deleted", "kubectl mural upgrade status"] {
        ensure!(ended.all_text().contains(word), "does not say {word:?}:\n{}", ended.all_text());
    }
    let log = test_cluster.entries_since(mark)?;
    let writes = audit::writes_by(&log, "operator");
    ensure!(writes.iter().all(|entry| entry.is_crd()), "wrote on: {writes:?}");
    ensure!(count_revisions(test_cluster)? == 1, "the application was begun");
    let on = resume_to_success(test_cluster)?.output;
    ensure!(on.stderr.contains("verified crds"), "{}", on.all_text());
    Ok(())
}

/// An interrupted upgrade that a second command completed.
pub struct CompletedUpgrade {
    /// `resume`, or `retry` for the same command again.
    pub command: &'static str,
    pub output: CommandOutput,
}

/// Runs `resume`, or the same command again if the journal has no run yet.
pub fn resume_to_success(test_cluster: &TestCluster) -> Result<CompletedUpgrade> {
    let resumed = to_command_output(resume_command(test_cluster)?.output()?)?;
    if resumed.code == 64 && resumed.stderr.contains("there is nothing to resume") {
        let mut retry = command(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?;
        let output = to_command_output(retry.output()?)?.expect_code(0)?;
        return Ok(CompletedUpgrade { command: "retry", output });
    }
    Ok(CompletedUpgrade { command: "resume", output: resumed.expect_code(0)? })
}
