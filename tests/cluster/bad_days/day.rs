//! What a bad day is, and how it is made.

use std::fmt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mural_tests::audit::{self, Mark};
use mural_tests::proxy::{Fault, FaultProxy, What};
use mural_tests::sandbox::{Slowed, User};
use rustix::process::Signal;

use super::{clock, disk};
use crate::ground::{Ended, Ground, ended};
use crate::journal::{journal, newest};
use crate::nothing_lost::{Begun, resume};

/// Where a day begins: at the boundaries of an upgrade's steps, and when helm is at work on the application.
pub const STEPS: [&str; 6] = ["crds", "served", "record", "mural", HELM, "validate"];
pub const HELM: &str = "helm";
const FIRST: [&str; 1] = ["crds"];
/// Longer than a lock lasts without being renewed.
const ASLEEP: Duration = Duration::from_secs(17);
const HOUR: i64 = 3600;

/// A bad day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// 429 for everything, for some seconds.
    TooMany,
    /// 500 for everything, for some seconds.
    Failing,
    /// 503 for everything, for some seconds.
    Unavailable,
    /// Connections are reset, for some seconds.
    Reset,
    /// Answers are lost after the server has done what was asked, for some seconds.
    LostAnswers,
    /// Each answer takes a second, until the end.
    Slow,
    /// The credentials are not taken any more, until the end.
    Expired,
    /// The journal alone cannot be written, until the end.
    NoJournal,
    /// The API server dies and is started anew.
    ServerRestarts,
    /// etcd stands still for a third of a second, again and again, until the end.
    EtcdSlow,
    /// The disk of the workstation is full: ENOSPC by a real file system.
    FullDisk,
    /// We sleep longer than the lock lasts, and nobody takes over.
    Asleep,
    /// We sleep, and somebody on another workstation takes over.
    AsleepAndTakenOver,
    /// The server's `Date` is an hour ahead, or behind.
    ServersClock(i64),
    /// Our own clock is an hour ahead, or behind, and a dead run of such a clock holds the lock.
    OurClock(i64),
}

impl Day {
    pub const ALL: [Self; 17] = [
        Self::TooMany,
        Self::Failing,
        Self::Unavailable,
        Self::Reset,
        Self::LostAnswers,
        Self::Slow,
        Self::Expired,
        Self::NoJournal,
        Self::ServerRestarts,
        Self::EtcdSlow,
        Self::FullDisk,
        Self::Asleep,
        Self::AsleepAndTakenOver,
        Self::ServersClock(HOUR),
        Self::ServersClock(-HOUR),
        Self::OurClock(HOUR),
        Self::OurClock(-HOUR),
    ];

    /// Where it may begin. A clock is off from the very start, which the first column stands for.
    pub const fn steps(self) -> &'static [&'static str] {
        match self {
            Self::ServersClock(_) | Self::OurClock(_) => &FIRST,
            _ => &STEPS,
        }
    }

    /// A clock that is off is no reason to fail.
    pub const fn is_no_trouble(self) -> bool {
        matches!(self, Self::ServersClock(_) | Self::OurClock(_))
    }

    fn fault(self) -> Option<Fault> {
        let fault = match self {
            Self::TooMany => Fault::on("", What::Status(429, Some(1))),
            Self::Failing => Fault::on("", What::Status(500, None)),
            Self::Unavailable => Fault::on("", What::Status(503, None)),
            Self::Reset => Fault::on("", What::Reset),
            Self::LostAnswers => Fault::on("", What::LostAnswer),
            Self::Slow => Fault::on("", What::Delay(Duration::from_secs(1))),
            Self::Expired => Fault::on("", What::Status(401, None)),
            Self::NoJournal => Fault::on("/secrets/mural-journal", What::Status(500, None)).method("PUT"),
            Self::ServersClock(off) => Fault::on("", What::Date(off)),
            _ => return None,
        };
        Some(fault.times(usize::MAX))
    }

    /// How long its fault lasts; none until the run has ended.
    const fn lasts(self) -> Option<Duration> {
        match self {
            Self::TooMany | Self::Failing | Self::Unavailable | Self::Reset | Self::LostAnswers => {
                Some(Duration::from_secs(3))
            }
            _ => None,
        }
    }

    /// What has to stand before the run begins; none where this machine cannot do it.
    pub fn before(self, ground: &Ground, mut command: Command) -> Result<Option<(Command, Struck)>> {
        if let Some(fault) = self.fault() {
            let proxy = FaultProxy::start(&ground.sandbox()?.kubeconfig(User::Operator), ground.files())?;
            command.env("KUBECONFIG", proxy.kubeconfig());
            if matches!(self, Self::ServersClock(_)) {
                proxy.fault(fault);
            }
            return Ok(Some((command, Struck::Proxy(proxy))));
        }
        match self {
            Self::FullDisk => Ok(disk::on_a_small_one(ground, &command)?.map(|command| (command, Struck::Nothing))),
            Self::OurClock(off) => {
                clock::dead_holder(ground, off)?;
                clock::off(ground, &mut command, off)?;
                Ok(Some((command, Struck::Nothing)))
            }
            _ => Ok(Some((command, Struck::Nothing))),
        }
    }

    /// Begins it, and waits until it is over, where it ends by itself.
    pub fn strikes(self, ground: &Ground, run: &Begun, struck: Struck) -> Result<Struck> {
        let sandbox = ground.sandbox()?;
        match (self, self.fault(), struck) {
            (Self::ServersClock(_), _, struck) => Ok(struck),
            (_, Some(fault), Struck::Proxy(proxy)) => {
                proxy.fault(fault);
                if let Some(lasts) = self.lasts() {
                    std::thread::sleep(lasts);
                    proxy.clear();
                }
                Ok(Struck::Proxy(proxy))
            }
            (Self::ServerRestarts, ..) => sandbox.restart("kube-apiserver").map(|()| Struck::Nothing),
            (Self::EtcdSlow, ..) => {
                let (stopped, runs) = (Duration::from_millis(330), Duration::from_millis(100));
                Ok(Struck::Slowed(sandbox.slow("etcd", stopped, runs)?))
            }
            (Self::FullDisk, ..) => disk::fill(run.child.id()).map(|()| Struck::FullDisk),
            (Self::Asleep, ..) => {
                run.signal(Signal::STOP)?;
                std::thread::sleep(ASLEEP);
                run.signal(Signal::CONT).map(|()| Struck::Nothing)
            }
            (Self::AsleepAndTakenOver, ..) => taken_over(ground, run),
            (_, _, struck) => Ok(struck),
        }
    }
}

/// From another workstation: no file lock tells there whether the sleeper lives.
fn taken_over(ground: &Ground, run: &Begun) -> Result<Struck> {
    // At once: the last look is over in a moment.
    run.signal(Signal::STOP)?;
    let sleeper = newest(ground);
    let state = ground.files().join("not-asleep");
    let other = resume(ground).and_then(|mut resume| ended(resume.env("XDG_STATE_HOME", state).output()?));
    let mark = ground.mark();
    run.signal(Signal::CONT)?;
    other?.with(0).context("who takes over")?;
    Ok(Struck::Slept { sleeper: sleeper?.run, mark: mark? })
}

/// What is still there of a day, or what has to be looked at when the run has ended.
pub enum Struck {
    Nothing,
    Proxy(FaultProxy),
    Slowed(#[expect(dead_code, reason = "held: it ends when dropped")] Slowed),
    FullDisk,
    Slept { sleeper: String, mark: Mark },
}

impl Struck {
    /// The run has ended: the day is over, and what it must not have done is looked for. Whether somebody else did the rest.
    pub fn over(self, ground: &Ground, run: &Ended) -> Result<bool> {
        match self {
            Self::FullDisk => {
                ensure!(run.stderr.contains("no copy of it in"), "does not say that the disk is full:\n{}", run.stderr);
                Ok(false)
            }
            Self::Slept { sleeper, mark } => awake(ground, run, &sleeper, mark).map(|()| true),
            Self::Proxy(_) | Self::Slowed(_) | Self::Nothing => Ok(false),
        }
    }
}

/// Who was taken over while asleep says so, and writes nothing: neither a CRD, nor a release, nor the journal.
fn awake(ground: &Ground, run: &Ended, sleeper: &str, mark: Mark) -> Result<()> {
    let last = run.code == 0 && run.stderr.contains("meanwhile");
    let lost = run.code == 1 && run.all().contains("the lock is no longer ours");
    ensure!(last || lost, "exit {}\n{}", run.code, run.all());
    let log = ground.since(mark)?;
    let written = [audit::writes_by(&log, "operator"), audit::journal_by(&log, "operator")].concat();
    let written: Vec<_> = written.into_iter().filter(|entry| entry.succeeded()).collect();
    ensure!(written.is_empty(), "wrote after it woke: {written:?}");
    let runs = journal(ground)?.runs;
    let slept = runs.iter().find(|run| run.run == sleeper).context("the sleeper's run is not in the journal")?;
    ensure!(!slept.unfinished(), "{}: {}", slept.run, slept.state.told());
    Ok(())
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TooMany => "429 for 3 s",
            Self::Failing => "500 for 3 s",
            Self::Unavailable => "503 for 3 s",
            Self::Reset => "resets for 3 s",
            Self::LostAnswers => "lost answers for 3 s",
            Self::Slow => "each answer takes 1 s",
            Self::Expired => "credentials expire",
            Self::NoJournal => "no journal",
            Self::ServerRestarts => "API server restarts",
            Self::EtcdSlow => "etcd slow",
            Self::FullDisk => "disk full",
            Self::Asleep => "asleep for 17 s",
            Self::AsleepAndTakenOver => "asleep, taken over",
            Self::ServersClock(HOUR) => "server's clock +1 h",
            Self::ServersClock(_) => "server's clock -1 h",
            Self::OurClock(HOUR) => "our clock +1 h",
            Self::OurClock(_) => "our clock -1 h",
        })
    }
}
