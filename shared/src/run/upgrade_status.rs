//! Reads the status of an upgrade: locks, journal, releases and suspended Flux objects. Writes nothing.
//!
//! Owns how long a lock is watched before its holder counts as undetermined. Input: an installation. Output: [`UpgradeStatus`], in
//! which a part that cannot be read has its reason.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::ask::Installation;
use crate::cluster::{Cluster, flux_reader, journal_secret, view_reader};
use crate::model::cluster_view::Observed;
use crate::model::lease::{HeldLock, HolderIdentity, LeaseRef, Liveness, RENEW_INTERVAL};
use crate::prepare::lease_watcher::LeaseWatcher;
use crate::prepare::local_run_locks::LocalRunLocks;
use crate::problem::Problem;
use crate::report::status_report::{NamespaceState, UpgradeStatus};

/// The interval between two reads of a lock.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Added to the renewal interval, because a renewal can be late.
const RENEW_GRACE: Duration = Duration::from_secs(2);

/// Reads the status.
///
/// # Errors
/// The cluster cannot be reached. A part that cannot be read is not an error.
pub async fn read_status(
    installation: &Installation,
    identity: HolderIdentity,
    workstation: Option<LocalRunLocks>,
) -> Result<UpgradeStatus, Problem> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    cluster.get("/version").await.map_err(|error| error.in_context(&cluster.context))?;
    let namespace = &installation.namespace;
    let (locks, suspended, journal, crds, app) = tokio::join!(
        read_locks(&cluster, namespace, LeaseWatcher::new(identity, workstation)),
        flux_reader::read_suspended_by_run(&cluster, installation),
        journal_secret::read_journal(&cluster, namespace),
        view_reader::read_release_records(&cluster, namespace, &installation.crds_release),
        view_reader::read_release_records(&cluster, namespace, &installation.app_release),
    );
    let state = read_namespace_state(&cluster, installation).await;
    Ok(UpgradeStatus::new(
        &cluster.context,
        (namespace, &state),
        locks,
        suspended,
        journal,
        [crds, app],
        Timestamp::now(),
    ))
}

/// Whether the namespace exists. Only the API server's own "not found" says that it does not.
async fn read_namespace_state(cluster: &Cluster, installation: &Installation) -> NamespaceState {
    match cluster.get_metadata(&format!("/api/v1/namespaces/{}", installation.namespace)).await {
        Err(error) if error.is_not_found() => {
            let found = view_reader::find_installed_anywhere(cluster, &installation.releases()).await;
            NamespaceState::Missing { installed_elsewhere: found.ok().map(|found| found.into_iter().collect()) }
        }
        Ok(_) | Err(_) => NamespaceState::Present,
    }
}

/// The holders of the locks. A holder on another workstation is watched until it renews, or a renewal is overdue.
async fn read_locks(cluster: &Cluster, namespace: &str, mut lease_watcher: LeaseWatcher) -> Observed<Vec<HeldLock>> {
    let lease_refs = LeaseRef::for_run(namespace, true);
    let began = Instant::now();
    loop {
        let locks =
            lease_watcher.poll(cluster, &lease_refs).await.map_err(|error| error.to_read_failure("the locks"))?;
        let decided = locks.iter().all(|lock| lock.liveness != Liveness::Undetermined);
        if decided || began.elapsed() > RENEW_INTERVAL + RENEW_GRACE {
            return Ok(locks);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
