//! `cargo bench -p mural-tests`: how long the plugins take, relative to the vendor's own commands, on the sandbox.
//!
//! Absolute times depend on the machine, so every figure is a ratio: both sides run in turn, and the median of the
//! pairs counts. Names after `--` select benches; `--runs N` sets the number of pairs. `check` (builds crdify), `flux`
//! (starts another sandbox), `many`, `objects` (`MURAL_OBJECTS` sets their number) and `scale` (`MURAL_PODS`,
//! `MURAL_CRDS`) run only if named.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark talks, and it starts programs"
)]

mod backup_cost;
mod bench_cluster;
mod check;
mod flux;
mod health;
mod help;
mod many;
mod objects;
mod requests;
mod row;
mod scale;
mod whole;

use std::process::ExitCode;

use anyhow::Result;
use bench_cluster::BenchCluster;
use row::Row;

/// A benchmark: its name, whether it runs without being named, and what it measures.
type Bench = (&'static str, bool, fn(&BenchCluster, usize) -> Result<Vec<Row>>);

const ALL: &[Bench] = &[
    ("help", true, help::help),
    ("whole", true, whole::half_of_the_crds),
    ("all-crds", true, whole::all_of_the_crds),
    ("nothing", true, whole::nothing_to_do),
    ("validate", true, health::compare_with_guide),
    ("kept", true, backup_cost::measure_backup_cost),
    ("requests", true, requests::look_and_prove),
    ("flux", false, flux::compare_with_flux_guide),
    ("check", false, check::compare_with_crdify),
    ("many", false, many::a_thousand_crds),
    ("objects", false, objects::many_objects),
    ("scale", false, scale::pods_and_crds),
];

/// The default number of pairs of runs.
const RUNS: usize = 5;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let (named, runs) = arguments()?;
    let test_cluster = BenchCluster::up()?;
    let rows = rows(&test_cluster, &named, runs);
    // Also where one of them failed: nothing stays behind.
    test_cluster.down()?;
    row::print(&rows?);
    Ok(())
}

fn rows(test_cluster: &BenchCluster, named: &[String], runs: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, always, bench) in ALL {
        let wanted = if named.is_empty() { *always } else { named.iter().any(|wanted| wanted == name) };
        if wanted {
            eprintln!("{name} …");
            rows.extend(bench(test_cluster, runs)?);
        }
    }
    Ok(rows)
}

/// What to run and how often; cargo adds `--bench` by itself.
fn arguments() -> Result<(Vec<String>, usize)> {
    let mut given = std::env::args().skip(1).filter(|word| word != "--bench");
    let (mut named, mut runs) = (Vec::new(), RUNS);
    while let Some(word) = given.next() {
        if word == "--runs" {
            runs = given.next().unwrap_or_default().parse()?;
            anyhow::ensure!(runs > 0, "--runs 0 would measure nothing");
            continue;
        }
        let known = ALL.iter().any(|(name, ..)| *name == word);
        let names = || ALL.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
        anyhow::ensure!(known, "no benchmark {word}: there are {}", names());
        named.push(word);
    }
    Ok((named, runs))
}
