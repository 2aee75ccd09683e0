//! A row of the table, and how it is computed from pairs of runs.

use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// One measured figure.
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Ours, as text with its unit.
    pub ours: String,
    /// What it is held against.
    pub theirs: String,
    /// Ours by theirs.
    pub figure: String,
    /// What is wanted.
    pub goal: &'static str,
    /// Whether it is reached.
    pub reached: bool,
}

/// Two commands' times, pair by pair, in seconds.
#[derive(Default)]
pub struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    /// Runs both in turn, so that a machine whose speed drifts meets them alike; who begins alternates.
    ///
    /// # Errors
    /// One of them fails.
    pub fn measure(
        runs: usize,
        mut ours: impl FnMut() -> Result<Duration>,
        mut theirs: impl FnMut() -> Result<Duration>,
    ) -> Result<Self> {
        let mut pairs = Self::default();
        for run in 0..runs {
            let (a, b) = if run % 2 == 0 {
                let first = ours()?;
                (first, theirs()?)
            } else {
                let first = theirs()?;
                (ours()?, first)
            };
            eprintln!("  {:.2} s, theirs {:.2} s", a.as_secs_f64(), b.as_secs_f64());
            pairs.0.push((a.as_secs_f64(), b.as_secs_f64()));
        }
        Ok(pairs)
    }

    /// The row: medians of both, and the median of the ratios.
    pub fn row(&self, what: &str, goal: &'static str, at_most: f64) -> Row {
        let ratio = median(self.0.iter().map(|(ours, theirs)| ours / theirs));
        Row {
            what: what.to_owned(),
            ours: format!("{:.2} s", median(self.0.iter().map(|pair| pair.0))),
            theirs: format!("{:.2} s", median(self.0.iter().map(|pair| pair.1))),
            figure: format!("{ratio:.2}"),
            goal,
            reached: ratio <= at_most,
        }
    }

    /// The median of what ours takes longer, in milliseconds.
    pub fn difference_ms(&self) -> f64 {
        median(self.0.iter().map(|(ours, theirs)| (ours - theirs) * 1000.0))
    }
}

/// How long something takes.
///
/// # Errors
/// It fails.
pub fn measure_duration(act: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    act()?;
    Ok(began.elapsed())
}

/// Runs a program to its end; with its peak memory in kilobytes, as the kernel counts it.
///
/// # Errors
/// It does not start, or its memory cannot be read.
pub fn run_and_measure_peak_memory(command: &mut Command) -> Result<(Output, u64)> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    // Read meanwhile: a full pipe would hold it up.
    let mut stdout = child.stdout.take().context("its output")?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut output = child.wait_with_output()?;
    output.stdout = reader.join().ok().context("its output could not be read")??;
    ensure!(peak > 0, "its memory could not be read");
    Ok((output, peak))
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(upper), 0) => f64::midpoint(*upper, values[middle - 1]),
        (Some(exact), _) => *exact,
        (None, _) => f64::NAN,
    }
}

pub fn print(rows: &[Row]) {
    let line = |what: &str, ours: &str, theirs: &str, figure: &str, goal: &str, reached: &str| {
        println!("| {what:<58} | {ours:>10} | {theirs:>10} | {figure:>8} | {goal:>8} | {reached:<3} |");
    };
    line("what", "ours", "theirs", "figure", "goal", "");
    println!("| {:-<58} | {:->10} | {:->10} | {:->8} | {:->8} | {:-<3} |", "", ":", ":", ":", ":", "");
    for row in rows {
        let reached = if row.reached { "yes" } else { "no" };
        line(&row.what, &row.ours, &row.theirs, &row.figure, row.goal, reached);
    }
}
