//! The two properties of a pair.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use mural_tests::sandbox::Sandbox;

use crate::installation::{Ended, Installation, State};
use crate::pair::Pair;

/// Exit code of a refusal.
const REFUSED: i32 = 5;
/// Guards that ask for a decision of the operator, although the commands of the guide would go on.
const DECISIONS: [&str; 2] = ["helm-would-delete-crds", "objects-removed"];

/// Runs both ways from the same state and compares them.
///
/// # Errors
/// A property does not hold. The error has the output of both ways.
pub fn check(pair: &Pair, sandbox: &Sandbox, folder: &Path) -> Result<()> {
    let installation = Installation { sandbox, folder };
    installation.install(pair).context("the older installation")?;
    let (before, snapshot) = (installation.read_state()?, sandbox.snapshot("pair")?);
    let by_hand = installation.upgrade_by_hand()?;
    let state_by_hand = installation.read_state()?;
    let rejected = installation.rejected_objects()?;
    sandbox.restore(&snapshot)?;
    let ours = installation.upgrade_with_us()?;
    let our_state = installation.read_state()?;
    let outputs =
        || format!("exit code {} by hand, {} with us\n{}\n{}", by_hand.code, ours.code, by_hand.text, ours.text);
    match ours.code {
        0 => {
            ensure!(losses(&before, &our_state).is_empty(), "lost: {:?}\n{}", losses(&before, &our_state), outputs());
            ensure!(by_hand.code == 0, "the guide fails, and ours does not\n{}", outputs());
            let differences = differences(&state_by_hand, &our_state);
            ensure!(differences.is_empty(), "another end state:\n{}\n{}", differences.join("\n"), outputs());
        }
        REFUSED => {
            ensure!(differences(&before, &our_state).is_empty(), "a refusal changed something\n{}", outputs());
            let reason = reason_of_refusal(&before, &by_hand, &state_by_hand, &ours).or(rejected);
            ensure!(reason.is_some(), "refused, and the guide works\n{}", outputs());
        }
        _ => bail!("all guards passed, and the upgrade failed\n{}", outputs()),
    }
    Ok(())
}

/// Why a refusal is right: the guide fails, the guide loses something, or the operator must decide. Objects that the API
/// server would no longer accept are another reason.
fn reason_of_refusal(before: &State, by_hand: &Ended, after: &State, ours: &Ended) -> Option<String> {
    if by_hand.code != 0 {
        return Some("the guide fails".to_owned());
    }
    let lost = losses(before, after);
    if !lost.is_empty() {
        return Some(format!("the guide loses {lost:?}"));
    }
    DECISIONS.iter().find(|guard| ours.text.contains(**guard)).map(|guard| (*guard).to_owned())
}

/// Objects of users that are gone, and fields that they had.
fn losses(before: &State, after: &State) -> Vec<String> {
    let users = before.iter().filter(|(name, _)| name.contains(" users/"));
    let lost = users.filter_map(|(name, object)| match after.get(name) {
        None => Some(name.clone()),
        Some(now) => (now["spec"] != object["spec"]).then(|| format!("{name}: {} → {}", object["spec"], now["spec"])),
    });
    lost.collect()
}

fn differences(one: &State, other: &State) -> Vec<String> {
    let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
    let differing = names.filter(|name| one.get(*name) != other.get(*name));
    let show = |state: &State, name: &str| state.get(name).map_or_else(|| "not there".to_owned(), ToString::to_string);
    differing.map(|name| format!("{name}\n  by hand {}\n  ours    {}", show(one, name), show(other, name))).collect()
}
