//! Our schema engine and the API server's own code, compared on generated CRDs and custom resources.
//!
//! Each disagreement is a defect, or one of the named exceptions in `compare.rs`. The seed is printed; `MURAL_SEED=…`
//! repeats a run. The tier builds the server's code, so it runs on request only: `MURAL_DIFFERENTIAL=some` compares 300
//! changed CRDs, 2,000 objects and 5,000 patterns, `full` 5,000, 20,000 and 100,000:
//!
//! ```text
//! MURAL_DIFFERENTIAL=full cargo test -p mural-tests --test differential
//! ```
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may stop at once, and it starts programs"
)]

mod compare;
mod crds;
mod invalid_crds;
mod objects;
mod oracle;
mod patterns;
mod random;

use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use libtest_mimic::{Arguments, Failed, Trial};

use compare::{CrdTable, Table};
use oracle::Oracle;
use random::Random;

/// How much is looked at.
#[derive(Clone, Copy)]
struct Size {
    crds: usize,
    objects: usize,
    patterns: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let asked = std::env::var("MURAL_DIFFERENTIAL").ok().filter(|size| !size.is_empty());
    let full = asked.as_deref() == Some("full");
    let missing = match asked {
        None => Some("MURAL_DIFFERENTIAL=some or =full has it run".to_owned()),
        Some(_) => oracle::missing(),
    };
    let size = if full {
        Size { crds: 5_000, objects: 20_000, patterns: 100_000 }
    } else {
        Size { crds: 300, objects: 2_000, patterns: 5_000 }
    };
    let seed = std::env::var("MURAL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(clock);
    let ignored = missing.is_some();
    let trials = vec![
        Trial::test("objects_are_judged_as_the_api_server_judges", move || {
            to_trial_result(|| objects_agree(size, seed))
        })
        .with_ignored_flag(ignored),
        Trial::test("refusals_are_those_of_the_api_server", move || to_trial_result(|| refusals_agree(size, seed)))
            .with_ignored_flag(ignored),
        Trial::test("patterns_are_read_as_go_reads_them", move || to_trial_result(|| patterns_agree(size, seed)))
            .with_ignored_flag(ignored),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(reason) = missing.filter(|_| !arguments.list) {
        println!("differential tier skipped: {reason}\n");
    }
    conclusion.exit_code()
}

fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn to_trial_result(test: impl FnOnce() -> anyhow::Result<()>) -> Result<(), Failed> {
    test().map_err(|error| format!("{error:#}").into())
}

fn objects_agree(size: Size, seed: u64) -> anyhow::Result<()> {
    let began = Instant::now();
    let (sources, from) = crds::sources();
    let (mut random, mut oracle, mut table) = (Random::new(seed), Oracle::start()?, Table::default());
    let each = size.objects.div_ceil(size.crds);
    // The server refuses some of what chance makes of a CRD: under those there is nothing to judge.
    while table.crds < size.crds || table.objects < size.objects {
        let mut crd = random.pick(&sources).clone();
        let Some((version, done)) = crds::mutate(&mut crd, &mut random) else { continue };
        table.judge(&mut oracle, &crd, &version, &done, each, &mut random)?;
    }
    println!("\nseed {seed}, from {from}, {:.1} s", began.elapsed().as_secs_f64());
    table.show()
}

fn refusals_agree(size: Size, seed: u64) -> anyhow::Result<()> {
    let (sources, _) = crds::sources();
    let (mut random, mut oracle, mut table) = (Random::new(seed), Oracle::start()?, CrdTable::default());
    for _ in 0..size.crds {
        let old = random.pick(&sources).clone();
        let mut new = old.clone();
        let outside = random.one_in(2);
        let done = if outside {
            crds::mutate_outside(&mut new, &mut random)
        } else {
            invalid_crds::mutate(&mut new, &mut random)
        };
        if let Some(done) = done {
            table.judge(&mut oracle, &old, &new, &done)?;
        }
    }
    println!("\nseed {seed}");
    table.show()
}

fn patterns_agree(size: Size, seed: u64) -> anyhow::Result<()> {
    println!("\nseed {seed}");
    patterns::agree(size.patterns, &mut Random::new(seed), &mut Oracle::start()?)
}
