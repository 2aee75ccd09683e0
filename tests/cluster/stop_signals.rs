//! Ctrl-C: before the first write it stops the run at once, later at the next safe point; a second Ctrl-C stops it at
//! once.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::sandbox::User;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Test;
use crate::lock::{lock_names, newer_flags};
use crate::refusals::{command, upgrade};
use crate::small::NAMESPACE;
use crate::test_cluster::{CommandOutput, TestCluster};

pub const TESTS: &[Test] = &[
    ("stop_signals::before_the_first_write", before_the_first_write),
    ("stop_signals::during_a_short_step", during_a_short_step),
    ("stop_signals::while_helm_waits", while_helm_waits),
    ("stop_signals::twice", twice),
];

/// The pods wait for a node that does not exist.
const NO_NODE: [&str; 4] = ["--yes", "--set", "node=none", "--events"];

/// Starts an upgrade with JSON events, and sends SIGINT when a line contains this text.
pub fn interrupt_at(
    test_cluster: &TestCluster,
    flags: &[&'static str],
    line: &str,
    times: usize,
) -> Result<(CommandOutput, Duration)> {
    let flags = newer_flags(&[flags, &["json"]].concat());
    let mut command = command(test_cluster, User::Operator, &[], &flags)?;
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
    Ok((wait_for_end(child, stderr)?, took))
}

fn wait_for_end(mut child: Child, stderr: String) -> Result<CommandOutput> {
    let mut stdout = String::new();
    child.stdout.take().context("stdout")?.read_to_string(&mut stdout)?;
    Ok(CommandOutput { code: child.wait()?.code().context("it was killed")?, stdout, stderr })
}

fn newest_revision(test_cluster: &TestCluster) -> Result<Value> {
    let history = ["history", "mural", "--namespace", NAMESPACE, "--output", "json"];
    let history: Value =
        serde_json::from_str(&test_cluster.run(User::Admin, "helm", &history)?.expect_code(0)?.stdout)?;
    history.as_array().and_then(|all| all.last().cloned()).context("no history")
}

/// The same command completes the upgrade.
fn rerun_succeeds(test_cluster: &TestCluster) -> Result<()> {
    upgrade(test_cluster, User::Operator, &[], &newer_flags(&["--yes"]))?.expect_code(0).context("run again")?;
    let newest = newest_revision(test_cluster)?;
    ensure!(newest["chart"] == "mural-1.1.0-rc.3" && newest["status"] == "deployed", "{newest}");
    Ok(())
}

fn before_the_first_write(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let mark = test_cluster.mark()?;
    let (ended, took) = interrupt_at(test_cluster, &["--yes", "--events"], r#""stage":"look""#, 1)?;
    let ended = ended.expect_code(130)?;
    ensure!(ended.stderr.contains("nothing was written"), "{}", ended.stderr);
    ensure!(took < Duration::from_secs(2), "{took:?}");
    test_cluster.ensure_nothing_written(mark)
}

fn during_a_short_step(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let (ended, _) = interrupt_at(test_cluster, &["--yes", "--events"], r#""event":"step-started","step":"crds""#, 1)?;
    let ended = ended.expect_code(130)?;
    for word in ["stopping at the next safe point", r#""event":"step-done","step":"crds""#] {
        ensure!(ended.stderr.contains(word), "does not say {word:?}:\n{}", ended.stderr);
    }
    ensure!(ended.stdout.contains("done      crds") && ended.stdout.contains("was interrupted"), "{}", ended.stdout);
    ensure!(newest_revision(test_cluster)?["revision"] == 1, "the application was begun");
    ensure!(lock_names(test_cluster)?.is_empty(), "left behind: {:?}", lock_names(test_cluster)?);
    rerun_succeeds(test_cluster)
}

fn while_helm_waits(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let (ended, took) = interrupt_at(test_cluster, &NO_NODE, r#""event":"waiting""#, 1)?;
    let ended = ended.expect_code(130)?;
    ensure!(took < Duration::from_secs(10), "{took:?}");
    for word in ["was interrupted: upgrade mural", "done      crds, served, record", "run kubectl mural upgrade resume"]
    {
        ensure!(ended.stdout.contains(word), "does not say {word:?}:\n{}", ended.stdout);
    }
    ensure!(
        newest_revision(test_cluster)?["status"] == "failed",
        "helm did not record it: {}",
        newest_revision(test_cluster)?
    );
    ensure!(lock_names(test_cluster)?.is_empty(), "left behind: {:?}", lock_names(test_cluster)?);
    rerun_succeeds(test_cluster)
}

fn twice(test_cluster: &TestCluster) -> Result<()> {
    test_cluster.install_older()?;
    let mark = test_cluster.mark()?;
    let (ended, took) = interrupt_at(test_cluster, &NO_NODE, r#""event":"waiting""#, 2)?;
    let ended = ended.expect_code(130)?;
    ensure!(took < Duration::from_secs(3), "{took:?}");
    let all = ended.all_text();
    ensure!(all.contains("second Ctrl-C") || all.contains("was interrupted"), "{all}");
    let log = test_cluster.entries_since(mark)?;
    ensure!(!audit::writes_by(&log, "operator").is_empty(), "it had not begun");
    rerun_succeeds(test_cluster)
}
