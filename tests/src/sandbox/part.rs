//! Faults of a single part: restart it as after a crash, pause it, or slow it down.

use super::Sandbox;
use super::folder::Folder;
use super::running::is_ours;
use super::spec::State;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// From the crash until the part answers again; the supervisor's own limit is shorter.
const PART_RESTART_TIMEOUT: Duration = Duration::from_secs(90);

impl Sandbox {
    /// Kills a part, and waits until the supervisor has restarted it and it answers.
    ///
    /// # Errors
    /// There is no such part, or it does not start again. Then the whole sandbox ends, and its state contains the
    /// reason.
    pub fn restart(&self, part: &str) -> Result<()> {
        pid(&self.folder, part)?;
        let request_file = self.folder.restart(part);
        fs::write(&request_file, "").with_context(|| format!("could not write {}", request_file.display()))?;
        let began = Instant::now();
        while request_file.exists() {
            ensure!(self.folder.is_supervised(), super::running::failure(&self.folder, &State::read(&self.folder)));
            if began.elapsed() > PART_RESTART_TIMEOUT {
                bail!("{part} did not come back within {} s", PART_RESTART_TIMEOUT.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Pauses a part until the guard is dropped. Its connections stay open, and nothing answers.
    ///
    /// # Errors
    /// There is no such part.
    pub fn pause(&self, part: &str) -> Result<Paused> {
        let pid = pid(&self.folder, part)?;
        kill_process(pid, Signal::STOP).with_context(|| format!("could not stop {part}"))?;
        Ok(Paused(pid))
    }

    /// Slows a part down until the guard is dropped, by pausing it again and again.
    ///
    /// # Errors
    /// There is no such part.
    pub fn slow(&self, part: &str, stopped: Duration, runs: Duration) -> Result<Slowed> {
        let pid = pid(&self.folder, part)?;
        let over = Arc::new(AtomicBool::new(false));
        let stop_flag = Arc::clone(&over);
        let pulses = thread::spawn(move || {
            while !stop_flag.load(Ordering::SeqCst) {
                if kill_process(pid, Signal::STOP).is_err() {
                    return;
                }
                let paused = Paused(pid);
                thread::sleep(stopped);
                drop(paused);
                thread::sleep(runs);
            }
        });
        Ok(Slowed { over, pulses: Some(pulses) })
    }
}

/// A paused part. Dropping the guard continues it.
#[derive(Debug)]
pub struct Paused(Pid);

impl Drop for Paused {
    fn drop(&mut self) {
        // One that is gone needs no help.
        kill_process(self.0, Signal::CONT).ok();
    }
}

/// A slowed part. Dropping the guard ends the pauses.
#[derive(Debug)]
pub struct Slowed {
    over: Arc<AtomicBool>,
    pulses: Option<JoinHandle<()>>,
}

impl Drop for Slowed {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(pulses) = self.pulses.take() {
            pulses.join().ok();
        }
    }
}

/// The process of a part, read from the state each time and verified to belong to this sandbox.
fn pid(folder: &Folder, part: &str) -> Result<Pid> {
    let state = State::read(folder);
    let known = state.children.get(part).copied().filter(|pid| is_ours(folder, *pid));
    let pid = known.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    pid.with_context(|| format!("no part `{part}` runs in the sandbox `{}`", folder.name()))
}
