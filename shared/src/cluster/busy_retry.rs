//! Repeats a request while the API server, or a proxy in front of it, is too busy for it.
//!
//! kube-rs can do this too, but hides the server's answer when the time limit of the request ends the repetition. Here the last
//! answer stays the reason.

use std::time::Duration;

/// The answers that client-go repeats as well
/// (<https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/client-go/rest/with_retry.go>), and 503 and 504.
const BUSY_CODES: [u16; 3] = [429, 503, 504];
/// The pause before the first repetition. It doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause that the server did not ask for.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Whether this answer is a reason to repeat the request.
pub(super) fn is_busy(code: u16) -> bool {
    BUSY_CODES.contains(&code)
}

/// The pauses between the repetitions of one request.
#[derive(Debug)]
pub(super) struct BusyBackoff {
    next: Duration,
}

impl BusyBackoff {
    pub(super) const fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    /// The next pause: what the server asks for (`Retry-After`, in seconds), otherwise twice the last one.
    pub(super) fn next_pause(&mut self, retry_after: Option<u64>) -> Duration {
        let pause = retry_after.map_or(self.next, Duration::from_secs);
        self.next = (self.next * 2).min(MAX_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_decides_the_pause_if_it_names_one() {
        let mut backoff = BusyBackoff::new();
        let pauses = [None, None, Some(7), None].map(|retry_after| backoff.next_pause(retry_after).as_millis());
        assert_eq!(pauses, [100, 200, 7000, 800]);
        assert_eq!((0..9).map(|_| backoff.next_pause(None)).max(), Some(MAX_PAUSE));
    }
}
