//! Patience with a server that goes away for a moment: it is restarted, a balancer takes another one, a connection is reset.
//!
//! Only in a run that has begun to write, where to give up at once would leave things half-done; and for reads alone, since a
//! write that was not answered may have been done. Whoever only looks is told at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the server may be away before a read fails. Shorter than the time after which a lock is given up.
pub(super) const PATIENT_FOR: Duration = Duration::from_secs(8);
/// Between two tries.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// Shared by all that speak to one cluster: an outage is waited for once, and not by each request anew.
#[derive(Debug, Default)]
pub(super) struct Patience {
    on: AtomicBool,
    outage: Mutex<Outage>,
    /// What we were allowed to read.
    allowed: Mutex<BTreeSet<String>>,
}

#[derive(Debug, Default)]
struct Outage {
    /// Since when nothing has come back.
    since: Option<Instant>,
    /// When the last request did not come back.
    last: Option<Instant>,
}

impl Patience {
    /// From now on, reads wait for a server that is away.
    pub(super) fn begin(&self) {
        self.on.store(true, Ordering::SeqCst);
    }

    /// The server has answered, and allowed this.
    pub(super) fn allowed(&self, path: &str) {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }

    /// It forbids what it allowed before: whether that is to be believed.
    pub(super) fn forbids(&self, path: &str, now: Instant) -> bool {
        let was_allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner).contains(path);
        if was_allowed { self.goes_on(now) } else { self.just_back(now) }
    }

    /// The server has answered, whatever it said.
    pub(super) fn answered(&self) {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).since = None;
    }

    /// It did not answer: whether it is worth asking again.
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        outage.last = Some(now);
        let since = *outage.since.get_or_insert(now);
        self.on.load(Ordering::SeqCst) && now.duration_since(since) < PATIENT_FOR
    }

    /// Whether it has only just come back: one that has started a moment ago knows no roles yet, and says forbidden.
    pub(super) fn just_back(&self, now: Instant) -> bool {
        let last = self.outage.lock().unwrap_or_else(PoisonError::into_inner).last;
        self.on.load(Ordering::SeqCst) && last.is_some_and(|last| now.duration_since(last) < PATIENT_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_waited_for_once_and_only_by_who_has_begun() {
        let (patience, begun) = (Patience::default(), Instant::now());
        assert!(!patience.goes_on(begun), "who only looks is told at once");
        patience.begin();
        patience.answered();
        assert!(patience.goes_on(begun) && patience.goes_on(begun + Duration::from_secs(7)));
        assert!(!patience.goes_on(begun + PATIENT_FOR), "it is away for too long");
        patience.answered();
        assert!(patience.goes_on(begun + PATIENT_FOR), "the next outage is another one");
        patience.answered();
        patience.allowed("/a");
        let now = begun + PATIENT_FOR;
        assert!(patience.forbids("/a", now) && !patience.forbids("/a", now + PATIENT_FOR), "allowed a moment ago");
        patience.answered();
        assert!(!patience.forbids("/b", now + PATIENT_FOR * 3), "never allowed");
        patience.goes_on(begun + PATIENT_FOR);
        let later = |seconds| begun + PATIENT_FOR + Duration::from_secs(seconds);
        assert!(patience.just_back(later(7)) && !patience.just_back(later(8)), "forbidden is believed again");
    }
}
