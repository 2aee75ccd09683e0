//! One walk over all objects of a CRD with empty patches: whatever lies in another version is stored in the storage version.
//!
//! An empty merge patch carries no content of ours: the server reads the object, changes nothing and writes it, so what
//! somebody else writes meanwhile can neither be lost nor reverted.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use http::Method;
use serde_json::{Value, json};

use super::pages::Pages;
use super::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::migration::{MANAGER, Walk, only_stored_anew, repaired};
use crate::model::object::ObjectRef;

/// Objects that are written at once.
const AT_ONCE: usize = 8;
/// How often one object is tried against others who write it, or against a server that is busy.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Between two words about how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Failures that are kept with their reason.
const FAILURES: usize = 100;

/// How a walk goes.
pub struct Way<'a> {
    /// The CRD as it was read.
    pub crd: &'a Crd,
    /// The versions that managed fields may name.
    pub keep: &'a [String],
    /// The version that entries of a version that is gone are given to.
    pub to: &'a str,
    /// Ask the server for its answer alone.
    pub dry_run: bool,
}

/// What became of one object.
enum Done {
    Unchanged,
    Moved,
    Repaired,
    /// Somebody has deleted it meanwhile.
    Gone,
}

/// Walks. `tell` is given how many are done, and how many there are where the server says; where it gives false, the walk ends.
///
/// # Errors
/// The objects cannot be listed. An object that cannot be written is part of the answer.
pub async fn walk(
    cluster: &Cluster,
    way: &Way<'_>,
    tell: &(dyn Fn(u64, u64) -> bool + Send + Sync),
) -> Result<Option<Walk>, ApiError> {
    let version = way.crd.reading_version().unwrap_or(way.to);
    let (mut pages, mut walk) = (Pages::of(cluster, way.crd.collection(version)), Walk::default());
    let mut told = Instant::now();
    while let Some(page) = pages.next().await? {
        let remaining = page.remaining.unwrap_or(0) + page.items.len() as u64;
        let total = walk.objects + remaining;
        let mut results =
            stream::iter(page.items).map(|object| one(cluster, way, version, object)).buffer_unordered(AT_ONCE);
        while let Some((object, result)) = results.next().await {
            walk.objects += 1;
            match result {
                Ok(Done::Unchanged) => {}
                Ok(Done::Moved) => walk.moved += 1,
                Ok(Done::Repaired) => walk.repaired += 1,
                Ok(Done::Gone) => walk.objects -= 1,
                Err(error) if walk.failures.len() < FAILURES => walk.failures.push((object, error.to_string())),
                Err(_) => {}
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                if !tell(walk.objects, total) {
                    return Ok(None);
                }
            }
        }
        if !tell_end(tell, &mut told, &walk, total) {
            return Ok(None);
        }
    }
    Ok(Some(walk))
}

/// Between two pages nothing is under way: the safe point to stop.
fn tell_end(tell: &(dyn Fn(u64, u64) -> bool + Send + Sync), told: &mut Instant, walk: &Walk, total: u64) -> bool {
    if told.elapsed() < TELL_EVERY {
        return tell(0, 0);
    }
    *told = Instant::now();
    tell(walk.objects, total)
}

async fn one(cluster: &Cluster, way: &Way<'_>, version: &str, object: Value) -> (String, Result<Done, ApiError>) {
    let named = ObjectRef::of(&object).map_or_else(String::new, |object| object.to_string());
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
    let collection = way.crd.collection_in(version, text("namespace"));
    let dry_run = if way.dry_run { "&dryRun=All" } else { "" };
    let path = format!("{collection}/{}", text("name"));
    let patch_path = format!("{path}?fieldManager={MANAGER}{dry_run}");
    (named, tried(cluster, way, &path, &patch_path, object).await)
}

async fn tried(
    cluster: &Cluster,
    way: &Way<'_>,
    path: &str,
    patch_path: &str,
    mut object: Value,
) -> Result<Done, ApiError> {
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        // Only this patch has content of ours, and holds for the object that was read alone.
        let repair = repaired(&object, way.crd.group(), way.keep, way.to);
        let repairs = repair.is_some();
        let patch = repair.map_or_else(|| json!({}), |managed| {
            json!({"metadata": {"resourceVersion": object["metadata"]["resourceVersion"], "managedFields": managed}})
        });
        let answer = cluster.request(Method::PATCH, patch_path, Some(("application/merge-patch+json", &patch))).await;
        match answer {
            Ok(_) if repairs => return Ok(Done::Repaired),
            Ok(after) if only_stored_anew(&object, &after) => return Ok(Done::Moved),
            Ok(_) => return Ok(Done::Unchanged),
            Err(error) if error.not_found() => return Ok(Done::Gone),
            Err(error) if attempt >= TRIES || !passes(&error) => return Err(error),
            Err(error) => {
                tokio::time::sleep(pause).await;
                pause *= 2;
                if error.conflict() {
                    match cluster.get(path).await {
                        Ok(fresh) => object = fresh,
                        Err(error) if error.not_found() => return Ok(Done::Gone),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }
    Ok(Done::Unchanged)
}

/// Whether the same request may well be answered otherwise in a moment.
const fn passes(error: &ApiError) -> bool {
    match error {
        ApiError::Refused { code, .. } => matches!(*code, 409 | 429 | 500 | 502 | 503 | 504),
        ApiError::Silent { .. } | ApiError::Unreachable { .. } => true,
        ApiError::Expired { .. } => false,
    }
}
