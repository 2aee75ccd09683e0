//! Asks the API server whether a server-side apply of helm would meet fields of another field manager.
//!
//! Callers hand in the live object and what helm would apply. Nothing here writes: every request carries `dryRun=All`.
//! Input: an object. Output: the fields and their managers.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::managed_fields::{HELM_FIELD_MANAGER, find_foreign_owners, has_foreign_owners};

/// The fields of foreign managers, by manager, with which helm's apply of `document` to the object at `path` conflicts.
///
/// # Errors
/// The API server does not answer. A rejection for another reason is no conflict.
pub async fn find_conflicting_owners(
    cluster: &Cluster,
    path: &str,
    live: &Value,
    document: &Value,
) -> Result<BTreeMap<String, Vec<String>>, ApiError> {
    if !has_foreign_owners(live) {
        return Ok(BTreeMap::new());
    }
    match dry_run_apply(cluster, path, document, Conflicts::Refuse).await {
        Err(error) if error.is_conflict() => {}
        Err(error) if error.is_transient() => return Err(error),
        Ok(_) | Err(_) => return Ok(BTreeMap::new()),
    }
    // The message names managers in words; the forced result shows which fields of whom would change.
    let next = dry_run_apply(cluster, path, document, Conflicts::Force).await?;
    Ok(find_foreign_owners(live, &next))
}

/// What the server does with conflicts.
#[derive(Clone, Copy)]
enum Conflicts {
    Refuse,
    Force,
}

async fn dry_run_apply(
    cluster: &Cluster,
    path: &str,
    document: &Value,
    conflicts: Conflicts,
) -> Result<Value, ApiError> {
    let force = matches!(conflicts, Conflicts::Force);
    let path = format!("{path}?dryRun=All&fieldManager={HELM_FIELD_MANAGER}&force={force}");
    cluster.request(Method::PATCH, &path, Some(("application/apply-patch+yaml", document))).await
}
