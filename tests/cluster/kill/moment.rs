//! The moments and the ways in which a run is killed.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mural_tests::proxy::{FaultEffect, FaultProxy, FaultRule};
use mural_tests::sandbox::User;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::test_cluster::TestCluster;

/// The target of a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillTarget {
    Plugin,
    Tool,
    ProcessGroup,
    /// The network: from this moment every connection is reset.
    Network,
}

impl KillTarget {
    pub const ALL: [Self; 4] = [Self::Plugin, Self::Tool, Self::ProcessGroup, Self::Network];
}

impl fmt::Display for KillTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plugin => "ourselves",
            Self::Tool => "helm or kubectl",
            Self::ProcessGroup => "the whole group",
            Self::Network => "the network",
        })
    }
}

/// Repeatable random numbers (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to 1.
    pub fn throw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or_default()) / f64::from(u32::MAX)
    }
}

/// Durations of an undisturbed upgrade.
pub struct Undisturbed {
    locked: Duration,
    whole: Duration,
}

impl fmt::Display for Undisturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1?}, the lock taken after {:.1?}", self.whole, self.locked)
    }
}

impl Undisturbed {
    /// Updates the durations if a later run was quicker than the first, which had cold caches.
    pub fn record_duration(&mut self, took: Duration) {
        self.whole = self.whole.min(took).max(self.locked);
    }

    /// A random moment of a run that continues an upgrade. It has less to do.
    pub fn later(&self, dice: &mut Dice) -> Duration {
        self.whole.mul_f64(dice.throw() * 0.7)
    }

    /// A random moment: two of three times during the writes.
    pub fn moment(&self, dice: &mut Dice, round: usize) -> Duration {
        let from = if round % 3 == 2 { Duration::ZERO } else { self.locked };
        from + (self.whole - from).mul_f64(dice.throw())
    }
}

/// Runs the upgrade to its end and measures it.
pub fn measure_undisturbed(mut command: Command) -> Result<Undisturbed> {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let (mut locked, mut said) = (None, String::new());
    for line in BufReader::new(child.stderr.take().context("stderr")?).lines() {
        let line = line?;
        if line.contains("lock        acquired") {
            locked = Some(began.elapsed());
        }
        said += &format!("{line}\n");
    }
    ensure!(child.wait()?.success(), "undisturbed, it fails:\n{said}");
    Ok(Undisturbed { locked: locked.with_context(|| format!("it takes no lock:\n{said}"))?, whole: began.elapsed() })
}

/// Message of `resume`, with exit code 5, after a run that was killed before its first journal entry. Nothing was
/// written.
pub const NOTHING_TO_RESUME: &str = "there is nothing to resume";

/// The result of a kill.
pub struct Killed {
    summary: String,
    /// Why the kill missed.
    pub missed: Option<Missed>,
}

/// Why a kill missed.
#[derive(Debug)]
pub enum Missed {
    /// The run had succeeded before, after this duration.
    Done(Duration),
    NothingToResume,
    /// The run failed by itself, with this output.
    ByItself(String),
}

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)
    }
}

/// Starts the run in its own process group and kills the target at the moment. No helm and no kubectl of it may
/// survive.
pub fn kill(test_cluster: &TestCluster, mut command: Command, how: KillTarget, when: Duration) -> Result<Killed> {
    let proxy = match how {
        KillTarget::Network => {
            Some(FaultProxy::start(&test_cluster.sandbox()?.kubeconfig(User::Operator), test_cluster.files())?)
        }
        KillTarget::Plugin | KillTarget::Tool | KillTarget::ProcessGroup => None,
    };
    if let Some(proxy) = &proxy {
        command.env("KUBECONFIG", proxy.kubeconfig());
    }
    let began = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).spawn()?;
    let pid = Pid::from_child(&child);
    std::thread::sleep(when.saturating_sub(began.elapsed()));
    let took = began.elapsed();
    let before = child.try_wait()?;
    let mut tools = children(child.id());
    let what = match how {
        _ if before.is_some() => "nothing was left to kill".to_owned(),
        KillTarget::Plugin => kill_process(pid, Signal::KILL).map(|()| "we died".to_owned()).context("kill")?,
        KillTarget::ProcessGroup => {
            kill_process_group(pid, Signal::KILL).map(|()| "all died".to_owned()).context("kill")?
        }
        KillTarget::Tool => a_tool(&child, &mut tools)?.unwrap_or_else(|| "no tool was left to kill".to_owned()),
        KillTarget::Network => {
            if let Some(proxy) = &proxy {
                proxy.add_fault(FaultRule::for_path_containing("", FaultEffect::Reset).times(usize::MAX));
            }
            "nothing got through any more".to_owned()
        }
    };
    let running = tools.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ended = output.status.code().map_or_else(|| "killed".to_owned(), |code| format!("exit {code}"));
    wait_until_gone(&tools)?;
    let step = said
        .lines()
        .rfind(|line| line.starts_with('✔'))
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap_or("nothing");
    let with = if running.is_empty() { String::new() } else { format!(" with {running} running") };
    let told = format!("after {:.2}s {what}{with}, {ended}, last done: {step}", took.as_secs_f64());
    let struck = match how {
        KillTarget::Plugin | KillTarget::ProcessGroup => output.status.signal() == Some(9),
        KillTarget::Tool => what.ends_with(DIED),
        KillTarget::Network => before.is_none(),
    };
    let missed = match (said.contains(NOTHING_TO_RESUME), output.status.success()) {
        (true, _) => Some(Missed::NothingToResume),
        (false, true) => Some(Missed::Done(took)),
        (false, false) => (!struck).then_some(Missed::ByItself(said)),
    };
    Ok(Killed { summary: told, missed })
}

/// Text in the output of a run whose tool was killed.
const DIED: &str = " died";

/// Kills the helm or kubectl that runs now, or the next one; none if the run starts no more of them.
fn a_tool(child: &Child, tools: &mut Vec<(u32, String)>) -> Result<Option<String>> {
    let began = Instant::now();
    while tools.is_empty() {
        if !std::path::Path::new(&format!("/proc/{}/exe", child.id())).exists() || ended(child.id()) {
            return Ok(None);
        }
        if began.elapsed() > Duration::from_secs(60) {
            bail!("neither a tool nor an end within a minute");
        }
        std::thread::sleep(Duration::from_millis(2));
        *tools = children(child.id());
    }
    let (pid, name) = &tools[0];
    let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw).context("a pid")?;
    // It may have ended by itself at the same moment.
    Ok(kill_process(pid, Signal::KILL).ok().map(|()| format!("{name}{DIED}")))
}

/// The helm and kubectl processes that a process has started, by `/proc`.
pub fn children(parent: u32) -> Vec<(u32, String)> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| stat(pid).filter(|stat| stat.1 == parent && !stat.2).map(|stat| (pid, stat.0)))
        .filter(|(_, name)| {
            name == "helm" || name == "kubectl" || name.starts_with("helm-") || name.starts_with("kubectl-1")
        })
        .collect()
}

fn ended(pid: u32) -> bool {
    stat(pid).is_none_or(|stat| stat.2)
}

/// Name, parent, and whether it is a zombie (`/proc/PID/stat`: the name stands in brackets and may hold anything).
fn stat(pid: u32) -> Option<(String, u32, bool)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (before, after) = text.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let mut fields = after.split_whitespace();
    let zombie = fields.next()? == "Z";
    Some((name, fields.next()?.parse().ok()?, zombie))
}

fn wait_until_gone(tools: &[(u32, String)]) -> Result<()> {
    let began = Instant::now();
    while let Some((pid, name)) =
        tools.iter().find(|(pid, name)| stat(*pid).is_some_and(|stat| stat.0 == *name && !stat.2))
    {
        ensure!(began.elapsed() < Duration::from_secs(5), "{name} ({pid}) lives on without us");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
