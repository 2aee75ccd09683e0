//! Starts and stops the supervisor process of a sandbox.

use super::folder::{Folder, last_lines};
use super::spec::{Phase, State};
use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Limit for a whole start. The limits of the parts are shorter, so that their own messages come first.
const SANDBOX_START_TIMEOUT: Duration = Duration::from_secs(180);

/// The `sandbox` program: ourselves, or, for a test, the one that cargo built beside it.
pub(crate) fn own_program() -> Result<PathBuf> {
    let own = env::current_exe().context("our own program")?;
    let sibling_program = own.ancestors().skip(1).take(2).map(|dir| dir.join("sandbox")).find(|path| path.is_file());
    if own.file_stem().is_some_and(|stem| stem == "sandbox") {
        return Ok(own);
    }
    sibling_program
        .with_context(|| format!("no `sandbox` beside {}: build it with `cargo build -p mural-tests`", own.display()))
}

/// Starts the supervisor and waits until every part runs. The caller holds the folder's lock.
pub(crate) fn start(folder: &Folder) -> Result<()> {
    State::default().write(folder)?;
    let log = File::create(folder.log("supervisor")).context("the supervisor's log")?;
    let mut child = Command::new(own_program()?)
        .args(["__supervise", folder.name()])
        .current_dir(folder.dir())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("could not start the supervisor")?;
    let pid = child.id();
    // The end of the child must be read, otherwise it stays as a zombie below a long test.
    thread::spawn(move || child.wait());
    let outcome = wait_ready(folder, pid);
    if outcome.is_err() {
        stop(folder)?;
    }
    outcome
}

/// Waits for a supervisor that another process may have started.
pub(crate) fn wait_ready(folder: &Folder, supervisor: u32) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < SANDBOX_START_TIMEOUT {
        let state = State::read(folder);
        match state.phase {
            Phase::Ready => return Ok(()),
            Phase::Ended => bail!(failure(folder, &state)),
            Phase::Starting if state.supervisor == supervisor && !folder.is_supervised() => {
                bail!(failure(folder, &State::read(folder)))
            }
            Phase::Starting if state.supervisor == 0 && began.elapsed() > Duration::from_secs(10) => {
                bail!(failure(folder, &state))
            }
            Phase::Starting => thread::sleep(Duration::from_millis(30)),
        }
    }
    bail!("the sandbox `{}` was not ready within {} s", folder.name(), SANDBOX_START_TIMEOUT.as_secs())
}

/// The failed part, the reason, and the last lines of its log.
pub(crate) fn failure(folder: &Folder, state: &State) -> String {
    let part = state.failed.as_deref().unwrap_or("supervisor");
    let log = folder.log(part);
    let message = state.message.as_deref().unwrap_or("ended without a message");
    format!("{part}: {message}\n{}\n  (whole log: {})", last_lines(&log, 15), log.display())
}

/// Stops the supervisor and waits until it and every part are gone. The caller holds the folder's lock.
pub(crate) fn stop(folder: &Folder) -> Result<()> {
    let state = State::read(folder);
    let supervisor = i32::try_from(state.supervisor).ok().and_then(Pid::from_raw);
    for (signal, patience) in [(Signal::TERM, 10), (Signal::KILL, 10)] {
        // Its lock is held, so the process id is still its own.
        if let (true, Some(pid)) = (folder.is_supervised(), supervisor) {
            kill_process(pid, signal).ok();
        }
        if wait_gone(folder, &state, Duration::from_secs(patience)) {
            return Ok(());
        }
    }
    bail!("the sandbox `{}` does not stop; its supervisor is process {}", folder.name(), state.supervisor)
}

fn wait_gone(folder: &Folder, state: &State, patience: Duration) -> bool {
    let began = Instant::now();
    while folder.is_supervised() || state.children.values().any(|pid| is_ours(folder, *pid)) {
        if began.elapsed() > patience {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Parts work in the sandbox's folder; a process that was given the same id later does not, and a zombie works nowhere.
pub(crate) fn is_ours(folder: &Folder, pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder.dir())
}
