//! Ctrl-C and SIGTERM.
//!
//! Before the first write, a signal ends the command at once. After it, the first signal ends the command at the next safe
//! point, and the second signal ends it at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Stream;
use super::command_error::CommandError;
use crate::problem::Problem;
use crate::tools::spawn::StopSignal;

/// The signals that stop a command. A signal that arrives between two waits is not lost.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Registers the signal handlers.
    ///
    /// # Errors
    /// The operating system refuses the registration.
    pub fn new() -> Result<Self, CommandError> {
        let register = |kind| signal(kind).map_err(CommandError::SignalHandlers);
        Ok(Self { interrupt: register(SignalKind::interrupt())?, terminate: register(SignalKind::terminate())? })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Runs work that writes nothing; a signal ends it at once.
    ///
    /// # Errors
    /// The error of the work, or an interruption by a signal.
    pub async fn run_read_only<T, E: Into<Problem>>(
        &mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem> {
        tokio::select! {
            result = work => result.map_err(Into::into),
            () = self.recv() => Err(CommandError::Stopped.into()),
        }
    }

    /// Runs work that writes. The first signal sets `stop`, which the work must check at its safe points.
    ///
    /// # Errors
    /// The error of the work, or an interruption by a second signal.
    pub async fn run_writing<T, E: Into<Problem>>(
        &mut self,
        stop: &StopSignal,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem> {
        let second_signal = async {
            self.recv().await;
            stop.request();
            Stream::Stderr.write("\nstopping at the next safe point; press Ctrl-C again to end at once\n");
            self.recv().await;
        };
        tokio::select! {
            result = work => result.map_err(Into::into),
            () = second_signal => Err(CommandError::StoppedInStep.into()),
        }
    }
}
