//! Where an upgrade stands: a look at the locks and the releases, and no write.

use std::time::{Duration, Instant};

use crate::ask::Installation;
use crate::cluster::{Cluster, flux, journal, look};
use crate::model::lease::{Claim, Life, LockSeen, Place, RENEW_EVERY};
use crate::model::view::Looked;
use crate::prepare::lease_watcher::Turn;
use crate::prepare::workstation::Workstation;
use crate::problem::Problem;
use crate::report::status::UpgradeStatus;

/// Between two looks at a lock.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Beyond the time in which a holder that lives renews.
const GRACE: Duration = Duration::from_secs(2);

/// Looks.
///
/// # Errors
/// The cluster cannot be reached. What cannot be read of it stands in the answer.
pub async fn status(
    installation: &Installation,
    claim: Claim,
    workstation: Option<Workstation>,
) -> Result<UpgradeStatus, Problem> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    cluster.get("/version").await.map_err(|error| error.problem(&cluster.context))?;
    let namespace = &installation.namespace;
    let (locks, held, journal, crds, app) = tokio::join!(
        locks(&cluster, namespace, Turn::new(claim, workstation)),
        flux::held(&cluster, installation),
        journal::look(&cluster, namespace),
        look::releases(&cluster, namespace, &installation.crds_release),
        look::releases(&cluster, namespace, &installation.app_release),
    );
    Ok(UpgradeStatus::new(&cluster.context, namespace, locks, held, journal, [crds, app]))
}

/// Who holds a lock. A holder of another workstation is watched until it renews, or has had the time to.
async fn locks(cluster: &Cluster, namespace: &str, mut turn: Turn) -> Looked<Vec<LockSeen>> {
    let places = Place::of_a_run(namespace, true);
    let began = Instant::now();
    loop {
        let seen = turn.look(cluster, &places).await.map_err(|error| error.not_seen("the locks"))?;
        let decided = seen.iter().all(|lock| lock.life != Life::Unsure);
        if decided || began.elapsed() > RENEW_EVERY + GRACE {
            return Ok(seen);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
