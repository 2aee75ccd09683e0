//! The tiers that need a real cluster: the sandbox, and the fault proxy before it.
//!
//! A harness of its own, since nothing may be skipped in silence: `MURAL_SKIP_CLUSTER=1` leaves the tier out, and the closing
//! lines say so. The tests share one sandbox and come one after the other; those that write put it back.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test may stop at once, and it starts programs"
)]

mod basics;
mod bridge;
mod check;
mod faults;
mod ground;
mod images;
mod keep;
mod kill;
mod lock;
mod migrate;
mod passed;
mod proved;
mod public;
mod refusals;
mod sample;
mod saved;
mod small;
mod stopped;
mod upgrade;
mod variants;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use ground::Ground;
use libtest_mimic::{Arguments, Failed, Trial};

/// A test: its name, and what it does on the ground.
type Test = (&'static str, fn(&Ground) -> Result<()>);

const SKIP: &str = "MURAL_SKIP_CLUSTER";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share one cluster.
    arguments.test_threads = Some(1);
    let skip = std::env::var_os(SKIP).is_some_and(|value| value == "1");
    let ground = Arc::new(Ground::default());
    let tests: Vec<Test> = [
        basics::TESTS,
        faults::TESTS,
        refusals::TESTS,
        upgrade::TESTS,
        saved::TESTS,
        proved::TESTS,
        passed::TESTS,
        images::TESTS,
        keep::TESTS,
        check::TESTS,
        stopped::TESTS,
        migrate::TESTS,
        &bridge::tests(),
        lock::TESTS,
        sample::TESTS,
        variants::TESTS,
        public::TESTS,
        &kill::tests(),
    ]
    .concat();
    let trials =
        tests.iter().map(|(name, test)| trial(name, *test, Arc::clone(&ground)).with_ignored_flag(skip)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if skip && !arguments.list {
        println!("cluster tier skipped: {SKIP}=1 ({} tests not run)\n", conclusion.num_ignored);
    }
    let down = ground.down().inspect_err(|error| eprintln!("the sandbox is still up: {error:#}"));
    if conclusion.has_failed() || down.is_err() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn trial(name: &str, test: fn(&Ground) -> Result<()>, ground: Arc<Ground>) -> Trial {
    Trial::test(name, move || test(&ground).map_err(|error| Failed::from(format!("{error:?}"))))
}
