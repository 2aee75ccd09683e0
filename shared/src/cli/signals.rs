//! Ctrl-C and SIGTERM.
//!
//! Before the first write, a signal ends the command at once. After it, the first signal ends the command at the next safe
//! point, and the second signal ends it at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Stream;
use crate::problem::{Exit, Problem};
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
    pub fn new() -> Result<Self, Problem> {
        let failed = |error| Problem::failure("cannot register the handlers for Ctrl-C and SIGTERM").with_source(error);
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate()).map_err(failed)? })
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
    pub async fn run_read_only<T>(&mut self, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        tokio::select! {
            result = work => result,
            () = self.recv() => Err(Problem::new(Exit::Interrupted, "stopped by Ctrl-C: nothing was written")),
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
            () = second_signal => Err(Problem::new(Exit::Interrupted, "ended by a second Ctrl-C in the middle of a step")
                .with_hint("run the same command again to continue; helm and kubectl received SIGTERM")),
        }
    }
}
