//! Verifies a release by helm's own record on the cluster, not by helm's exit code.
//!
//! Owns what counts as done: deployed, the chart's version, and for an upgrade the run's label. Input: a release. Output: nothing, or a
//! `Problem` with the revision that was read.

use super::context::Run;
use super::release_error::{ReleaseError, ReleaseName};
use crate::cluster::view_reader;
use crate::model::chart_version::ChartVersion;
use crate::model::metadata_keys::RUN_LABEL;
use crate::model::release::ReleaseRecord;
use crate::model::release_status::ReleaseStatus;
use crate::tools::helm::UpgradeArgs;

/// Checks that the newest revision is the one that this run wrote: deployed, of the chart's version, with the run's label.
///
/// # Errors
/// It is another revision, or the records cannot be read.
pub(super) async fn verify_upgraded(
    run: &Run<'_>,
    upgrade: &UpgradeArgs<'_>,
    version: &ChartVersion,
) -> Result<(), ReleaseError> {
    let (release, namespace) = (upgrade.release, &run.prepared.session.installation.namespace);
    let records = view_reader::read_release_records(&run.prepared.session.cluster, namespace, release).await;
    let records = records?;
    let newest = records.last();
    if newest.is_some_and(|newest| is_ours(newest, version, &run.prepared.session.lease_watcher.identity.run)) {
        return Ok(());
    }
    let found = newest.map_or_else(
        || "the release does not exist".to_owned(),
        |newest| format!("revision {} is {} with {}", newest.revision, newest.status, newest.chart_version),
    );
    let name = ReleaseName { release: release.to_owned(), namespace: namespace.clone() };
    Err(ReleaseError::NotRecorded { name, version: version.as_str().to_owned(), newest: Some(found) })
}

/// Checks that the newest revision is deployed and has the version that helm rolled back to.
///
/// # Errors
/// It is another revision, or the records cannot be read.
pub(super) async fn verify_rolled_back(run: &Run<'_>, release: &str, version: &str) -> Result<(), ReleaseError> {
    let namespace = &run.prepared.session.installation.namespace;
    let records = view_reader::read_release_records(&run.prepared.session.cluster, namespace, release).await;
    let records = records?;
    let back = |newest: &&ReleaseRecord| newest.status == ReleaseStatus::Deployed && newest.chart_version == version;
    match records.last().filter(back) {
        Some(_) => Ok(()),
        None => Err(ReleaseError::NotRecorded {
            name: ReleaseName { release: release.to_owned(), namespace: namespace.clone() },
            version: version.to_owned(),
            newest: None,
        }),
    }
}

fn is_ours(newest: &ReleaseRecord, version: &ChartVersion, run: &str) -> bool {
    newest.status == ReleaseStatus::Deployed
        && newest.chart_version == version.as_str()
        && newest.labels.get(RUN_LABEL).is_some_and(|label| label == run)
}
