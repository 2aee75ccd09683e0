//! A server whose clock is ahead of ours: what helm and kubectl have kept of its answers looks fresh to them.
//!
//! They keep the list of kinds on disk beside its `Date`, and do not ask again while that lies in the future (`gregjones/httpcache`,
//! `getFreshness`: a negative age is below any lifetime). Kinds that have come since are then unknown to them: "no matches for kind".

use jiff::{SignedDuration, Timestamp};

use super::Run;
use crate::tools::helm::Helm;

/// The operator's helm; with a cache of its own for this run where the kept one would mislead it.
pub(super) async fn helm(run: &Run<'_>) -> Helm {
    let helm = run.prepared.helm.clone();
    let ahead = run.prepared.cluster.date().await.is_some_and(|date| ahead(date, Timestamp::now()));
    match run.prepared.private.as_ref().filter(|_| ahead) {
        Some(private) => Helm { cache: Some(private.path().join("discovery")), ..helm },
        None => helm,
    }
}

/// `Date` is in whole seconds, cut off: any lead that it shows is real.
fn ahead(server: Timestamp, ours: Timestamp) -> bool {
    server.duration_since(ours) > SignedDuration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_even_or_behind_misleads_nobody() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(ahead(at(101), at(100)) && !ahead(at(100), at(100)) && !ahead(at(40), at(100)));
    }
}
