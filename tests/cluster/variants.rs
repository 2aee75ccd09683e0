//! Broken charts, one folder for each case below `tests/charts/cases/`: each is refused or fails with its own reason,
//! exit code and hint, and the older version keeps running.
//!
//! All cases share one installation. Cases without a cluster state of their own run in parallel, because a refusal
//! writes nothing. Then follow the cases that need such a state, and last those that write; each restores the
//! installation.

mod archives;
mod case_state;
pub mod crd_out_of_templates;
pub mod overlay;
mod run_outcome;
mod table;

use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::plugins;
use mural_tests::sandbox::User;

use crate::Test;
use crate::small;
use crate::test_cluster::{CommandOutput, TestCluster};
use overlay::Charts;
use run_outcome::RunOutcome;
use table::{CASES, Case, Expect};

pub const TESTS: &[Test] = &[
    ("variants::every_case_has_a_readme", every_case_has_a_readme),
    ("variants::every_case_ends_as_expected", every_case_ends_as_expected),
    (
        "variants::a_moved_crd_loses_its_objects_by_the_guide_and_keeps_them_with_us",
        crd_out_of_templates::loses_its_objects_by_the_guide_and_keeps_them_with_us,
    ),
];

/// How many run side by side: each is a helm, a kubectl and one of ours at a time.
const WORKERS: usize = 3;

/// A case with its charts, ready to run.
struct PreparedCase {
    case: &'static Case,
    charts: Charts,
    /// The CRD chart and the application, as they are typed.
    typed: (String, String),
}

/// One line of the closing table.
struct Line {
    case: &'static str,
    outcome: RunOutcome,
    seconds: f64,
}

/// What came of all cases.
#[derive(Default)]
struct CaseResults {
    lines: Vec<Line>,
    wrong: Vec<String>,
}

impl CaseResults {
    fn add(&mut self, case: &Case, began: Instant, outcome: Result<RunOutcome>) {
        match outcome {
            Ok(outcome) => self.lines.push(Line { case: case.name, outcome, seconds: began.elapsed().as_secs_f64() }),
            Err(error) => self.wrong.push(format!("{}: {error:#}", case.name)),
        }
    }
}

fn every_case_has_a_readme(_: &TestCluster) -> Result<()> {
    let folders = overlay::folders()?;
    let cases: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    let without: Vec<&&str> = cases.iter().filter(|case| !folders.contains(&(**case).to_owned())).collect();
    let unused: Vec<&String> = folders.iter().filter(|folder| !cases.contains(&folder.as_str())).collect();
    ensure!(without.is_empty() && unused.is_empty(), "no folder: {without:?}; not in the table: {unused:?}");
    for case in CASES {
        let story = overlay::story(case.name)?;
        let code = format!("xit code {}", case.expect.code);
        for part in ["**By the guide.**", "**Ours.**", &code].iter().chain(case.expect.fires) {
            ensure!(story.contains(part), "the README of {} does not mention {part}", case.name);
        }
    }
    Ok(())
}

fn every_case_ends_as_expected(test_cluster: &TestCluster) -> Result<()> {
    let chosen = std::env::var("MURAL_CASES").unwrap_or_default();
    plugins::folder().context("built before the clock runs")?;
    test_cluster.install_older()?;
    let mut all = Vec::new();
    for case in CASES.iter().filter(|case| chosen.is_empty() || chosen.split(',').any(|name| name == case.name)) {
        let charts = overlay::charts(test_cluster, case.name)?;
        all.push(PreparedCase { case, typed: archives::stand_in(test_cluster, case.name, &charts)?, charts });
    }
    let values = small::values(test_cluster)?;
    let (begin, refused): (Vec<PreparedCase>, Vec<PreparedCase>) =
        all.into_iter().partition(|ready| ready.case.begins());
    let (alone, together): (Vec<PreparedCase>, Vec<PreparedCase>) =
        refused.into_iter().partition(|ready| ready.case.alone);

    let mut results = CaseResults::default();
    side_by_side(test_cluster, &together, &values, &mut results)?;
    for ready in &alone {
        case_state::prepare(test_cluster, ready.case.name, &ready.charts)?;
        side_by_side(test_cluster, std::slice::from_ref(ready), &values, &mut results)?;
        case_state::clean_up(test_cluster, &ready.charts)?;
    }
    for (at, ready) in begin.iter().enumerate() {
        match at.checked_sub(1).map(|before| begin[before].case) {
            None => {}
            Some(before) if before.half_way() => case_state::roll_back(test_cluster)?,
            Some(_) => test_cluster.install_older()?,
        }
        let began = Instant::now();
        results.add(ready.case, began, run_case_that_writes(test_cluster, ready, &values));
    }
    run_outcome::print(results.lines.iter().map(|line| (line.case, &line.outcome, line.seconds)));
    let count = results.wrong.len() + results.lines.len();
    ensure!(results.wrong.is_empty(), "{} of {count} cases:\n{}", results.wrong.len(), results.wrong.join("\n\n"));
    Ok(())
}

/// Runs refusals at the same time. Together they wrote nothing, and everything is as it was.
fn side_by_side(
    test_cluster: &TestCluster,
    all: &[PreparedCase],
    values: &str,
    results: &mut CaseResults,
) -> Result<()> {
    for ready in all.iter().filter(|ready| !ready.case.alone) {
        case_state::prepare(test_cluster, ready.case.name, &ready.charts)?;
    }
    let (before, mark) = (case_state::read_live_objects(test_cluster)?, test_cluster.mark()?);
    let (queue, done) = (Mutex::new(all.iter()), Mutex::new(std::mem::take(results)));
    let next = || queue.lock().expect("no worker panics").next();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(ready) = next() {
                    let (began, outcome) = (Instant::now(), run(test_cluster, ready, values));
                    let outcome = outcome.and_then(|ended| check_outcome(test_cluster, ready.case, &ended));
                    done.lock().expect("no worker panics").add(ready.case, began, outcome);
                }
            });
        }
    });
    *results = done.into_inner().expect("no worker panics");
    test_cluster.ensure_nothing_written(mark)?;
    case_state::ensure_unchanged(&before, &case_state::read_live_objects(test_cluster)?)
}

/// Runs one that begins: it writes, and what ran before still runs.
fn run_case_that_writes(test_cluster: &TestCluster, ready: &PreparedCase, values: &str) -> Result<RunOutcome> {
    case_state::prepare(test_cluster, ready.case.name, &ready.charts)?;
    let (before, mark) = (case_state::read_live_objects(test_cluster)?, test_cluster.mark()?);
    let ended = run(test_cluster, ready, values)?;
    let outcome = check_outcome(test_cluster, ready.case, &ended)?;
    let log = test_cluster.entries_since(mark)?;
    ensure!(
        !audit::writes_by(&log, &User::Operator.to_string()).is_empty(),
        "it should have begun:\n{}",
        ended.all_text()
    );
    case_state::ensure_still_running(&before, &case_state::read_live_objects(test_cluster)?)?;
    Ok(outcome)
}

/// As the table says; where a guard is waited for, still as it is without it.
fn check_outcome(test_cluster: &TestCluster, case: &Case, ended: &CommandOutput) -> Result<RunOutcome> {
    run_outcome::safe_to_show(ended)?;
    let of = |expect: &Expect| RunOutcome::check(expect, ended, &report(test_cluster, case));
    let Some(today) = &case.today else { return of(&case.expect) };
    ensure!(of(&case.expect).is_err(), "{} has landed: take `today` from this case", today.waits_for);
    let mut outcome = of(&today.expect).with_context(|| format!("without {}", today.waits_for))?;
    outcome.guard = format!("waits for {}", today.waits_for);
    Ok(outcome)
}

fn report(test_cluster: &TestCluster, case: &Case) -> std::path::PathBuf {
    test_cluster.files().join("cases").join(case.name).join("report.json")
}

fn run(test_cluster: &TestCluster, ready: &PreparedCase, values: &str) -> Result<CommandOutput> {
    let report = report(test_cluster, ready.case);
    if report.exists() {
        std::fs::remove_file(&report)?;
    }
    let report = report.display().to_string();
    let mut args = vec!["--yes", "--plain-http", "--values", values, "--report", &report];
    let registry = test_cluster.sandbox()?.registry();
    let flags: Vec<String> = ready.case.flags.iter().map(|flag| flag.replace("REGISTRY", &registry)).collect();
    let named = |flag: &str| flags.iter().any(|given| given == flag);
    for (flag, chart) in [("--crds-chart", &ready.typed.0), ("--chart", &ready.typed.1)] {
        if !named(flag) {
            args.extend([flag, chart]);
        }
    }
    args.extend(flags.iter().map(String::as_str));
    test_cluster.run(User::Operator, "kubectl-mural-upgrade", &args)
}
