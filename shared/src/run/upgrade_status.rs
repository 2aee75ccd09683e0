//! Where an upgrade stands: a look at the locks and the releases, and no write.

use std::time::{Duration, Instant};

use crate::ask::Installation;
use crate::cluster::{Cluster, flux_reader, journal_secret, view_reader};
use crate::model::cluster_view::Observed;
use crate::model::lease::{HeldLock, HolderIdentity, LeaseRef, Liveness, RENEW_INTERVAL};
use crate::prepare::lease_watcher::LeaseWatcher;
use crate::prepare::local_run_locks::LocalRunLocks;
use crate::problem::Problem;
use crate::report::status_report::UpgradeStatus;

/// Between two looks at a lock.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Beyond the time in which a holder that lives renews.
const RENEW_GRACE: Duration = Duration::from_secs(2);

/// Looks.
///
/// # Errors
/// The cluster cannot be reached. What cannot be read of it stands in the answer.
pub async fn read_status(
    installation: &Installation,
    identity: HolderIdentity,
    workstation: Option<LocalRunLocks>,
) -> Result<UpgradeStatus, Problem> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    cluster.get("/version").await.map_err(|error| error.into_problem(&cluster.context))?;
    let namespace = &installation.namespace;
    let (locks, suspended, journal, crds, app) = tokio::join!(
        read_locks(&cluster, namespace, LeaseWatcher::new(identity, workstation)),
        flux_reader::read_suspended_by_run(&cluster, installation),
        journal_secret::read_journal(&cluster, namespace),
        view_reader::read_release_records(&cluster, namespace, &installation.crds_release),
        view_reader::read_release_records(&cluster, namespace, &installation.app_release),
    );
    Ok(UpgradeStatus::new(&cluster.context, namespace, locks, suspended, journal, [crds, app]))
}

/// Who holds a lock. A holder of another workstation is watched until it renews, or has had the time to.
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
