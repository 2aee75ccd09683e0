//! An upgrade that is killed, anywhere, and gone on from: it ends as if nothing had happened, and nobody had to lend a hand.
//!
//! Every second one is gone on from by `resume`, the others by the same command again. The network dies by a proxy.
//!
//! `MURAL_KILLS=30` kills so often, each time from the same snapshot; `MURAL_KILL_SEED` repeats a run; `MURAL_KILL_HELM` is
//! the helm that is used. With `MURAL_KILLS` the sample pair is killed too, once in each way:
//!
//! ```text
//! MURAL_KILLS=30 MURAL_KILL_HELM=3.17.2 cargo test -p mural-tests --test cluster -- kill
//! ```

pub mod moment;
pub mod state;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mural_tests::sandbox::User;
use serde_json::{Value, json};

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::lock::newer;
use crate::refusals::command;
use crate::sample;
use crate::small::NAMESPACE;
use moment::{Dice, How, Killed};

/// Kills in an ordinary test run, one in each way: the budget is 60 seconds.
const FEW: usize = 4;
/// Runs after a kill that may be needed: the one that goes on, and one more where a dying helm moved the world meanwhile.
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

/// What is killed, and what it shall look like in the end.
struct Case<'a> {
    ground: &'a Ground,
    /// Brings the older installation back.
    restore: &'a dyn Fn() -> Result<()>,
    /// The upgrade, not started yet.
    upgrade: &'a dyn Fn() -> Result<std::process::Command>,
    /// `resume` with the same values, not started yet.
    resume: &'a dyn Fn() -> Result<std::process::Command>,
}

fn the_small_pair(ground: &Ground) -> Result<()> {
    let restore = || {
        ground.older()?;
        objects_of_an_operator(ground)
    };
    let upgrade = || command(ground, User::Operator, &[], &newer(&["--yes", "--wait-for-lock", "60s"]));
    let values = crate::small::values(ground)?;
    let resume = || resume(ground, &["--values", &values]);
    let kills = env("MURAL_KILLS").map_or(Ok(FEW), |kills| kills.parse()).context("MURAL_KILLS")?;
    all(&Case { ground, restore: &restore, upgrade: &upgrade, resume: &resume }, kills)
}

fn the_sample_pair(ground: &Ground) -> Result<()> {
    let sandbox = ground.sandbox()?;
    mural_tests::install::install(sandbox, &mural_tests::install::Args::default())?;
    let snapshot = sandbox.snapshot("sample")?;
    let restore = || {
        sandbox.restore(&snapshot)?;
        sample::ready_again(ground)
    };
    let upgrade = || sample::command(ground, &[], &["--yes", "--wait-for-lock", "60s"]);
    let values = mural_tests::charts::values_file().display().to_string();
    let hooks = mural_tests::install::webhook_values(sandbox)?;
    let mut flags = vec!["--values", values.as_str()];
    flags.extend(hooks.iter().flat_map(|value| ["--set", value.as_str()]));
    let resume = || resume(ground, &flags);
    all(&Case { ground, restore: &restore, upgrade: &upgrade, resume: &resume }, How::ALL.len() * 2)
}

fn resume(ground: &Ground, flags: &[&str]) -> Result<std::process::Command> {
    let mut command = ground.command(User::Operator, "kubectl-mural-upgrade")?;
    command.args(["resume", "--plain-http", "--yes", "--wait-for-lock", "60s"]).args(flags);
    Ok(command)
}

/// Custom resources that no chart owns: the ones that hurt most when they are lost.
fn objects_of_an_operator(ground: &Ground) -> Result<()> {
    let one = |kind: &str, at: usize| {
        json!({"apiVersion": "small.example.com/v1", "kind": kind,
            "metadata": {"name": format!("kept-{at}"), "namespace": NAMESPACE}, "spec": {"size": at}})
    };
    let items: Vec<Value> = (0..10).flat_map(|at| [one("Pool", at), one("Widget", at)]).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    ground.run_with(User::Admin, "kubectl", &["create", "--filename", "-"], &list, &[])?.with(0)?;
    Ok(())
}

/// What an upgrade that nobody disturbs leaves.
struct Wanted {
    state: state::State,
    kept: state::Kept,
}

fn all(case: &Case<'_>, kills: usize) -> Result<()> {
    let seed =
        env("MURAL_KILL_SEED").map_or_else(|| Ok(jiff_seed()), |seed| seed.parse()).context("MURAL_KILL_SEED")?;
    if let Some(helm) = env("MURAL_KILL_HELM") {
        case.ground.use_helm(&helm)?;
    }
    (case.restore)()?;
    let mut undisturbed = moment::undisturbed((case.upgrade)()?)?;
    let wanted = Wanted { state: state::of(case.ground)?, kept: state::custom_resources(case.ground)? };
    println!("\n  seed {seed}, {kills} kills; undisturbed {undisturbed}");
    let (mut dice, mut told, mut failed) = (Dice::new(seed), BTreeMap::<String, usize>::new(), Vec::new());
    for (at, how) in How::ALL.into_iter().cycle().take(kills).enumerate() {
        match until_it_hits(case, how, at, (&mut dice, &mut undisturbed), &wanted) {
            Ok((killed, again)) => {
                let by = if resumes(at) { "resume" } else { "a new run" };
                println!("  {at:>3}  {how:<16} {killed}; ended by {by}, run {}", again + 1);
                let more = if again == 1 { "run" } else { "runs" };
                *told.entry(format!("{how}: converged with {again} {more} more")).or_default() += 1;
            }
            Err(error) => {
                println!("  {at:>3}  {how:<16} FAILED {error:#}");
                failed.push(format!("{at} ({how}): {error:#}"));
            }
        }
    }
    told.iter().for_each(|(what, count)| println!("  {count:>3} × {what}"));
    ensure!(
        failed.is_empty(),
        "{} of {kills} did not converge (MURAL_KILL_SEED={seed}):\n{}",
        failed.len(),
        failed.join("\n\n")
    );
    Ok(())
}

/// Every second kill, and each way of killing in turn.
const fn resumes(at: usize) -> bool {
    (at / How::ALL.len() + at) % 2 == 1
}

fn jiff_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| since.as_secs())
}

/// A kill that comes when all is done is no kill: thrown again.
fn until_it_hits(
    case: &Case<'_>,
    how: How,
    at: usize,
    (dice, undisturbed): (&mut Dice, &mut moment::Undisturbed),
    wanted: &Wanted,
) -> Result<(Killed, usize)> {
    for _ in 0..20 {
        let when = undisturbed.moment(dice, at / How::ALL.len());
        let done = trial(case, how, when, resumes(at), wanted).with_context(|| format!("after {when:.2?}"))?;
        match done.0.too_late {
            Some(took) => undisturbed.took(took),
            None => return Ok(done),
        }
    }
    anyhow::bail!("twenty kills, and all of them came too late")
}

/// One kill, and `resume` or the same command until it ends well. Says how often that was.
fn trial(case: &Case<'_>, how: How, when: Duration, resumes: bool, wanted: &Wanted) -> Result<(Killed, usize)> {
    (case.restore)()?;
    let before = state::custom_resources(case.ground)?;
    let killed = moment::kill(case.ground, (case.upgrade)()?, how, when)?;
    let mut last: Option<Ended> = None;
    for again in 1..=AGAIN {
        let ended = match resumes {
            true => crate::ground::ended((case.resume)()?.output()?)?,
            false => crate::ground::ended((case.upgrade)()?.output()?)?,
        };
        // Killed before its first note, there is nothing to go on from, and nothing was written.
        let ended = match ended.code {
            5 if ended.stderr.contains("there is nothing to resume") => {
                crate::ground::ended((case.upgrade)()?.output()?)?
            }
            _ => ended,
        };
        if ended.code == 0 {
            let now = state::of(case.ground)?;
            wanted.state.same(&now)?;
            before.kept(&state::custom_resources(case.ground)?, &wanted.kept)?;
            return Ok((killed, again));
        }
        println!(
            "       run {} ended with {}: {}",
            again + 1,
            ended.code,
            ended.stderr.trim().replace('\n', "\n         ")
        );
        last = Some(ended);
    }
    let said = last.map(|ended| ended.all()).unwrap_or_default();
    anyhow::bail!("killed: {killed}; {AGAIN} runs more and still not done:\n{said}")
}
