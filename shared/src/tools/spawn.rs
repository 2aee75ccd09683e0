//! The only file that starts a process. Deadline, nothing on standard input unless a step hands bytes to it, fixed locale.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use duct::unix::HandleExt;
use tokio::task::spawn_blocking;

use super::call::{Arg, Call};
use super::error::ToolError;
use crate::model::secret::{MASK, scrubbed, secrets};
use crate::model::yaml::{self, Quote};

/// helm needs this long to record a release as `failed` after SIGTERM; killed at once, it would stay `pending-upgrade`.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// How often a running program is looked at, besides waiting for its end.
const BEAT: Duration = Duration::from_millis(100);
/// How much of standard error an error keeps: its end says the most.
const STDERR_KEPT: usize = 4000;
const SIGTERM: i32 = 15;
/// The first argument of ourselves as a starter; nobody types it.
const ON_LEASH: &str = "__on-leash";

/// Asks running programs to stop. Cloned into whoever may ask.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Runs a command to its end and gives its standard output.
///
/// # Errors
/// It does not start, does not end with 0, or runs longer than its deadline.
pub async fn run(call: Call) -> Result<Vec<u8>, ToolError> {
    run_until(call, Stop::default()).await
}

/// As [`run`]; ends early where `stop` is asked: SIGTERM, and only after a grace SIGKILL.
///
/// # Errors
/// As [`run`], and [`ToolError::Stopped`].
pub async fn run_until(call: Call, stop: Stop) -> Result<Vec<u8>, ToolError> {
    let command = call.to_string();
    let lost = ToolError::Start { command, source: io::Error::other("the thread that watched it is gone") };
    spawn_blocking(move || watch(&call, &stop)).await.unwrap_or(Err(lost))
}

fn watch(call: &Call, stop: &Stop) -> Result<Vec<u8>, ToolError> {
    let command = call.to_string();
    let start = |source| ToolError::Start { command: command.clone(), source };
    let handle = expression(call).and_then(|expression| expression.start()).map_err(start)?;
    let began = Instant::now();
    loop {
        if handle.wait_timeout(BEAT).map_err(start)?.is_some() {
            break;
        }
        if stop.asked() {
            end(&handle).map_err(start)?;
            return Err(ToolError::Stopped { command });
        }
        if began.elapsed() >= call.deadline {
            end(&handle).map_err(start)?;
            return Err(ToolError::Deadline { command, limit: call.deadline });
        }
    }
    judged(call, command.clone(), handle.into_output().map_err(start)?)
}

#[expect(clippy::disallowed_methods, reason = "this file is the one that starts processes")]
fn expression(call: &Call) -> io::Result<duct::Expression> {
    let started = match &call.leash.starter {
        None => duct::cmd(&call.program, call.revealed()),
        Some(starter) => {
            let ourselves = std::process::id().to_string();
            let before = [ON_LEASH.as_ref(), ourselves.as_ref(), call.program.as_os_str()];
            duct::cmd(starter, before.into_iter().chain(call.revealed()))
        }
    };
    let base = started
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        // One language and no pager or debug talk, whatever the operator's shell has set.
        .env("LC_ALL", "C")
        .env_remove("HELM_DEBUG");
    let with_env = call.env.iter().fold(base, |expression, (key, value)| expression.env(key, value));
    Ok(match (&call.stdin, &call.leash.file) {
        (Some(bytes), _) => with_env.stdin_bytes(bytes.reveal().clone()),
        // An empty file reads like nothing at all; open, it keeps our lock on it.
        (None, Some(file)) => with_env.stdin_file(file.try_clone()?),
        (None, None) => with_env.stdin_null(),
    })
}

/// `PROGRAM __on-leash PARENT COMMAND…`: becomes the command, after asking the kernel for SIGTERM when the parent dies.
///
/// helm records `failed` on SIGTERM, so that a run that was killed leaves no helm that goes on writing behind it.
/// `None` where these are not such arguments. Comes back only where the command cannot be started.
#[must_use]
pub fn on_leash(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if args.next()? != ON_LEASH {
        return None;
    }
    let parent = args.next().and_then(|parent| parent.to_str()?.parse().ok());
    Some(args.next().map_or(ExitCode::FAILURE, |program| become_it(parent, &program, args)))
}

#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "this file is the one that starts processes")]
fn become_it(parent: Option<u32>, program: &OsStr, args: impl Iterator<Item = OsString>) -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    let bound = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    // It may have died before we asked: then nobody would ever tell us.
    if bound.is_err() || Some(std::os::unix::process::parent_id()) != parent {
        return ExitCode::FAILURE;
    }
    let error = std::process::Command::new(program).args(args).exec();
    let _ = writeln!(io::stderr(), "{}: {error}", program.display());
    ExitCode::FAILURE
}

/// Other kernels have no such signal: there, no starter is used.
#[cfg(not(target_os = "linux"))]
fn become_it(_: Option<u32>, _: &OsStr, _: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::FAILURE
}

/// Asks it to stop, waits, and only then kills it.
fn end(handle: &duct::Handle) -> io::Result<()> {
    handle.send_signal(SIGTERM)?;
    if handle.wait_timeout(STOP_GRACE)?.is_none() {
        handle.kill()?;
    }
    Ok(())
}

fn judged(call: &Call, command: String, output: std::process::Output) -> Result<Vec<u8>, ToolError> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let from = text.char_indices().rev().nth(STDERR_KEPT).map_or(0, |(at, _)| at);
    let tail = text.get(from..).unwrap_or_default().trim();
    Err(ToolError::Status { command, status: output.status.to_string(), stderr: without_secrets(call, tail) })
}

/// A program may repeat its arguments, or what stands in its values, in an error: what was secret there is masked here too.
fn without_secrets(call: &Call, text: &str) -> String {
    let text = call.values_files.iter().fold(text.to_owned(), |text, file| {
        let read = std::fs::read_to_string(file).ok();
        let values = read.and_then(|read| yaml::document(&read, Quote::Nothing).ok());
        values.map_or(text.clone(), |values| scrubbed(&text, &secrets(&values)))
    });
    call.args.iter().fold(text, |text, arg| match arg {
        Arg::Plain(_) => text,
        Arg::Secret(secret) => match secret.reveal().to_str().filter(|secret| !secret.is_empty()) {
            Some(secret) => {
                let value = secret.split_once('=').map_or(secret, |(_, value)| value);
                if value.len() < 4 {
                    text.replace(secret, MASK)
                } else {
                    text.replace(secret, MASK).replace(value, MASK)
                }
            }
            None => text,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::call::Leash;
    use super::*;

    fn call(script: &str, deadline: Duration) -> Call {
        Call::new("sh", "/bin/sh", deadline).args(["-c", script])
    }

    #[tokio::test]
    async fn output_is_what_it_wrote_and_stdin_is_empty() {
        assert_eq!(run(call("cat; echo $LC_ALL", Duration::from_secs(10))).await.unwrap(), b"C\n");
        let fed = call("cat", Duration::from_secs(10)).stdin(b"bytes".to_vec());
        assert_eq!(run(fed).await.unwrap(), b"bytes");
    }

    #[tokio::test]
    async fn an_error_keeps_what_was_said_but_no_secret() {
        let failing = call("echo \"bad value $0\" >&2; exit 3", Duration::from_secs(10)).secret("a.b=canary-1");
        let error = run(failing).await.unwrap_err();
        assert!(error.stderr().starts_with("bad value"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary-1"));
    }

    #[tokio::test]
    async fn an_error_tells_no_secret_of_a_values_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "dex:\n  clientSecret: canary-2\n  name: seen\n").unwrap();
        let failing = call("echo 'bad: canary-2, seen' >&2; exit 1", Duration::from_secs(10)).values_file(file.path());
        assert_eq!(run(failing).await.unwrap_err().stderr(), "bad: ***, seen");
    }

    #[tokio::test]
    async fn the_deadline_asks_before_it_kills() {
        let slow = call("trap 'exit 0' TERM; while :; do sleep 0.05; done", Duration::from_millis(200));
        let began = Instant::now();
        assert!(matches!(run(slow).await, Err(ToolError::Deadline { .. })));
        assert!(began.elapsed() < STOP_GRACE);
    }

    #[tokio::test]
    async fn what_is_asked_to_stop_stops() {
        let stop = Stop::default();
        let waiting = run_until(call("exec sleep 60", Duration::from_secs(60)), stop.clone());
        let (result, ()) = tokio::join!(waiting, async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            stop.ask();
        });
        assert!(matches!(result, Err(ToolError::Stopped { .. })));
    }

    #[tokio::test]
    async fn a_program_on_a_leash_keeps_the_lock_and_reads_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ours = std::fs::File::open(file.path()).unwrap();
        ours.try_lock().unwrap();
        let leash = Leash { starter: None, file: Some(std::sync::Arc::new(ours)) };
        let child = tokio::spawn(run(call("cat; sleep 0.4", Duration::from_secs(10)).leash(&leash)));
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(leash);
        let others = std::fs::File::open(file.path()).unwrap();
        // `run` has its own copy; what counts is that the lock goes with the last of them.
        assert!(others.try_lock().is_err());
        assert_eq!(child.await.unwrap().unwrap(), b"");
        assert!(others.try_lock().is_ok());
    }

    #[test]
    fn only_a_starters_arguments_start_something() {
        let args = |words: &[&str]| words.iter().map(|word| OsString::from(*word)).collect::<Vec<_>>().into_iter();
        assert!(on_leash(args(&[])).is_none());
        assert!(on_leash(args(&["plan", "--yes"])).is_none());
        assert!(on_leash(args(&[ON_LEASH])).is_some(), "started wrongly, it starts nothing");
    }

    #[tokio::test]
    async fn what_is_not_there_does_not_start() {
        let missing = Call::new("program", "/no/such/program", Duration::from_secs(1));
        assert!(matches!(run(missing).await, Err(ToolError::Start { .. })));
    }
}
