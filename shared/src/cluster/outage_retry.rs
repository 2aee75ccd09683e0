//! Patience with a server that goes away for a moment: it is restarted, a balancer takes another one, a connection is reset.
//!
//! Only in a run that has begun to write, where to give up at once would leave things half-done; and for reads alone, since a
//! write that was not answered may have been done. Whoever only looks is told at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the server may be away before a read fails. Shorter than the time after which a lock is given up.
pub(super) const MAX_OUTAGE_DURATION: Duration = Duration::from_secs(8);
/// Between two tries.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(300);

/// Shared by all that speak to one cluster: an outage is waited for once, and not by each request anew.
#[derive(Debug, Default)]
pub(super) struct OutageRetry {
    enabled: AtomicBool,
    outage: Mutex<Outage>,
    /// What we were allowed to read.
    allowed_paths: Mutex<BTreeSet<String>>,
}

#[derive(Debug, Default)]
struct Outage {
    /// Since when nothing has come back.
    began: Option<Instant>,
    /// When the last request did not come back.
    last_failure: Option<Instant>,
}

impl OutageRetry {
    /// From now on, reads wait for a server that is away.
    pub(super) fn enable(&self) {
        self.enabled.store(true, Ordering::SeqCst);
    }

    /// The server has answered, and allowed this.
    pub(super) fn record_allowed(&self, path: &str) {
        self.allowed_paths.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }

    /// It forbids what it allowed before: whether that is to be believed.
    pub(super) fn record_forbidden(&self, path: &str, now: Instant) -> bool {
        let was_allowed = self.allowed_paths.lock().unwrap_or_else(PoisonError::into_inner).contains(path);
        if was_allowed { self.record_failure(now) } else { self.is_recovering(now) }
    }

    /// The server has answered, whatever it said.
    pub(super) fn record_answer(&self) {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).began = None;
    }

    /// It did not answer: whether it is worth asking again.
    pub(super) fn record_failure(&self, now: Instant) -> bool {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        outage.last_failure = Some(now);
        let began = *outage.began.get_or_insert(now);
        self.enabled.load(Ordering::SeqCst) && now.duration_since(began) < MAX_OUTAGE_DURATION
    }

    /// Whether it has only just come back: one that has started a moment ago knows no roles yet, and says forbidden.
    pub(super) fn is_recovering(&self, now: Instant) -> bool {
        let last_failure = self.outage.lock().unwrap_or_else(PoisonError::into_inner).last_failure;
        self.enabled.load(Ordering::SeqCst)
            && last_failure.is_some_and(|last_failure| now.duration_since(last_failure) < MAX_OUTAGE_DURATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_waited_for_once_and_only_by_who_has_begun() {
        let (retry, began) = (OutageRetry::default(), Instant::now());
        assert!(!retry.record_failure(began), "who only looks is told at once");
        retry.enable();
        retry.record_answer();
        assert!(retry.record_failure(began) && retry.record_failure(began + Duration::from_secs(7)));
        assert!(!retry.record_failure(began + MAX_OUTAGE_DURATION), "it is away for too long");
        retry.record_answer();
        assert!(retry.record_failure(began + MAX_OUTAGE_DURATION), "the next outage is another one");
        retry.record_answer();
        retry.record_allowed("/a");
        let now = began + MAX_OUTAGE_DURATION;
        assert!(
            retry.record_forbidden("/a", now) && !retry.record_forbidden("/a", now + MAX_OUTAGE_DURATION),
            "allowed a moment ago"
        );
        retry.record_answer();
        assert!(!retry.record_forbidden("/b", now + MAX_OUTAGE_DURATION * 3), "never allowed");
        retry.record_failure(began + MAX_OUTAGE_DURATION);
        let later = |seconds| began + MAX_OUTAGE_DURATION + Duration::from_secs(seconds);
        assert!(retry.is_recovering(later(7)) && !retry.is_recovering(later(8)), "forbidden is believed again");
    }
}
