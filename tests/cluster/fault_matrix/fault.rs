//! The faults of the matrix: their names, the steps at which they begin, and how each is injected.

use std::fmt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mural_tests::audit::{self, Mark};
use mural_tests::proxy::{FaultEffect, FaultProxy, FaultRule};
use mural_tests::sandbox::{Slowed, User};
use rustix::process::Signal;

use super::{clock_skew, disk};
use crate::journal::{newest_run, read_journal};
use crate::lock_races::{RunningUpgrade, resume_command};
use crate::test_cluster::{CommandOutput, TestCluster, to_command_output};

/// The columns: a fault begins when one of these steps starts, or while helm upgrades the application.
pub const STEP_IDS: [&str; 6] = ["crds", "served", "record", "mural", HELM_AT_WORK, "validate"];
pub const HELM_AT_WORK: &str = "helm";
const FIRST_STEP: [&str; 1] = ["crds"];
/// Longer than the lease duration.
const SLEEP_DURATION: Duration = Duration::from_secs(17);
const HOUR_SECONDS: i64 = 3600;

/// A fault that disturbs an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every request gets 429, for 3 seconds.
    TooManyRequests,
    /// Every request gets 500, for 3 seconds.
    InternalServerError,
    /// Every request gets 503, for 3 seconds.
    ServiceUnavailable,
    /// Every connection is reset, for 3 seconds.
    ConnectionReset,
    /// The server processes each request and the answer is lost, for 3 seconds.
    LostAnswers,
    /// Each answer takes 1 second, until the run ends.
    SlowAnswers,
    /// Every request gets 401, until the run ends.
    ExpiredCredentials,
    /// Writes of the journal get 500, until the run ends.
    JournalWriteFails,
    /// The API server is killed and restarted.
    ServerRestarts,
    /// etcd is stopped for 330 ms out of 430 ms, until the run ends.
    EtcdSlow,
    /// The workstation's state folder is full: a real file system returns ENOSPC.
    FullDisk,
    /// The plugin is stopped longer than the lease duration, and no other run takes over.
    Sleep,
    /// The plugin is stopped, and another workstation takes over the Lease and resumes the run.
    SleepAndTakeover,
    /// The server's `Date` header is off by these seconds.
    ServerClockSkew(i64),
    /// The plugin's clock is off by these seconds, and a dead run with the same clock holds the Lease.
    LocalClockSkew(i64),
}

impl Fault {
    pub const ALL: [Self; 17] = [
        Self::TooManyRequests,
        Self::InternalServerError,
        Self::ServiceUnavailable,
        Self::ConnectionReset,
        Self::LostAnswers,
        Self::SlowAnswers,
        Self::ExpiredCredentials,
        Self::JournalWriteFails,
        Self::ServerRestarts,
        Self::EtcdSlow,
        Self::FullDisk,
        Self::Sleep,
        Self::SleepAndTakeover,
        Self::ServerClockSkew(HOUR_SECONDS),
        Self::ServerClockSkew(-HOUR_SECONDS),
        Self::LocalClockSkew(HOUR_SECONDS),
        Self::LocalClockSkew(-HOUR_SECONDS),
    ];

    /// The steps at which it can begin. A wrong clock is wrong from the start, so it has the first column only.
    pub const fn steps(self) -> &'static [&'static str] {
        match self {
            Self::ServerClockSkew(_) | Self::LocalClockSkew(_) => &FIRST_STEP,
            _ => &STEP_IDS,
        }
    }

    /// Whether the run must succeed despite the fault.
    pub const fn is_harmless(self) -> bool {
        matches!(self, Self::ServerClockSkew(_) | Self::LocalClockSkew(_))
    }

    fn proxy_rule(self) -> Option<FaultRule> {
        let rule = match self {
            Self::TooManyRequests => FaultRule::for_path_containing("", FaultEffect::Status(429, Some(1))),
            Self::InternalServerError => FaultRule::for_path_containing("", FaultEffect::Status(500, None)),
            Self::ServiceUnavailable => FaultRule::for_path_containing("", FaultEffect::Status(503, None)),
            Self::ConnectionReset => FaultRule::for_path_containing("", FaultEffect::Reset),
            Self::LostAnswers => FaultRule::for_path_containing("", FaultEffect::LostAnswer),
            Self::SlowAnswers => FaultRule::for_path_containing("", FaultEffect::Delay(Duration::from_secs(1))),
            Self::ExpiredCredentials => FaultRule::for_path_containing("", FaultEffect::Status(401, None)),
            Self::JournalWriteFails => {
                FaultRule::for_path_containing("/secrets/mural-journal", FaultEffect::Status(500, None))
                    .for_method("PUT")
            }
            Self::ServerClockSkew(off) => FaultRule::for_path_containing("", FaultEffect::Date(off)),
            _ => return None,
        };
        Some(rule.times(usize::MAX))
    }

    /// How long the fault lasts; none: until the run ends.
    const fn duration(self) -> Option<Duration> {
        match self {
            Self::TooManyRequests
            | Self::InternalServerError
            | Self::ServiceUnavailable
            | Self::ConnectionReset
            | Self::LostAnswers => Some(Duration::from_secs(3)),
            _ => None,
        }
    }

    /// Prepares the fault before the run starts; none if this machine cannot produce it.
    pub fn set_up(self, test_cluster: &TestCluster, mut command: Command) -> Result<Option<(Command, ActiveFault)>> {
        if let Some(rule) = self.proxy_rule() {
            let proxy = FaultProxy::start(&test_cluster.sandbox()?.kubeconfig(User::Operator), test_cluster.files())?;
            command.env("KUBECONFIG", proxy.kubeconfig());
            if matches!(self, Self::ServerClockSkew(_)) {
                proxy.add_fault(rule);
            }
            return Ok(Some((command, ActiveFault::Proxy(proxy))));
        }
        match self {
            Self::FullDisk => {
                Ok(disk::run_on_small_disk(test_cluster, &command)?.map(|command| (command, ActiveFault::Nothing)))
            }
            Self::LocalClockSkew(off) => {
                clock_skew::create_lease_of_dead_run(test_cluster, off)?;
                clock_skew::shift_clock(test_cluster, &mut command, off)?;
                Ok(Some((command, ActiveFault::Nothing)))
            }
            _ => Ok(Some((command, ActiveFault::Nothing))),
        }
    }

    /// Injects the fault. Returns when it is over, if it has a duration.
    pub fn inject(
        self,
        test_cluster: &TestCluster,
        run: &RunningUpgrade,
        active_fault: ActiveFault,
    ) -> Result<ActiveFault> {
        let sandbox = test_cluster.sandbox()?;
        match (self, self.proxy_rule(), active_fault) {
            (Self::ServerClockSkew(_), _, struck) => Ok(struck),
            (_, Some(rule), ActiveFault::Proxy(proxy)) => {
                proxy.add_fault(rule);
                if let Some(duration) = self.duration() {
                    std::thread::sleep(duration);
                    proxy.clear();
                }
                Ok(ActiveFault::Proxy(proxy))
            }
            (Self::ServerRestarts, ..) => sandbox.restart("kube-apiserver").map(|()| ActiveFault::Nothing),
            (Self::EtcdSlow, ..) => {
                let (stopped, runs) = (Duration::from_millis(330), Duration::from_millis(100));
                Ok(ActiveFault::Slowed(sandbox.slow("etcd", stopped, runs)?))
            }
            (Self::FullDisk, ..) => disk::fill_disk(run.child.id()).map(|()| ActiveFault::FullDisk),
            (Self::Sleep, ..) => {
                run.signal(Signal::STOP)?;
                std::thread::sleep(SLEEP_DURATION);
                run.signal(Signal::CONT).map(|()| ActiveFault::Nothing)
            }
            (Self::SleepAndTakeover, ..) => take_over_while_asleep(test_cluster, run),
            (_, _, struck) => Ok(struck),
        }
    }
}

/// Resumes the run from another workstation, where no file lock shows that the stopped run is alive.
fn take_over_while_asleep(test_cluster: &TestCluster, run: &RunningUpgrade) -> Result<ActiveFault> {
    // Stop it first: its last step may be over in a moment.
    run.signal(Signal::STOP)?;
    let sleeper = newest_run(test_cluster);
    let state = test_cluster.files().join("not-asleep");
    let other = resume_command(test_cluster)
        .and_then(|mut resume| to_command_output(resume.env("XDG_STATE_HOME", state).output()?));
    let mark = test_cluster.mark();
    run.signal(Signal::CONT)?;
    other?.expect_code(0).context("the run that takes over")?;
    Ok(ActiveFault::TakenOver { sleeper: sleeper?.run, mark: mark? })
}

/// A fault that is active, or what to verify after the run.
pub enum ActiveFault {
    Nothing,
    Proxy(FaultProxy),
    Slowed(#[expect(dead_code, reason = "held: it ends when dropped")] Slowed),
    FullDisk,
    TakenOver { sleeper: String, mark: Mark },
}

impl ActiveFault {
    /// Ends the fault and verifies the run. Returns whether another run completed the upgrade.
    pub fn finish(self, test_cluster: &TestCluster, run: &CommandOutput) -> Result<bool> {
        match self {
            Self::FullDisk => {
                ensure!(run.stderr.contains("no local copy in"), "does not say that the disk is full:\n{}", run.stderr);
                Ok(false)
            }
            Self::TakenOver { sleeper, mark } => check_after_sleep(test_cluster, run, &sleeper, mark).map(|()| true),
            Self::Proxy(_) | Self::Slowed(_) | Self::Nothing => Ok(false),
        }
    }
}

/// A run that was taken over reports it, and writes no CRD, no release and no journal entry afterwards.
fn check_after_sleep(test_cluster: &TestCluster, run: &CommandOutput, sleeper: &str, mark: Mark) -> Result<()> {
    let was_replaced = ["another run has recorded this run", "has continued this run"];
    let last = run.code == 0 && was_replaced.iter().any(|text| run.stderr.contains(text));
    let lost = run.code == 1 && run.all_text().contains("this run has lost the lock");
    ensure!(last || lost, "exit {}\n{}", run.code, run.all_text());
    let log = test_cluster.entries_since(mark)?;
    let written = [audit::writes_by(&log, "operator"), audit::journal_by(&log, "operator")].concat();
    let written: Vec<_> = written.into_iter().filter(|entry| entry.succeeded()).collect();
    ensure!(written.is_empty(), "wrote after it continued: {written:?}");
    let runs = read_journal(test_cluster)?.runs;
    let slept = runs.iter().find(|run| run.run == sleeper).context("the stopped run is not in the journal")?;
    ensure!(!slept.is_unfinished(), "{}: {}", slept.run, slept.state.as_str());
    Ok(())
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TooManyRequests => "429 for 3 s",
            Self::InternalServerError => "500 for 3 s",
            Self::ServiceUnavailable => "503 for 3 s",
            Self::ConnectionReset => "resets for 3 s",
            Self::LostAnswers => "lost answers for 3 s",
            Self::SlowAnswers => "each answer takes 1 s",
            Self::ExpiredCredentials => "credentials expire",
            Self::JournalWriteFails => "no journal",
            Self::ServerRestarts => "API server restarts",
            Self::EtcdSlow => "etcd slow",
            Self::FullDisk => "disk full",
            Self::Sleep => "asleep for 17 s",
            Self::SleepAndTakeover => "asleep, taken over",
            Self::ServerClockSkew(HOUR_SECONDS) => "server's clock +1 h",
            Self::ServerClockSkew(_) => "server's clock -1 h",
            Self::LocalClockSkew(HOUR_SECONDS) => "our clock +1 h",
            Self::LocalClockSkew(_) => "our clock -1 h",
        })
    }
}
