//! Starts processes: the only file that does.
//!
//! Every process has a time limit, an empty standard input unless bytes are given, and the C locale. It ends with SIGTERM first, then
//! SIGKILL after a grace period. Standard error is masked before it enters a [`ToolError`]. Commands come from `call.rs`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use duct::unix::HandleExt;
use tokio::task::spawn_blocking;

use super::activity_log::{self, Activity};
use super::error::ToolError;
use super::parent_death;
use crate::model::command::{Arg, Call};
use crate::model::secret::{MASK, collect_secrets, mask_secrets};
use crate::model::yaml::{self, ErrorDetail};

/// helm needs this long to record a release as `failed` after SIGTERM. Killed at once, it stays `pending-upgrade`.
const STOP_GRACE_PERIOD: Duration = Duration::from_secs(20);
/// Interval between two checks of the stop signal and the time limit.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Characters of standard error in an error, counted from its end.
const MAX_STDERR_CHARS: usize = 4000;
const SIGTERM: i32 = 15;
/// The first argument that makes this program a starter. Internal.
const GUARD_ARGUMENT: &str = "__process-guard";

/// Requests running programs to stop. Clones share one signal.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Requests the stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether a stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// The command does not start, exits with a status other than 0, or reaches its time limit.
pub async fn run(call: Call) -> Result<Vec<u8>, ToolError> {
    run_until(call, StopSignal::default()).await
}

/// As [`run`]. A requested `stop` sends SIGTERM, and SIGKILL after the grace period.
///
/// # Errors
/// As [`run`], and [`ToolError::Stopped`].
pub async fn run_until(call: Call, stop: StopSignal) -> Result<Vec<u8>, ToolError> {
    let (command, began) = (call.to_string(), Instant::now());
    let lost = || ToolError::Start {
        command: command.clone(),
        source: io::Error::other("the waiting thread ended unexpectedly"),
    };
    let result = spawn_blocking(move || wait_for_exit(&call, &stop)).await.unwrap_or_else(|_| Err(lost()));
    let end = match &result {
        Ok(_) => "ok",
        Err(ToolError::Status { status, .. }) => status.as_str(),
        Err(ToolError::Timeout { .. }) => "reached its time limit",
        Err(ToolError::Stopped { .. }) => "was stopped",
        Err(ToolError::Start { .. } | ToolError::Unreadable { .. }) => "did not start",
    };
    activity_log::record(&Activity::Command { command: &command, end, took: began.elapsed() });
    result
}

fn wait_for_exit(call: &Call, stop: &StopSignal) -> Result<Vec<u8>, ToolError> {
    let command = call.to_string();
    let start = |source| ToolError::Start { command: command.clone(), source };
    let handle = build_expression(call).and_then(|expression| expression.start()).map_err(start)?;
    let began = Instant::now();
    loop {
        if handle.wait_timeout(POLL_INTERVAL).map_err(start)?.is_some() {
            break;
        }
        if stop.is_requested() {
            terminate(&handle).map_err(start)?;
            return Err(ToolError::Stopped { command });
        }
        if began.elapsed() >= call.deadline {
            terminate(&handle).map_err(start)?;
            return Err(ToolError::Timeout { command, limit: call.deadline });
        }
    }
    check_output(call, command.clone(), handle.into_output().map_err(start)?)
}

#[expect(clippy::disallowed_methods, reason = "this file is the one that starts processes")]
fn build_expression(call: &Call) -> io::Result<duct::Expression> {
    let started = match &call.guard.starter {
        None => duct::cmd(&call.program, call.reveal_args()),
        Some(starter) => {
            let ourselves = std::process::id().to_string();
            let before = [GUARD_ARGUMENT.as_ref(), ourselves.as_ref(), call.program.as_os_str()];
            duct::cmd(starter, before.into_iter().chain(call.reveal_args()))
        }
    };
    let base = started
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        // One language and no debug output, whatever the operator's shell has set.
        .env("LC_ALL", "C")
        .env_remove("HELM_DEBUG");
    let with_env = call.env.iter().fold(base, |expression, (key, value)| expression.env(key, value));
    Ok(match (&call.stdin, &call.guard.lock_file) {
        (Some(bytes), _) => with_env.stdin_bytes(bytes.reveal().clone()),
        // An empty file reads like empty input, and the open file keeps our lock.
        (None, Some(file)) => with_env.stdin_file(file.try_clone()?),
        (None, None) => with_env.stdin_null(),
    })
}

/// `PROGRAM __process-guard PARENT COMMAND…`: becomes the command, after requesting SIGTERM for the parent's death.
///
/// helm records `failed` on SIGTERM, so a killed run leaves no helm that continues to write.
/// `None`: these are other arguments. Returns a code only if the command cannot be started.
#[must_use]
pub fn exec_guarded(mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if args.next()? != GUARD_ARGUMENT {
        return None;
    }
    let parent = args.next().and_then(|parent| parent.to_str()?.parse().ok());
    Some(args.next().map_or(ExitCode::FAILURE, |program| exec_with_parent_death_signal(parent, &program, args)))
}

#[expect(clippy::disallowed_methods, reason = "this file is the one that starts processes")]
fn exec_with_parent_death_signal(
    parent: Option<u32>,
    program: &OsStr,
    args: impl Iterator<Item = OsString>,
) -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    if !parent.is_some_and(parent_death::request_signal) {
        return ExitCode::FAILURE;
    }
    // A process group of its own: Ctrl-C in the terminal reaches only this program, which then stops at a safe point.
    let error = std::process::Command::new(program).args(args).process_group(0).exec();
    let _ = writeln!(io::stderr(), "{}: {error}", program.display());
    ExitCode::FAILURE
}

/// Sends SIGTERM, waits for the grace period, then sends SIGKILL.
fn terminate(handle: &duct::Handle) -> io::Result<()> {
    handle.send_signal(SIGTERM)?;
    if handle.wait_timeout(STOP_GRACE_PERIOD)?.is_none() {
        handle.kill()?;
    }
    Ok(())
}

fn check_output(call: &Call, command: String, output: std::process::Output) -> Result<Vec<u8>, ToolError> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let from = text.char_indices().rev().nth(MAX_STDERR_CHARS).map_or(0, |(at, _)| at);
    let tail = text.get(from..).unwrap_or_default().trim();
    Err(ToolError::Status { command, status: output.status.to_string(), stderr: mask_call_secrets(call, tail) })
}

/// A program may repeat its arguments or values in an error: mask their secrets.
fn mask_call_secrets(call: &Call, text: &str) -> String {
    let text = call.values_files.iter().fold(text.to_owned(), |text, file| {
        let read = std::fs::read_to_string(file).ok();
        let values = read.and_then(|read| yaml::parse_document(&read, ErrorDetail::LocationOnly).ok());
        values.map_or(text.clone(), |values| mask_secrets(&text, &collect_secrets(&values)))
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
    use super::*;
    use crate::model::command::ProcessGuard;

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
    async fn an_error_keeps_standard_error_without_secrets() {
        let failing = call("echo \"bad value $0\" >&2; exit 3", Duration::from_secs(10)).secret("a.b=canary-1");
        let error = run(failing).await.unwrap_err();
        assert!(error.stderr().starts_with("bad value"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary-1"));
    }

    #[tokio::test]
    async fn an_error_masks_the_secrets_of_a_values_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "dex:\n  clientSecret: canary-2\n  name: seen\n").unwrap();
        let failing = call("echo 'bad: canary-2, seen' >&2; exit 1", Duration::from_secs(10)).values_file(file.path());
        assert_eq!(run(failing).await.unwrap_err().stderr(), "bad: ***, seen");
    }

    #[tokio::test]
    async fn the_deadline_asks_before_it_kills() {
        let slow = call("trap 'exit 0' TERM; while :; do sleep 0.05; done", Duration::from_millis(200));
        let began = Instant::now();
        assert!(matches!(run(slow).await, Err(ToolError::Timeout { .. })));
        assert!(began.elapsed() < STOP_GRACE_PERIOD);
    }

    #[tokio::test]
    async fn a_requested_stop_ends_the_program() {
        let stop = StopSignal::default();
        let waiting = run_until(call("exec sleep 60", Duration::from_secs(60)), stop.clone());
        let (result, ()) = tokio::join!(waiting, async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            stop.request();
        });
        assert!(matches!(result, Err(ToolError::Stopped { .. })));
    }

    #[tokio::test]
    async fn a_guarded_program_keeps_the_lock_and_reads_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ours = std::fs::File::open(file.path()).unwrap();
        ours.try_lock().unwrap();
        let guard = ProcessGuard { starter: None, lock_file: Some(std::sync::Arc::new(ours)) };
        let child = tokio::spawn(run(call("cat; sleep 0.4", Duration::from_secs(10)).guard(&guard)));
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(guard);
        let others = std::fs::File::open(file.path()).unwrap();
        // `run` has its own copy: the lock ends with the last one.
        assert!(others.try_lock().is_err());
        assert_eq!(child.await.unwrap().unwrap(), b"");
        assert!(others.try_lock().is_ok());
    }

    #[test]
    fn only_the_arguments_of_a_starter_start_a_program() {
        let args = |words: &[&str]| words.iter().map(|word| OsString::from(*word)).collect::<Vec<_>>().into_iter();
        assert!(exec_guarded(args(&[])).is_none());
        assert!(exec_guarded(args(&["plan", "--yes"])).is_none());
        assert!(exec_guarded(args(&[GUARD_ARGUMENT])).is_some(), "started wrongly, it starts nothing");
    }

    #[tokio::test]
    async fn a_missing_program_does_not_start() {
        let missing = Call::new("program", "/no/such/program", Duration::from_secs(1));
        assert!(matches!(run(missing).await, Err(ToolError::Start { .. })));
    }
}
