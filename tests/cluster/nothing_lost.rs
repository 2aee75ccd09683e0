//! Two operators, and bad days: exactly one writes, and every cell of the table ends right or in a clear refusal that is gone
//! on from.
//!
//! `MURAL_RACES=20` races so often; `MURAL_FAULTS=full` is the whole table, each fault at each step.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mural_tests::audit;
use mural_tests::proxy::{Fault, FaultProxy, What};
use mural_tests::sandbox::User;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Test;
use crate::ground::{Ended, Ground, ended};
use crate::journal::newest;
use crate::kill::env;
use crate::kill::state;
use crate::lock::{locks, newer};
use crate::refusals::command;
use crate::small::{self, CANARY, NAMESPACE};

pub fn tests() -> Vec<Test> {
    let mut tests: Vec<Test> = vec![
        ("nothing_lost::two_operators_and_one_writes", two_operators_and_one_writes),
        ("nothing_lost::a_lost_lock_stops_before_the_next_write", a_lost_lock_stops_before_the_next_write),
        ("nothing_lost::bad_days", bad_days),
    ];
    if env("MURAL_FAULTS").is_some() {
        tests.push(("nothing_lost::asleep", asleep));
    }
    tests
}

/// `resume`, not started yet.
fn resume(ground: &Ground) -> Result<std::process::Command> {
    let values = small::values(ground)?;
    let mut command = ground.command(User::Operator, "kubectl-mural-upgrade")?;
    command.args(["resume", "--plain-http", "--yes", "--wait-for-lock", "60s", "--values", &values]);
    Ok(command)
}

/// A run, in the middle: its events up to this line have been read.
struct Begun {
    child: Child,
    reader: BufReader<std::process::ChildStderr>,
    stderr: String,
}

/// Starts an upgrade and lets it run until it tells this.
fn until(mut command: std::process::Command, line: &str) -> Result<Begun> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (mut reader, mut stderr) = (BufReader::new(child.stderr.take().context("stderr")?), String::new());
    while !stderr.contains(line) {
        ensure!(reader.read_line(&mut stderr)? > 0, "it ended before {line:?}:\n{stderr}");
    }
    Ok(Begun { child, reader, stderr })
}

impl Begun {
    fn end(mut self) -> Result<Ended> {
        std::io::Read::read_to_string(&mut self.reader, &mut self.stderr)?;
        let output = self.child.wait_with_output()?;
        Ok(Ended { stderr: self.stderr, ..ended(output)? })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("signal")
    }
}

fn step(id: &str) -> String {
    format!(r#""event":"step-started","step":"{id}""#)
}

fn history(ground: &Ground) -> Result<usize> {
    let history = ["history", "mural", "--namespace", NAMESPACE, "--output", "json"];
    let history: Value = serde_json::from_str(&ground.run(User::Admin, "helm", &history)?.with(0)?.stdout)?;
    Ok(history.as_array().map_or(0, Vec::len))
}

/// Real processes, a random moment apart; in every second race one of them resumes what was stopped before.
fn two_operators_and_one_writes(ground: &Ground) -> Result<()> {
    let races = env("MURAL_RACES").map_or(Ok(2), |races| races.parse::<usize>()).context("MURAL_RACES")?;
    let seed = env("MURAL_KILL_SEED").map_or_else(|| Ok(7), |seed| seed.parse()).context("MURAL_KILL_SEED")?;
    let mut dice = crate::kill::moment::Dice::new(seed);
    println!("\n  {races} races, MURAL_KILL_SEED={seed}");
    for race in 0..races {
        ground.older()?;
        let resumes = race % 2 == 1;
        if resumes {
            let stopped =
                until(command(ground, User::Operator, &[], &newer(&["--yes", "--events", "json"]))?, &step("crds"))?;
            stopped.signal(Signal::INT)?;
            stopped.end()?.with(130)?;
        }
        let mark = ground.mark()?;
        let apart = Duration::from_secs_f64(dice.throw() * 1.5);
        let start = |mut command: std::process::Command| {
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
        };
        let first =
            start(if resumes { resume(ground)? } else { command(ground, User::Operator, &[], &newer(&["--yes"]))? })?;
        std::thread::sleep(apart);
        let second = start(command(ground, User::Operator, &[], &newer(&["--yes", "--wait-for-lock", "0s"]))?)?;
        let both = [first, second].map(|child| child.wait_with_output().map_err(anyhow::Error::from).and_then(ended));
        let [first, second] = both;
        let (first, second) = (first?, second?);
        let codes = [first.code, second.code];
        println!(
            "  {race:>3}  {} apart {apart:.2?}: exit codes {codes:?}",
            if resumes { "resume and a new run" } else { "two new runs" }
        );
        let told = || format!("{codes:?}\n{}\n{}", first.all(), second.all());
        ensure!(codes.contains(&0) && codes.iter().all(|code| [0, 5, 7].contains(code)), "{}", told());
        let log = ground.since(mark)?;
        let written = |entry: &&audit::Entry| entry.is_crd() && entry.succeeded();
        let crds = audit::writes_by(&log, "operator").into_iter().filter(written).count();
        ensure!(crds == if resumes { 0 } else { 2 }, "{crds} writes of CRDs:\n{}", told());
        ensure!(history(ground)? == 2, "{} revisions:\n{}", history(ground)?, told());
        ensure!(
            locks(ground)?.is_empty() && !newest(ground)?.unfinished(),
            "left behind: {:?}\n{}",
            locks(ground)?,
            told()
        );
    }
    Ok(())
}

/// Somebody takes the lock away in the middle of a step: it is done, and no other is begun.
fn a_lost_lock_stops_before_the_next_write(ground: &Ground) -> Result<()> {
    ground.older()?;
    let run = until(command(ground, User::Operator, &[], &newer(&["--yes", "--events", "json"]))?, &step("crds"))?;
    let gone = ["delete", "lease", "mural-upgrade", "--namespace", NAMESPACE];
    ground.run(User::Admin, "kubectl", &gone)?.with(0)?;
    let mark = ground.mark()?;
    let ended = run.end()?.with(1)?;
    for word in ["the lock is no longer ours", "was deleted", "kubectl mural upgrade status"] {
        ensure!(ended.all().contains(word), "does not say {word:?}:\n{}", ended.all());
    }
    let log = ground.since(mark)?;
    let writes = audit::writes_by(&log, "operator");
    ensure!(writes.iter().all(|entry| entry.is_crd()), "wrote on: {writes:?}");
    ensure!(history(ground)? == 1, "the application was begun");
    let on = ended_well(ground)?;
    ensure!(on.stderr.contains("proved done crds"), "{}", on.all());
    Ok(())
}

/// `resume`, or a new run where nothing was noted yet.
fn ended_well(ground: &Ground) -> Result<Ended> {
    let on = ended(resume(ground)?.output()?)?;
    if on.code == 5 && on.stderr.contains("there is nothing to resume") {
        return ended(command(ground, User::Operator, &[], &newer(&["--yes"]))?.output()?)?.with(0);
    }
    on.with(0)
}

/// A bad day.
#[derive(Debug, Clone, Copy)]
enum Day {
    /// 429 for everything, for some seconds.
    TooMany,
    /// 500 for everything, for some seconds.
    Failing,
    /// Connections are reset, for some seconds.
    Reset,
    /// Answers are lost after the server has done what was asked, for some seconds.
    LostAnswers,
    /// The credentials are not taken any more, until the end.
    Expired,
    /// The journal alone cannot be written, until the end.
    NoJournal,
}

impl Day {
    const ALL: [Self; 6] =
        [Self::TooMany, Self::Failing, Self::Reset, Self::LostAnswers, Self::Expired, Self::NoJournal];

    fn fault(self) -> Fault {
        match self {
            Self::TooMany => Fault::on("", What::Status(429, Some(1))),
            Self::Failing => Fault::on("", What::Status(500, None)),
            Self::Reset => Fault::on("", What::Reset),
            Self::LostAnswers => Fault::on("", What::LostAnswer),
            Self::Expired => Fault::on("", What::Status(401, None)),
            Self::NoJournal => Fault::on("/secrets/mural-journal", What::Status(500, None)).method("PUT"),
        }
        .times(usize::MAX)
    }

    /// How long it lasts; none until the run has ended.
    const fn lasts(self) -> Option<Duration> {
        match self {
            Self::TooMany | Self::Failing | Self::Reset | Self::LostAnswers => Some(Duration::from_secs(3)),
            Self::Expired | Self::NoJournal => None,
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TooMany => "429 for 3 s",
            Self::Failing => "500 for 3 s",
            Self::Reset => "resets for 3 s",
            Self::LostAnswers => "lost answers for 3 s",
            Self::Expired => "credentials expire",
            Self::NoJournal => "no journal",
        })
    }
}

fn bad_days(ground: &Ground) -> Result<()> {
    ground.older()?;
    ended(command(ground, User::Operator, &[], &newer(&["--yes"]))?.output()?)?.with(0)?;
    let wanted = state::of(ground)?;
    let cells: Vec<(Day, &str)> = match env("MURAL_FAULTS") {
        None => vec![(Day::Expired, "record"), (Day::NoJournal, "crds")],
        Some(_) => {
            let steps = ["crds", "served", "record", "mural", "validate"];
            Day::ALL.into_iter().flat_map(|day| steps.map(|step| (day, step))).collect()
        }
    };
    let mut failed = Vec::new();
    println!();
    for (day, at) in cells {
        match cell(ground, day, at, &wanted) {
            Ok(told) => println!("  {day:<22} at {at:<9} {told}"),
            Err(error) => {
                println!("  {day:<22} at {at:<9} FAILED {error:#}");
                failed.push(format!("{day} at {at}: {error:#}"));
            }
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
    Ok(())
}

fn cell(ground: &Ground, day: Day, at: &str, wanted: &state::State) -> Result<String> {
    ground.older()?;
    let proxy = FaultProxy::start(&ground.sandbox()?.kubeconfig(User::Operator), ground.files())?;
    let mut command = command(ground, User::Operator, &[], &newer(&["--yes", "--events", "json"]))?;
    command.env("KUBECONFIG", proxy.kubeconfig());
    let run = until(command, &step(at))?;
    proxy.fault(day.fault());
    if let Some(lasts) = day.lasts() {
        std::thread::sleep(lasts);
        proxy.clear();
    }
    let run = run.end()?;
    ensure!(!run.all().contains(CANARY) && !run.stderr.contains("panicked"), "{}", run.all());
    drop(proxy);
    if run.code == 0 {
        wanted.same(&state::of(ground)?)?;
        return Ok("ended well".to_owned());
    }
    let mut words = run.stdout.lines().chain(run.stderr.lines()).skip_while(|line| !line.starts_with('✖'));
    let reason =
        [words.next(), words.find(|line| line.len() > 4)].map(|line| line.unwrap_or_default().trim()).join(": ");
    let told = run.stdout.contains("go on") || run.stderr.contains('→');
    ensure!(told, "no way on is told:\n{}", run.all());
    let on = ended_well(ground).with_context(|| format!("exit {}: {reason}", run.code))?;
    wanted.same(&state::of(ground)?)?;
    let by = if on.stderr.contains("proved done") { "resume" } else { "a new run" };
    Ok(format!("exit {} ({}), gone on from by {by}", run.code, reason.chars().take(120).collect::<String>()))
}

/// The laptop sleeps in the middle of a step; somebody else takes over; awake again, it writes nothing more.
fn asleep(ground: &Ground) -> Result<()> {
    ground.older()?;
    let run = until(command(ground, User::Operator, &[], &newer(&["--yes", "--events", "json"]))?, &step("served"))?;
    run.signal(Signal::STOP)?;
    // From another workstation: no file lock tells there whether it lives.
    let state = ground.files().join("not-asleep");
    let other = ended(resume(ground)?.env("XDG_STATE_HOME", state).output()?);
    let mark = ground.mark()?;
    run.signal(Signal::CONT)?;
    let slept = run.end()?;
    other?.with(0).context("the other one")?;
    ensure!(slept.code != 0 && slept.all().contains("the lock is no longer ours"), "{}", slept.all());
    let log = ground.since(mark)?;
    let writes = audit::writes_by(&log, "operator");
    ensure!(writes.is_empty(), "wrote after it woke: {writes:?}");
    ensure!(!newest(ground)?.unfinished() && history(ground)? == 2);
    Ok(())
}
