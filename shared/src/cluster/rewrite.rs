//! Rewrites all objects of a CRD with empty patches, so that each one is stored in the storage version.
//!
//! An empty merge patch carries no content: the API server reads the object, changes nothing and writes it. A concurrent change
//! by another client can neither be lost nor reverted. `run/object_migration.rs` decides when; `storage_migration.rs` is the cluster's
//! own way to do the same.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use http::Method;
use serde_json::{Value, json};

use super::pages::Pages;
use super::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::migration::{MIGRATION_FIELD_MANAGER, MigrationPass, is_storage_rewrite_only, repair_managed_fields};
use crate::model::object::ObjectRef;

/// Concurrent writes.
const MAX_CONCURRENT_WRITES: usize = 8;
/// Attempts for one object, against conflicts and a busy server.
const MAX_ATTEMPTS: u32 = 8;
const INITIAL_BACKOFF: Duration = Duration::from_millis(50);
/// Interval between two progress reports.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
/// Failures that are reported with their reason; the others are counted.
const MAX_RECORDED_FAILURES: usize = 100;

/// The options of a rewrite.
pub struct RewriteOptions<'a> {
    /// The CRD as read from the cluster.
    pub crd: &'a Crd,
    /// The versions that managed fields may have.
    pub known_versions: &'a [String],
    /// The version for managed fields of a version that no longer exists.
    pub target_version: &'a str,
    /// Whether to send dry runs only.
    pub dry_run: bool,
}

/// The outcome for one object.
enum RewriteOutcome {
    Unchanged,
    Migrated,
    Repaired,
    /// The object was deleted meanwhile.
    Deleted,
}

/// Rewrites all objects. `tell` receives the number done and the total, if known. The rewrite ends when it returns false.
///
/// # Errors
/// The objects cannot be listed. An object that cannot be written is not an error: the answer lists it.
pub async fn rewrite_objects(
    cluster: &Cluster,
    options: &RewriteOptions<'_>,
    report_progress: &(dyn Fn(u64, u64) -> bool + Send + Sync),
) -> Result<Option<MigrationPass>, ApiError> {
    let version = options.crd.reading_version().unwrap_or(options.target_version);
    let (mut pages, mut walk) = (Pages::new(cluster, options.crd.collection_path(version)), MigrationPass::default());
    let mut last_report = Instant::now();
    while let Some(page) = pages.next().await? {
        let remaining = page.remaining.unwrap_or(0) + page.items.len() as u64;
        let total = walk.objects + remaining;
        let mut results = stream::iter(page.items)
            .map(|object| rewrite_object(cluster, options, version, object))
            .buffer_unordered(MAX_CONCURRENT_WRITES);
        while let Some((object, result)) = results.next().await {
            walk.objects += 1;
            match result {
                Ok(RewriteOutcome::Unchanged) => {}
                Ok(RewriteOutcome::Migrated) => walk.migrated_objects += 1,
                Ok(RewriteOutcome::Repaired) => walk.repaired_objects += 1,
                Ok(RewriteOutcome::Deleted) => walk.objects -= 1,
                Err(error) if walk.failures.len() < MAX_RECORDED_FAILURES => {
                    walk.failures.push((object, error.to_string()));
                }
                Err(_) => {}
            }
            if last_report.elapsed() >= PROGRESS_INTERVAL {
                last_report = Instant::now();
                if !report_progress(walk.objects, total) {
                    return Ok(None);
                }
            }
        }
        if !report_page_end(report_progress, &mut last_report, &walk, total) {
            return Ok(None);
        }
    }
    Ok(Some(walk))
}

/// Between two pages no request is pending: the safe point to stop.
fn report_page_end(
    report_progress: &(dyn Fn(u64, u64) -> bool + Send + Sync),
    last_report: &mut Instant,
    walk: &MigrationPass,
    total: u64,
) -> bool {
    if last_report.elapsed() < PROGRESS_INTERVAL {
        return report_progress(0, 0);
    }
    *last_report = Instant::now();
    report_progress(walk.objects, total)
}

async fn rewrite_object(
    cluster: &Cluster,
    options: &RewriteOptions<'_>,
    version: &str,
    object: Value,
) -> (String, Result<RewriteOutcome, ApiError>) {
    let object_name = ObjectRef::from_manifest(&object).map_or_else(String::new, |object| object.to_string());
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
    let collection = options.crd.namespaced_collection_path(version, text("namespace"));
    let dry_run = if options.dry_run { "&dryRun=All" } else { "" };
    let path = format!("{collection}/{}", text("name"));
    let patch_path = format!("{path}?fieldManager={MIGRATION_FIELD_MANAGER}{dry_run}");
    (object_name, patch_with_retry(cluster, options, &path, &patch_path, object).await)
}

async fn patch_with_retry(
    cluster: &Cluster,
    options: &RewriteOptions<'_>,
    path: &str,
    patch_path: &str,
    mut object: Value,
) -> Result<RewriteOutcome, ApiError> {
    let mut backoff = INITIAL_BACKOFF;
    for attempt in 1.. {
        // Only this patch has content, so it applies only to the version that was read.
        let repair =
            repair_managed_fields(&object, options.crd.group(), options.known_versions, options.target_version);
        let repairs = repair.is_some();
        let patch = repair.map_or_else(|| json!({}), |managed| {
            json!({"metadata": {"resourceVersion": object["metadata"]["resourceVersion"], "managedFields": managed}})
        });
        let answer = cluster.request(Method::PATCH, patch_path, Some(("application/merge-patch+json", &patch))).await;
        match answer {
            Ok(_) if repairs => return Ok(RewriteOutcome::Repaired),
            Ok(after) if is_storage_rewrite_only(&object, &after) => return Ok(RewriteOutcome::Migrated),
            Ok(_) => return Ok(RewriteOutcome::Unchanged),
            Err(error) if error.is_not_found() => return Ok(RewriteOutcome::Deleted),
            Err(error) if attempt >= MAX_ATTEMPTS || !is_retryable(&error) => return Err(error),
            Err(error) => {
                tokio::time::sleep(backoff).await;
                backoff *= 2;
                if error.is_conflict() {
                    match cluster.get(path).await {
                        Ok(fresh) => object = fresh,
                        Err(error) if error.is_not_found() => return Ok(RewriteOutcome::Deleted),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }
    Ok(RewriteOutcome::Unchanged)
}

/// Whether the same request may succeed in a moment.
const fn is_retryable(error: &ApiError) -> bool {
    match error {
        ApiError::Rejected { code, .. } => matches!(*code, 409 | 429 | 500 | 502 | 503 | 504),
        ApiError::Timeout { .. } | ApiError::Unreachable { .. } | ApiError::Login(_) => true,
        ApiError::Expired { .. } => false,
    }
}
