//! A server whose clock is ahead of ours: what helm and kubectl have kept of its answers looks fresh to them.
//!
//! They keep the list of kinds on disk beside its `Date`, and do not ask again while that lies in the future (`gregjones/httpcache`,
//! `getFreshness`: a negative age is below any lifetime). Kinds that have come since are then unknown to them: "no matches for kind".

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::context::Run;
use crate::ask::ClusterAccess;
use crate::tools::helm::Helm;
use crate::tools::kubectl::Kubectl;
use crate::tools::private_files::create_private_dir_in;

/// The operator's helm; with an empty cache where a kept one would mislead it.
pub(super) async fn helm_with_fresh_cache(run: &Run<'_>) -> Helm {
    let helm = run.prepared.session.helm.clone();
    Helm { cluster: cluster_access(run, helm.cluster).await, ..helm }
}

/// The operator's kubectl, likewise.
pub(super) async fn kubectl_with_fresh_cache(run: &Run<'_>) -> Kubectl {
    let kubectl = run.prepared.session.kubectl.clone();
    Kubectl { cluster: cluster_access(run, kubectl.cluster).await, ..kubectl }
}

/// Each call gets a cache of its own: what the one before it keeps would be just as misleading.
async fn cluster_access(run: &Run<'_>, usual: ClusterAccess) -> ClusterAccess {
    let ahead =
        run.prepared.session.cluster.read_server_time().await.is_some_and(|date| is_ahead(date, Timestamp::now()));
    if !ahead {
        return usual;
    }
    let private = run.prepared.session.private_dir.path();
    // It goes with the folder that it lies in. Where it cannot be made, the usual one has to do.
    let empty = create_private_dir_in(private, "kube-cache");
    ClusterAccess { kube_cache: empty.ok().map(TempDir::keep), ..usual }
}

/// `Date` is in whole seconds, cut off: any lead that it shows is real.
fn is_ahead(server: Timestamp, ours: Timestamp) -> bool {
    server.duration_since(ours) > SignedDuration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_even_or_behind_misleads_nobody() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(is_ahead(at(101), at(100)) && !is_ahead(at(100), at(100)) && !is_ahead(at(40), at(100)));
    }
}
