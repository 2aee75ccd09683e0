//! Ctrl-C: before the first write it ends everything at once, after it at the next safe point, and twice at once.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::sandbox::User;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::lock::{locks, newer};
use crate::refusals::{command, upgrade};
use crate::small::NAMESPACE;

pub const TESTS: &[Test] = &[
    ("stopped::before_the_first_write", before_the_first_write),
    ("stopped::in_a_step_that_takes_a_moment", in_a_step_that_takes_a_moment),
    ("stopped::while_helm_waits", while_helm_waits),
    ("stopped::twice", twice),
];

/// Its pods wait for a node that does not come.
const NO_NODE: [&str; 4] = ["--yes", "--set", "node=none", "--events"];

/// An upgrade that tells its events, and gets Ctrl-C when a line of them says this.
pub fn stopped_at(ground: &Ground, flags: &[&'static str], line: &str, times: usize) -> Result<(Ended, Duration)> {
    let flags = newer(&[flags, &["json"]].concat());
    let mut command = command(ground, User::Operator, &[], &flags)?;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut reader = BufReader::new(child.stderr.take().context("stderr")?);
    let mut stderr = String::new();
    while !stderr.contains(line) {
        ensure!(reader.read_line(&mut stderr)? > 0, "it ended before {line:?}:\n{stderr}");
    }
    let began = Instant::now();
    for _ in 0..times {
        kill_process(Pid::from_child(&child), Signal::INT)?;
        std::thread::sleep(Duration::from_millis(300));
    }
    reader.read_to_string(&mut stderr)?;
    let took = began.elapsed();
    Ok((end(child, stderr)?, took))
}

fn end(mut child: Child, stderr: String) -> Result<Ended> {
    let mut stdout = String::new();
    child.stdout.take().context("stdout")?.read_to_string(&mut stdout)?;
    Ok(Ended { code: child.wait()?.code().context("it was killed")?, stdout, stderr })
}

fn newest(ground: &Ground) -> Result<Value> {
    let history = ["history", "mural", "--namespace", NAMESPACE, "--output", "json"];
    let history: Value = serde_json::from_str(&ground.run(User::Admin, "helm", &history)?.with(0)?.stdout)?;
    history.as_array().and_then(|all| all.last().cloned()).context("no history")
}

/// Nobody has to lend a hand: the same command goes on.
fn goes_on(ground: &Ground) -> Result<()> {
    upgrade(ground, User::Operator, &[], &newer(&["--yes"]))?.with(0).context("run again")?;
    let newest = newest(ground)?;
    ensure!(newest["chart"] == "mural-1.1.0-rc.3" && newest["status"] == "deployed", "{newest}");
    Ok(())
}

fn before_the_first_write(ground: &Ground) -> Result<()> {
    ground.older()?;
    let mark = ground.mark()?;
    let (ended, took) = stopped_at(ground, &["--yes", "--events"], r#""stage":"look""#, 1)?;
    let ended = ended.with(130)?;
    ensure!(ended.stderr.contains("nothing was written"), "{}", ended.stderr);
    ensure!(took < Duration::from_secs(2), "{took:?}");
    ground.nothing_written(mark)
}

fn in_a_step_that_takes_a_moment(ground: &Ground) -> Result<()> {
    ground.older()?;
    let (ended, _) = stopped_at(ground, &["--yes", "--events"], r#""event":"step-started","step":"crds""#, 1)?;
    let ended = ended.with(130)?;
    for word in ["stopping at the next safe point", r#""event":"step-done","step":"crds""#] {
        ensure!(ended.stderr.contains(word), "does not say {word:?}:\n{}", ended.stderr);
    }
    ensure!(ended.stdout.contains("done      crds") && ended.stdout.contains("was stopped"), "{}", ended.stdout);
    ensure!(newest(ground)?["revision"] == 1, "the application was begun");
    ensure!(locks(ground)?.is_empty(), "left behind: {:?}", locks(ground)?);
    goes_on(ground)
}

fn while_helm_waits(ground: &Ground) -> Result<()> {
    ground.older()?;
    let (ended, took) = stopped_at(ground, &NO_NODE, r#""event":"waiting""#, 1)?;
    let ended = ended.with(130)?;
    ensure!(took < Duration::from_secs(10), "{took:?}");
    for word in ["mural was stopped", "done      crds, served, record", "run the same command again"] {
        ensure!(ended.stdout.contains(word), "does not say {word:?}:\n{}", ended.stdout);
    }
    ensure!(newest(ground)?["status"] == "failed", "helm did not record it: {}", newest(ground)?);
    ensure!(locks(ground)?.is_empty(), "left behind: {:?}", locks(ground)?);
    goes_on(ground)
}

fn twice(ground: &Ground) -> Result<()> {
    ground.older()?;
    let mark = ground.mark()?;
    let (ended, took) = stopped_at(ground, &NO_NODE, r#""event":"waiting""#, 2)?;
    let ended = ended.with(130)?;
    ensure!(took < Duration::from_secs(3), "{took:?}");
    let all = ended.all();
    ensure!(all.contains("second Ctrl-C") || all.contains("was stopped"), "{all}");
    let log = ground.since(mark)?;
    ensure!(!audit::writes_by(&log, "operator").is_empty(), "it had not begun");
    goes_on(ground)
}
