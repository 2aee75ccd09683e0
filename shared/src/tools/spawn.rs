//! The only file that starts a process. Deadline, nothing on standard input unless a step hands bytes to it, fixed locale.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use duct::unix::HandleExt;
use tokio::task::spawn_blocking;

use super::call::{Arg, Call};
use super::error::ToolError;
use crate::model::secret::MASK;

/// helm needs this long to record a release as `failed` after SIGTERM; killed at once, it would stay `pending-upgrade`.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// How often a running program is looked at, besides waiting for its end.
const BEAT: Duration = Duration::from_millis(100);
/// How much of standard error an error keeps: its end says the most.
const STDERR_KEPT: usize = 4000;
const SIGTERM: i32 = 15;

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
    let handle = expression(call).start().map_err(start)?;
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
fn expression(call: &Call) -> duct::Expression {
    let base = duct::cmd(&call.program, call.revealed())
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        // One language and no pager or debug talk, whatever the operator's shell has set.
        .env("LC_ALL", "C")
        .env_remove("HELM_DEBUG");
    let with_env = call.env.iter().fold(base, |expression, (key, value)| expression.env(key, value));
    match &call.stdin {
        Some(bytes) => with_env.stdin_bytes(bytes.reveal().clone()),
        None => with_env.stdin_null(),
    }
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

/// A program may repeat its arguments in an error: what was secret there is masked here too.
fn without_secrets(call: &Call, text: &str) -> String {
    call.args.iter().fold(text.to_owned(), |text, arg| match arg {
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
    async fn what_is_not_there_does_not_start() {
        let missing = Call::new("program", "/no/such/program", Duration::from_secs(1));
        assert!(matches!(run(missing).await, Err(ToolError::Start { .. })));
    }
}
