//! Waits until the API server stores objects of a CRD in its new storage version.
//!
//! After a CRD changes, each API server takes a moment to use it. Discovery publishes a hash of the storage version; this module
//! polls it until it stays right. Migrations begin only afterwards, otherwise they would rewrite objects in the old version.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::migration::storage_version_hash;

/// How long discovery must agree, since any of several API servers may answer.
const AGREEMENT_DURATION: Duration = Duration::from_secs(2);
/// If the storage version is not served, discovery has no hash: every API server knows the CRD after this time.
const PROPAGATION_DELAY: Duration = Duration::from_secs(10);
/// The limit of the wait.
const MAX_WAIT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Waits until discovery reports the CRD's storage version. False: the time is over,
/// or `should_continue` returned false.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn wait_for_storage_version(
    cluster: &Cluster,
    crd: &Crd,
    should_continue: &(dyn Fn() -> bool + Send + Sync),
) -> Result<bool, ApiError> {
    let Some(version) = crd.reading_version() else { return Ok(true) };
    let (path, wanted) = (format!("/apis/{}/{version}", crd.group()), storage_version_hash(crd));
    let in_discovery = crd.versions().any(|version| version.storage && version.served);
    let (began, mut agrees_since) = (Instant::now(), None);
    while began.elapsed() < MAX_WAIT && should_continue() {
        if !in_discovery {
            if began.elapsed() >= PROPAGATION_DELAY {
                return Ok(true);
            }
        } else if read_storage_hash(cluster, &path, crd.plural()).await?.as_ref() == Some(&wanted) {
            if agrees_since.get_or_insert_with(Instant::now).elapsed() >= AGREEMENT_DURATION {
                return Ok(true);
            }
        } else {
            agrees_since = None;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(false)
}

/// The storage version hash in discovery. `None`: the kind is not served yet.
async fn read_storage_hash(cluster: &Cluster, path: &str, plural: &str) -> Result<Option<String>, ApiError> {
    let resources = match cluster.get(path).await {
        Ok(resources) => resources,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut all = resources["resources"].as_array().into_iter().flatten();
    let of = all.find(|resource| resource["name"] == plural);
    Ok(of.and_then(|resource| resource.get("storageVersionHash").and_then(Value::as_str).map(str::to_owned)))
}
