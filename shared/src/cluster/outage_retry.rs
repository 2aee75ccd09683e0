//! Retries through a short outage of the API server: a restart, a failover of the load balancer, a connection reset.
//!
//! Only for a run that has started to write, since giving up there leaves work half done. Only for reads, since a write without an
//! answer may have happened. Commands that only read fail at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Limit of an outage before a read fails. Shorter than the deadline of a lock's renewal.
pub(super) const MAX_OUTAGE_DURATION: Duration = Duration::from_secs(8);
/// Interval between two attempts.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(300);

/// Shared by all clones of a [`super::Cluster`]: one outage is waited for once, not once per request.
#[derive(Debug, Default)]
pub(super) struct OutageRetry {
    enabled: AtomicBool,
    outage: Mutex<Outage>,
    /// The paths that were readable.
    allowed_paths: Mutex<BTreeSet<String>>,
}

#[derive(Debug, Default)]
struct Outage {
    /// When the outage began.
    began: Option<Instant>,
    /// When the last request failed.
    last_failure: Option<Instant>,
}

impl OutageRetry {
    /// Lets reads wait from now on.
    pub(super) fn enable(&self) {
        self.enabled.store(true, Ordering::SeqCst);
    }

    /// Records a successful read.
    pub(super) fn record_allowed(&self, path: &str) {
        self.allowed_paths.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }

    /// Records a 403. Returns whether to retry: the path was readable, or the server just returned.
    pub(super) fn record_forbidden(&self, path: &str, now: Instant) -> bool {
        let was_allowed = self.allowed_paths.lock().unwrap_or_else(PoisonError::into_inner).contains(path);
        if was_allowed { self.record_failure(now) } else { self.is_recovering(now) }
    }

    /// Records any answer: the outage is over.
    pub(super) fn record_answer(&self) {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).began = None;
    }

    /// Records a missing answer. Returns whether to retry.
    pub(super) fn record_failure(&self, now: Instant) -> bool {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        outage.last_failure = Some(now);
        let began = *outage.began.get_or_insert(now);
        self.enabled.load(Ordering::SeqCst) && now.duration_since(began) < MAX_OUTAGE_DURATION
    }

    /// Whether the server just returned: a server that has just started answers 403 until it has loaded RBAC.
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
    fn only_a_run_that_has_started_waits_for_an_outage_once() {
        let (retry, began) = (OutageRetry::default(), Instant::now());
        assert!(!retry.record_failure(began), "a read-only command fails at once");
        retry.enable();
        retry.record_answer();
        assert!(retry.record_failure(began) && retry.record_failure(began + Duration::from_secs(7)));
        assert!(!retry.record_failure(began + MAX_OUTAGE_DURATION), "the outage is too long");
        retry.record_answer();
        assert!(retry.record_failure(began + MAX_OUTAGE_DURATION), "the next outage starts a new wait");
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
        assert!(retry.is_recovering(later(7)) && !retry.is_recovering(later(8)), "a 403 is final again");
    }
}
