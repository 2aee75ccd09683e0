//! Generated pairs of charts: our upgrade against the vendor's guide by hand, from the same state of the same control plane.
//!
//! Two properties hold for every pair:
//!
//! - ours ends in the same state as the guide by hand, or refuses before the first write, and then the guide fails, loses
//!   something, leaves objects that the API server no longer accepts, or requires a decision of the operator; an upgrade that passes all guards never fails;
//! - no object and no field of an object disappears.
//!
//! `MURAL_PAIRS=N` runs N pairs, `MURAL_SEED=S` others; an ordinary run takes a few of a fixed seed.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test may stop at once, prints, and reads the environment"
)]

mod charts;
#[path = "../cases/clusters.rs"]
mod clusters;
mod installation;
mod pair;
mod properties;
#[path = "../differential/random.rs"]
mod random;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clusters::Clusters;
use libtest_mimic::{Arguments, Failed, Trial};
use mural_tests::harness::{SKIP_ENV, is_set};
use pair::Pair;
use random::Random;

/// Pairs of an ordinary run.
const DEFAULT_PAIRS: u64 = 2;
/// Seed of an ordinary run.
const DEFAULT_SEED: u64 = 1;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(64)
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    let clusters = Arc::new(Clusters::new()?);
    arguments.test_threads = Some(clusters.count());
    let number = |name: &str, or: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or);
    let (seed, count) = (number("MURAL_SEED", DEFAULT_SEED), number("MURAL_PAIRS", DEFAULT_PAIRS));
    let skip = is_set(SKIP_ENV);
    let trials = (seed..seed + count).map(|seed| trial(seed, Arc::clone(&clusters)).with_ignored_flag(skip)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    clusters.down().context("a sandbox did not stop")?;
    Ok(conclusion.exit_code())
}

/// Each pair has a seed of its own: `MURAL_SEED=N MURAL_PAIRS=1` repeats it.
fn trial(seed: u64, clusters: Arc<Clusters>) -> Trial {
    let pair = Pair::generate(&mut Random::new(seed));
    let test = move || {
        let folder = tempfile::tempdir()?;
        charts::write_all(&pair, folder.path())?;
        let result = clusters.run(pair.helm, |sandbox| properties::check(&pair, sandbox, folder.path()));
        result.with_context(|| format!("MURAL_SEED={seed} MURAL_PAIRS=1"))
    };
    let failed = |error: anyhow::Error| Failed::from(format!("{error:#}"));
    Trial::test(format!("{seed}: {pair}"), move || test().map_err(failed))
}
