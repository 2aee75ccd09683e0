//! The cluster tier: tests that need a real control plane, some of them behind the fault proxy.
//!
//! It has its own harness, because a skipped tier must say so: with `MURAL_SKIP_CLUSTER=1` the last lines report it.
//! The tests share a few sandboxes, one test at a time on each; a test that writes restores the older installation
//! first. `MURAL_TEST_CLUSTERS` sets the number of sandboxes. A test mostly waits for its control plane, and a sandbox
//! needs about 1 GB of memory.
//!
//! Each module exports its tests as `TESTS` or `tests()`; the names have the form `MODULE::TEST`.
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

mod adoption;
mod basics;
mod check;
mod crd_backup;
mod data_loss;
mod fault_matrix;
mod faults;
mod flux;
mod generated;
#[allow(dead_code, reason = "shared with the differential tier, which uses all of it")]
#[path = "../differential/crds.rs"]
mod generated_crds;
#[path = "../differential/objects.rs"]
mod generated_objects;
mod health;
mod helm_passthrough;
mod images;
mod in_pod;
mod journal;
mod kill;
mod lock;
mod lock_races;
mod migrate;
mod permissions;
mod programs;
mod public;
#[path = "../differential/random.rs"]
mod random;
mod record_size;
mod refusals;
mod repair;
mod rollback;
mod sample;
mod saved_plan;
mod served_schema;
mod server_answers;
mod signatures;
mod small;
mod stop_signals;
mod test_cluster;
mod transitional_crd;
mod upgrade;
mod variants;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use mural_tests::harness::{SKIP_ENV, cluster_count, is_set};
use test_cluster::{TestCluster, TestClusters};

/// A test: its name, `MODULE::TEST`, and the function that runs it on a test cluster.
type Test = (&'static str, fn(&TestCluster) -> Result<()>);

/// Number of sandboxes if `MURAL_TEST_CLUSTERS` is not set; suits two cores.
const DEFAULT_CLUSTER_COUNT: usize = 3;

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
    let skip = is_set(SKIP_ENV);
    let clusters = Arc::new(TestClusters::new(cluster_count(DEFAULT_CLUSTER_COUNT)?));
    // One test at a time on each.
    arguments.test_threads = Some(clusters.count());
    let tests: Vec<Test> = [
        basics::TESTS,
        faults::TESTS,
        refusals::TESTS,
        permissions::TESTS,
        record_size::TESTS,
        server_answers::TESTS,
        upgrade::TESTS,
        saved_plan::TESTS,
        signatures::TESTS,
        served_schema::TESTS,
        helm_passthrough::TESTS,
        programs::TESTS,
        images::TESTS,
        in_pod::TESTS,
        &health::tests(),
        crd_backup::TESTS,
        check::TESTS,
        generated::TESTS,
        stop_signals::TESTS,
        migrate::TESTS,
        &transitional_crd::tests(),
        adoption::TESTS,
        data_loss::TESTS,
        lock::TESTS,
        journal::TESTS,
        &rollback::tests(),
        &repair::tests(),
        lock_races::TESTS,
        fault_matrix::TESTS,
        sample::TESTS,
        variants::TESTS,
        public::TESTS,
        &kill::tests(),
    ]
    .concat();
    let tests = interleave(&tests, &flux::tests());
    let trials =
        tests.iter().map(|(name, test)| trial(name, *test, Arc::clone(&clusters)).with_ignored_flag(skip)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if skip && !arguments.list {
        println!("cluster tier skipped: {SKIP_ENV}=1 ({} tests not run)\n", conclusion.num_ignored);
    }
    clusters.slowest().iter().for_each(|(name, took)| println!("  {:>4}s  {name}", took.as_secs()));
    let down = clusters.down().inspect_err(|error| eprintln!("a sandbox did not stop: {error:#}"));
    Ok(if conclusion.has_failed() || down.is_err() { ExitCode::from(101) } else { ExitCode::SUCCESS })
}

/// Spreads the Flux tests evenly. They share one sandbox, so two in a row would wait for each other and keep a free
/// cluster unused.
fn interleave(others: &[Test], flux: &[Test]) -> Vec<Test> {
    let between = others.len() / (flux.len() + 1) + 1;
    let mut flux = flux.iter();
    let mut all: Vec<Test> =
        others.chunks(between).flat_map(|some| some.iter().chain(flux.next()).copied().collect::<Vec<_>>()).collect();
    all.extend(flux);
    all
}

fn trial(name: &str, test: fn(&TestCluster) -> Result<()>, clusters: Arc<TestClusters>) -> Trial {
    let test_name = name.to_owned();
    // The chain of causes names every step; a backtrace would add nothing.
    Trial::test(name, move || {
        clusters.run_on_free_cluster(&test_name, test).map_err(|error| Failed::from(format!("{error:#}")))
    })
}
