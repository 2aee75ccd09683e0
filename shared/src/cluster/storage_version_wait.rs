//! When an API server has taken up a CRD: in which version it stores from now on.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::migration::storage_version_hash;

/// So long discovery must say the same, whichever API server answers.
const AGREEMENT_DURATION: Duration = Duration::from_secs(2);
/// Where discovery does not tell (the storage version is not served), each API server has learned of a CRD by then.
const PROPAGATION_DELAY: Duration = Duration::from_secs(10);
/// The longest that it may take.
const MAX_WAIT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Waits until the server says that objects of this CRD are stored in its storage version. False where it does not in time,
/// or `goes_on` says so.
///
/// # Errors
/// The server refuses or does not answer.
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

/// What discovery says of the version in which a kind is stored; none where the kind is not served yet.
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
