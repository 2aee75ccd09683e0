//! Ctrl-C and SIGTERM: before the first write they end everything at once; after it the first one ends it at the next safe
//! point, and the second one at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Stream;
use crate::problem::{Exit, Problem};
use crate::tools::spawn::StopSignal;

/// What asks us to stop. One that comes while nobody waits for it is not lost.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From here on, signals come to us.
    ///
    /// # Errors
    /// The system does not let us have them.
    pub fn new() -> Result<Self, Problem> {
        let failed = |error| Problem::failure("cannot watch for Ctrl-C").with_source(error);
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate()).map_err(failed)? })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Runs work that writes nothing.
    ///
    /// # Errors
    /// The work's own; a signal came.
    pub async fn run_read_only<T>(&mut self, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        tokio::select! {
            result = work => result,
            () = self.recv() => Err(Problem::new(Exit::Interrupted, "stopped by Ctrl-C: nothing was written")),
        }
    }

    /// Runs work that writes; it looks itself at `stop`.
    ///
    /// # Errors
    /// The work's own; a second signal came.
    pub async fn run_writing<T>(
        &mut self,
        stop: &StopSignal,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let second_signal = async {
            self.recv().await;
            stop.request();
            Stream::Stderr.write("\nstopping at the next safe point; Ctrl-C again ends at once\n");
            self.recv().await;
        };
        tokio::select! {
            result = work => result,
            () = second_signal => Err(Problem::new(Exit::Interrupted, "ended at once by a second Ctrl-C, in the middle of a step")
                .with_hint("helm and kubectl are asked to stop too; run the same command again, and it goes on from what is there")),
        }
    }
}
