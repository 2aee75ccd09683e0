//! Broken charts, one folder a case below `tests/charts/cases/`: each is refused, or fails, with its own reason, exit code and
//! hint, and what ran before still runs.
//!
//! All share one installation. A refusal leaves it as it was, so those that need no world of their own are run side by side; then
//! those that do, one after the other; then those that begin, each put right again.

mod archives;
pub mod moved;
pub mod overlay;
mod table;
mod told;
mod world;

use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::plugins;
use mural_tests::sandbox::User;

use crate::Test;
use crate::ground::{Ended, Ground};
use crate::small;
use overlay::Charts;
use table::{CASES, Case, Expect};
use told::Told;

pub const TESTS: &[Test] = &[
    ("variants::every_case_has_its_story", every_case_has_its_story),
    ("variants::every_case_ends_as_it_should", every_case_ends_as_it_should),
    (
        "variants::a_moved_crd_loses_its_objects_by_the_page_and_keeps_them_with_ours",
        moved::loses_its_objects_by_the_page_and_keeps_them_with_ours,
    ),
];

/// How many run side by side: each is a helm, a kubectl and one of ours at a time.
const WORKERS: usize = 3;

/// A case with its charts, ready to run.
struct Ready {
    case: &'static Case,
    charts: Charts,
    /// The CRD chart and the application, as they are typed.
    typed: (String, String),
}

/// One line of the closing table.
struct Line {
    case: &'static str,
    told: Told,
    seconds: f64,
}

/// What came of all cases.
#[derive(Default)]
struct Came {
    lines: Vec<Line>,
    wrong: Vec<String>,
}

impl Came {
    fn add(&mut self, case: &Case, began: Instant, told: Result<Told>) {
        match told {
            Ok(told) => self.lines.push(Line { case: case.name, told, seconds: began.elapsed().as_secs_f64() }),
            Err(error) => self.wrong.push(format!("{}: {error:#}", case.name)),
        }
    }
}

fn every_case_has_its_story(_: &Ground) -> Result<()> {
    let folders = overlay::folders()?;
    let cases: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    let without: Vec<&&str> = cases.iter().filter(|case| !folders.contains(&(**case).to_owned())).collect();
    let unused: Vec<&String> = folders.iter().filter(|folder| !cases.contains(&folder.as_str())).collect();
    ensure!(without.is_empty() && unused.is_empty(), "no folder: {without:?}; not in the table: {unused:?}");
    for case in CASES {
        let story = overlay::story(case.name)?;
        let code = format!("xit code {}", case.expect.code);
        for part in ["**By the page.**", "**Ours.**", &code].iter().chain(case.expect.fires) {
            ensure!(story.contains(part), "the page of {} says nothing of {part}", case.name);
        }
    }
    Ok(())
}

fn every_case_ends_as_it_should(ground: &Ground) -> Result<()> {
    let chosen = std::env::var("MURAL_CASES").unwrap_or_default();
    plugins::folder().context("built before the clock runs")?;
    ground.older()?;
    let mut all = Vec::new();
    for case in CASES.iter().filter(|case| chosen.is_empty() || chosen.split(',').any(|name| name == case.name)) {
        let charts = overlay::charts(ground, case.name)?;
        all.push(Ready { case, typed: archives::stand_in(ground, case.name, &charts)?, charts });
    }
    let values = small::values(ground)?;
    let (begin, refused): (Vec<Ready>, Vec<Ready>) = all.into_iter().partition(|ready| ready.case.begins());
    let (alone, together): (Vec<Ready>, Vec<Ready>) = refused.into_iter().partition(|ready| ready.case.alone);

    let mut came = Came::default();
    side_by_side(ground, &together, &values, &mut came)?;
    for ready in &alone {
        world::prepare(ground, ready.case.name, &ready.charts)?;
        side_by_side(ground, std::slice::from_ref(ready), &values, &mut came)?;
        world::take_away(ground, &ready.charts)?;
    }
    for (at, ready) in begin.iter().enumerate() {
        match at.checked_sub(1).map(|before| begin[before].case) {
            None => {}
            Some(before) if before.half_way() => world::roll_back(ground)?,
            Some(_) => ground.older()?,
        }
        let began = Instant::now();
        came.add(ready.case, began, begins(ground, ready, &values));
    }
    told::print(came.lines.iter().map(|line| (line.case, &line.told, line.seconds)));
    let count = came.wrong.len() + came.lines.len();
    ensure!(came.wrong.is_empty(), "{} of {count} cases:\n{}", came.wrong.len(), came.wrong.join("\n\n"));
    Ok(())
}

/// Runs refusals at the same time. Together they wrote nothing, and everything is as it was.
fn side_by_side(ground: &Ground, all: &[Ready], values: &str, came: &mut Came) -> Result<()> {
    for ready in all.iter().filter(|ready| !ready.case.alone) {
        world::prepare(ground, ready.case.name, &ready.charts)?;
    }
    let (before, mark) = (world::living(ground)?, ground.mark()?);
    let (queue, done) = (Mutex::new(all.iter()), Mutex::new(std::mem::take(came)));
    let next = || queue.lock().expect("no worker panics").next();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(ready) = next() {
                    let (began, told) = (Instant::now(), run(ground, ready, values));
                    let told = told.and_then(|ended| judged(ground, ready.case, &ended));
                    done.lock().expect("no worker panics").add(ready.case, began, told);
                }
            });
        }
    });
    *came = done.into_inner().expect("no worker panics");
    ground.nothing_written(mark)?;
    world::as_it_was(&before, &world::living(ground)?)
}

/// Runs one that begins: it writes, and what ran before still runs.
fn begins(ground: &Ground, ready: &Ready, values: &str) -> Result<Told> {
    world::prepare(ground, ready.case.name, &ready.charts)?;
    let (before, mark) = (world::living(ground)?, ground.mark()?);
    let ended = run(ground, ready, values)?;
    let told = judged(ground, ready.case, &ended)?;
    let log = ground.since(mark)?;
    ensure!(!audit::writes_by(&log, &User::Operator.to_string()).is_empty(), "it should have begun:\n{}", ended.all());
    world::still_runs(&before, &world::living(ground)?)?;
    Ok(told)
}

/// As the table says; where a guard is waited for, still as it is without it.
fn judged(ground: &Ground, case: &Case, ended: &Ended) -> Result<Told> {
    told::safe_to_show(ended)?;
    let of = |expect: &Expect| Told::of(expect, ended, &report(ground, case));
    let Some(today) = &case.today else { return of(&case.expect) };
    ensure!(of(&case.expect).is_err(), "{} has landed: take `today` from this case", today.waits_for);
    let mut told = of(&today.expect).with_context(|| format!("without {}", today.waits_for))?;
    told.guard = format!("waits for {}", today.waits_for);
    Ok(told)
}

fn report(ground: &Ground, case: &Case) -> std::path::PathBuf {
    ground.files().join("cases").join(case.name).join("report.json")
}

fn run(ground: &Ground, ready: &Ready, values: &str) -> Result<Ended> {
    let report = report(ground, ready.case);
    if report.exists() {
        std::fs::remove_file(&report)?;
    }
    let report = report.display().to_string();
    let mut args = vec!["--yes", "--plain-http", "--values", values, "--report", &report];
    let registry = ground.sandbox()?.registry();
    let flags: Vec<String> = ready.case.flags.iter().map(|flag| flag.replace("REGISTRY", &registry)).collect();
    let named = |flag: &str| flags.iter().any(|given| given == flag);
    for (flag, chart) in [("--crds-chart", &ready.typed.0), ("--chart", &ready.typed.1)] {
        if !named(flag) {
            args.extend([flag, chart]);
        }
    }
    args.extend(flags.iter().map(String::as_str));
    ground.run(User::Operator, "kubectl-mural-upgrade", &args)
}
