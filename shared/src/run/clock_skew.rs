//! Works around caches of helm and kubectl that look fresh because the server's clock is ahead of ours.
//!
//! Both keep the list of kinds on disk beside its `Date`, and do not read it again while that lies in the future (`gregjones/httpcache`,
//! `getFreshness`: a negative age is below any lifetime). They do not know newer kinds then: "no matches for kind". Input: the
//! server's `Date`. Output: helm or kubectl with an empty cache if the server is ahead, otherwise unchanged.

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::context::Run;
use crate::ask::ClusterAccess;
use crate::tools::helm::Helm;
use crate::tools::kubectl::Kubectl;
use crate::tools::private_files::create_private_dir_in;

/// The operator's helm, with an empty cache if the usual one would mislead it.
pub(super) async fn helm_with_fresh_cache(run: &Run<'_>) -> Helm {
    let helm = run.prepared.session.helm.clone();
    Helm { cluster: cluster_access(run, helm.cluster).await, ..helm }
}

/// The operator's kubectl, with an empty cache if the usual one would mislead it.
pub(super) async fn kubectl_with_fresh_cache(run: &Run<'_>) -> Kubectl {
    let kubectl = run.prepared.session.kubectl.clone();
    Kubectl { cluster: cluster_access(run, kubectl.cluster).await, ..kubectl }
}

/// Each call gets its own cache: the cache of the previous call would mislead it in the same way.
async fn cluster_access(run: &Run<'_>, usual: ClusterAccess) -> ClusterAccess {
    let ahead =
        run.prepared.session.cluster.read_server_time().await.is_some_and(|date| is_ahead(date, Timestamp::now()));
    if !ahead {
        return usual;
    }
    let private = run.prepared.session.private_dir.path();
    // It is removed with the folder of the run. If it cannot be created, the usual cache is used.
    let empty = create_private_dir_in(private, "kube-cache");
    ClusterAccess { kube_cache: empty.ok().map(TempDir::keep), ..usual }
}

/// `Date` is truncated to whole seconds, so any lead that it shows is real.
fn is_ahead(server: Timestamp, ours: Timestamp) -> bool {
    server.duration_since(ours) > SignedDuration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_is_ahead_needs_a_fresh_cache() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(is_ahead(at(101), at(100)) && !is_ahead(at(100), at(100)) && !is_ahead(at(40), at(100)));
    }
}
