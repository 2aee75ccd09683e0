//! The proof of a release: what helm says that it has done stands in the record that it keeps on the cluster.

use super::context::Run;
use crate::cluster::view_reader;
use crate::model::chart_version::ChartVersion;
use crate::model::metadata_keys::RUN_LABEL;
use crate::model::release::ReleaseRecord;
use crate::model::release_status::ReleaseStatus;
use crate::problem::Problem;
use crate::tools::helm::UpgradeArgs;

/// Looks whether the newest revision is the one that this run wrote: deployed, of the chart's version, with the run's label.
///
/// # Errors
/// It is another one, or the records cannot be read.
pub(super) async fn verify_upgraded(
    run: &Run<'_>,
    upgrade: &UpgradeArgs<'_>,
    version: &ChartVersion,
) -> Result<(), Problem> {
    let (release, namespace) = (upgrade.release, &run.prepared.session.installation.namespace);
    let records = view_reader::read_release_records(&run.prepared.session.cluster, namespace, release).await;
    let records = records.map_err(|failure| Problem::failure(failure.to_string()))?;
    let newest = records.last();
    if newest.is_some_and(|newest| is_ours(newest, version, &run.prepared.session.lease_watcher.identity.run)) {
        return Ok(());
    }
    let found = newest.map_or_else(
        || "there is no such release".to_owned(),
        |newest| format!("revision {} is {} with {}", newest.revision, newest.status, newest.chart_version),
    );
    Err(Problem::failure(format!("helm says that {release} is {version} now, and its record does not: {found}"))
        .with_hint(format!("helm history {release} --namespace {namespace}"))
        .with_hint("where nobody else upgraded, call helm by hand, and see what it does there"))
}

/// Looks whether the newest revision is one of this version, deployed: what helm went back to.
///
/// # Errors
/// It is another one, or the records cannot be read.
pub(super) async fn verify_rolled_back(run: &Run<'_>, release: &str, version: &str) -> Result<(), Problem> {
    let namespace = &run.prepared.session.installation.namespace;
    let records = view_reader::read_release_records(&run.prepared.session.cluster, namespace, release).await;
    let records = records.map_err(|failure| Problem::failure(failure.to_string()))?;
    let back = |newest: &&ReleaseRecord| newest.status == ReleaseStatus::Deployed && newest.chart_version == version;
    match records.last().filter(back) {
        Some(_) => Ok(()),
        None => Err(Problem::failure(format!("helm says that {release} is {version} again, and its record does not"))
            .with_hint(format!("helm history {release} --namespace {namespace}"))),
    }
}

fn is_ours(newest: &ReleaseRecord, version: &ChartVersion, run: &str) -> bool {
    newest.status == ReleaseStatus::Deployed
        && newest.chart_version == version.as_str()
        && newest.labels.get(RUN_LABEL).is_some_and(|label| label == run)
}
