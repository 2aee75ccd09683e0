//! Marks a release that an interrupted run left pending as failed, so that helm can upgrade it again.
//!
//! Owns the write to helm's record. Which release may be unlocked is decided by the plan. Input: a release and its revision.
//! Output: a text for the report, after a second read.

use http::Method;
use jiff::Timestamp;

use super::context::Run;
use super::release_error::ReleaseError;
use crate::cluster::{ApiError, view_reader};
use crate::model::pending_release::mark_failed;
use crate::model::release_status::ReleaseStatus;

/// Marks the revision as failed, and verifies it by reading the records again.
///
/// # Errors
/// The record cannot be read or written, or another client writes it at the same time.
pub(super) async fn unlock_release(run: &Run<'_>, release: &str, revision: u64) -> Result<String, ReleaseError> {
    let cluster = &run.prepared.session.cluster;
    let namespace = &run.prepared.session.installation.namespace;
    let name = format!("sh.helm.release.v1.{release}.v{revision}");
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    let failed = |error: ApiError| ReleaseError::Unlock { release: release.to_owned(), revision, error };
    let secret = cluster.get(&path).await.map_err(failed)?;
    let description =
        format!("interrupted while pending; unlocked by run {}", run.prepared.session.lease_watcher.identity.run);
    let marked = mark_failed(&secret, &description, Timestamp::now()).map_err(|error| ReleaseError::NotARecord {
        namespace: namespace.clone(),
        secret: name,
        error,
    })?;
    let Some(marked) = marked else {
        return Ok(format!("revision {revision} was ended by its own helm"));
    };
    // The whole object with its resourceVersion: a helm that still runs and writes it makes this write fail.
    cluster.request(Method::PUT, &path, Some(("application/json", &marked))).await.map_err(failed)?;
    verify_unlocked(run, release, revision).await
}

async fn verify_unlocked(run: &Run<'_>, release: &str, revision: u64) -> Result<String, ReleaseError> {
    let records = view_reader::read_release_records(
        &run.prepared.session.cluster,
        &run.prepared.session.installation.namespace,
        release,
    )
    .await;
    let records = records?;
    match records.last() {
        Some(newest) if newest.revision == revision && newest.status == ReleaseStatus::Failed => {
            Ok(format!("revision {revision} is marked {}", newest.status))
        }
        newest => {
            let found =
                newest.map_or_else(|| "gone".to_owned(), |newest| format!("{} at {}", newest.status, newest.revision));
            Err(ReleaseError::LockedAgain { release: release.to_owned(), revision, status: found })
        }
    }
}
