//! Upgrades that are killed at random moments and then continued: the cluster ends as after an undisturbed upgrade.
//!
//! The upgrade is continued in turn by `resume` and by the same command, which can be killed too, up to three times. A
//! fault proxy cuts the network.
//!
//! `MURAL_KILLS=200` makes 200 kills, each from the same snapshot; `MURAL_KILL_SEED` repeats a run; `MURAL_KILL_HELM`
//! selects the helm. With `MURAL_KILLS`, the upgrade of the sample pair is killed too, once in each way:
//!
//! ```text
//! MURAL_KILLS=200 MURAL_KILL_HELM=3.17.2 cargo test -p mural-tests --test cluster -- kill
//! ```

pub mod moment;
pub mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::lock::newer_flags;
use crate::refusals::command;
use crate::sample;
use crate::small::NAMESPACE;
use crate::test_cluster::{TestCluster, to_command_output};
use moment::{Dice, KillTarget, Killed, Missed, NOTHING_TO_RESUME, Undisturbed};

/// Kills in an ordinary test run.
const DEFAULT_KILLS: usize = 10;
/// Kills of one upgrade at most. The commands that continue it are killed too.
const MAX_KILLS_IN_CHAIN: usize = 3;
/// Runs that may be needed after the last kill: one to continue, and another if a dying helm changed the cluster
/// meanwhile.
const AGAIN: usize = 2;

pub fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = vec![("kill::the_small_pair", the_small_pair)];
    if env("MURAL_KILLS").is_some() {
        tests.push(("kill::the_sample_pair", the_sample_pair));
    }
    tests
}

pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The upgrade under test.
struct Case<'a> {
    test_cluster: &'a TestCluster,
    /// Restores the older installation.
    restore: &'a dyn Fn() -> Result<()>,
    /// The upgrade, not started yet.
    upgrade: &'a dyn Fn() -> Result<std::process::Command>,
    /// `resume` with the same values, not started yet.
    resume: &'a dyn Fn() -> Result<std::process::Command>,
}

fn the_small_pair(test_cluster: &TestCluster) -> Result<()> {
    let restore = || {
        test_cluster.install_older()?;
        objects_of_an_operator(test_cluster)
    };
    let upgrade = || command(test_cluster, User::Operator, &[], &newer_flags(&["--yes", "--wait-for-lock", "60s"]));
    let values = crate::small::values(test_cluster)?;
    let resume = || resume(test_cluster, &["--values", &values]);
    let kills = env("MURAL_KILLS").map_or(Ok(DEFAULT_KILLS), |kills| kills.parse()).context("MURAL_KILLS")?;
    all(&Case { test_cluster, restore: &restore, upgrade: &upgrade, resume: &resume }, kills)
}

fn the_sample_pair(test_cluster: &TestCluster) -> Result<()> {
    let sandbox = test_cluster.sandbox()?;
    mural_tests::install::install(sandbox, &mural_tests::install::Args::default())?;
    let snapshot = sandbox.snapshot("sample")?;
    let restore = || {
        sandbox.restore(&snapshot)?;
        sample::ready_again(test_cluster)
    };
    let upgrade = || sample::command(test_cluster, &[], &["--yes", "--wait-for-lock", "60s"]);
    let values = mural_tests::charts::values_file().display().to_string();
    let hooks = mural_tests::install::webhook_values(sandbox)?;
    let mut flags = vec!["--values", values.as_str()];
    flags.extend(hooks.iter().flat_map(|value| ["--set", value.as_str()]));
    let resume = || resume(test_cluster, &flags);
    all(&Case { test_cluster, restore: &restore, upgrade: &upgrade, resume: &resume }, KillTarget::ALL.len() * 2)
}

fn resume(test_cluster: &TestCluster, flags: &[&str]) -> Result<std::process::Command> {
    let mut command = test_cluster.command(User::Operator, "kubectl-mural-upgrade")?;
    command.args(["resume", "--plain-http", "--yes", "--wait-for-lock", "60s"]).args(flags);
    Ok(command)
}

/// Creates custom resources that no chart owns, as an operator would.
fn objects_of_an_operator(test_cluster: &TestCluster) -> Result<()> {
    let one = |kind: &str, at: usize| {
        json!({"apiVersion": "small.example.com/v1", "kind": kind,
            "metadata": {"name": format!("kept-{at}"), "namespace": NAMESPACE}, "spec": {"size": at}})
    };
    let items: Vec<Value> = (0..10).flat_map(|at| [one("Pool", at), one("Widget", at)]).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    test_cluster.run_with(User::Admin, "kubectl", &["create", "--filename", "-"], &list, &[])?.expect_code(0)?;
    Ok(())
}

/// The result of an undisturbed upgrade.
struct Wanted {
    state: state::ClusterState,
    custom_resources: state::CustomResources,
}

fn all(case: &Case<'_>, kills: usize) -> Result<()> {
    let seed =
        env("MURAL_KILL_SEED").map_or_else(|| Ok(jiff_seed()), |seed| seed.parse()).context("MURAL_KILL_SEED")?;
    if let Some(helm) = env("MURAL_KILL_HELM") {
        case.test_cluster.use_helm(&helm)?;
    }
    (case.restore)()?;
    let undisturbed = moment::measure_undisturbed((case.upgrade)()?)?;
    let wanted = Wanted {
        state: state::read_state(case.test_cluster)?,
        custom_resources: state::read_custom_resources(case.test_cluster)?,
    };
    println!("\n  seed {seed}, {kills} kills; undisturbed {undisturbed}");
    let mut chance = Chance { dice: Dice::new(seed), undisturbed };
    let (mut at, mut told, mut failed) = (0, BTreeMap::<String, usize>::new(), Vec::new());
    for chain in (1..=MAX_KILLS_IN_CHAIN).rev().cycle() {
        if at >= kills {
            break;
        }
        let most = chain.min(kills - at);
        match until_it_hits(case, at..at + most, &mut chance, &wanted) {
            Ok(story) => {
                print!("{story}");
                for how in story.killed.iter().map(|(how, _)| *how) {
                    *told.entry(format!("{how}: converged")).or_default() += 1;
                }
                at += story.killed.len();
            }
            Err(error) => {
                println!("  {at:>3}  FAILED {error:#}");
                failed.push(format!("{at}: {error:#}"));
                at += most;
            }
        }
    }
    told.iter().for_each(|(what, count)| println!("  {count:>3} × {what}"));
    ensure!(
        failed.is_empty(),
        "{} upgrades did not converge (MURAL_KILL_SEED={seed}):\n{}",
        failed.len(),
        failed.join("\n\n")
    );
    Ok(())
}

fn jiff_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| since.as_secs())
}

/// Chooses the moments.
struct Chance {
    dice: Dice,
    undisturbed: Undisturbed,
}

/// An upgrade with its kills, and how it was completed.
struct Story {
    first_kill: usize,
    killed: Vec<(KillTarget, Killed)>,
    /// The command that completed it, and the number of attempts.
    ended: &'static str,
    runs: usize,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (how, killed)) in self.killed.iter().enumerate() {
            let more = if at == 0 { "" } else { "again " };
            let last = at + 1 == self.killed.len();
            let ended = if last { format!("; ended by {}, run {}", self.ended, self.runs) } else { String::new() };
            writeln!(f, "  {:>3}  {how:<16} {more}{killed}{ended}", self.first_kill + at)?;
        }
        Ok(())
    }
}

/// Repeats a kill that came after the end of the run.
fn until_it_hits(case: &Case<'_>, kills: Range<usize>, chance: &mut Chance, wanted: &Wanted) -> Result<Story> {
    for _ in 0..20 {
        if let Some(story) = trial(case, kills.clone(), chance, wanted)? {
            return Ok(story);
        }
    }
    anyhow::bail!("twenty kills, and all of them came too late")
}

/// Kills one upgrade, continues it, and kills it again. The last run must succeed.
fn trial(case: &Case<'_>, kills: Range<usize>, chance: &mut Chance, wanted: &Wanted) -> Result<Option<Story>> {
    (case.restore)()?;
    let before = state::read_custom_resources(case.test_cluster)?;
    let (mut at, mut killed, mut next, mut stumbled) = (kills.start, Vec::new(), Next::Upgrade, false);
    while at < kills.end {
        let how = KillTarget::ALL[at % KillTarget::ALL.len()];
        let Chance { dice, undisturbed } = &mut *chance;
        let when = if killed.is_empty() {
            undisturbed.moment(dice, at / KillTarget::ALL.len())
        } else {
            undisturbed.later(dice)
        };
        let one = moment::kill(case.test_cluster, next.command(case)?, how, when).with_context(|| how.to_string())?;
        match &one.missed {
            Some(Missed::Done(took)) if killed.is_empty() => {
                chance.undisturbed.record_duration(*took);
                return Ok(None);
            }
            Some(Missed::Done(_)) => break,
            Some(Missed::NothingToResume) => next = Next::Upgrade,
            // A dying helm may change the cluster once more after a run has read it, so one failure is allowed.
            Some(Missed::ByItself(said)) => {
                ensure!(
                    !std::mem::replace(&mut stumbled, true),
                    "{one}: not by us, and not for the first time\n{said}"
                );
            }
            None => {
                next = if resumes(at) { Next::Resume } else { Next::Upgrade };
                killed.push((how, one));
                at += 1;
            }
        }
    }
    let story = || killed.iter().map(|(how, killed)| format!("{how}: {killed}")).collect::<Vec<_>>().join("; ");
    let runs = to_the_end(case, next).with_context(story)?;
    wanted.state.ensure_same(&state::read_state(case.test_cluster)?).with_context(story)?;
    before
        .ensure_unchanged(&state::read_custom_resources(case.test_cluster)?, &wanted.custom_resources)
        .with_context(story)?;
    Ok(Some(Story { first_kill: kills.start, killed, ended: next.name(), runs }))
}

/// Runs `resume` or the same command until it succeeds. Returns the number of attempts.
fn to_the_end(case: &Case<'_>, next: Next) -> Result<usize> {
    let mut said = Vec::new();
    for again in 1..=AGAIN {
        let mut came = to_command_output(next.command(case)?.output()?)?;
        if came.code == 64 && came.stderr.contains(NOTHING_TO_RESUME) {
            came = to_command_output(Next::Upgrade.command(case)?.output()?)?;
        }
        if came.code == 0 {
            return Ok(again);
        }
        let words = came.stderr.trim().replace('\n', "\n         ");
        println!("       run {again} of going on ended with {}: {words}", came.code);
        said.push(came.all_text());
    }
    anyhow::bail!("{AGAIN} runs more and still not done:\n{}", said.join("\n"))
}

/// The command that continues an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The same command again.
    Upgrade,
    Resume,
}

impl Next {
    fn command(self, case: &Case<'_>) -> Result<std::process::Command> {
        match self {
            Self::Upgrade => (case.upgrade)(),
            Self::Resume => (case.resume)(),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Upgrade => "the same command",
            Self::Resume => "resume",
        }
    }
}

/// Rotates through both commands and all targets.
const fn resumes(at: usize) -> bool {
    (at / KillTarget::ALL.len() + at) % 2 == 1
}
