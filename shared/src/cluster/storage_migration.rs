//! The cluster's own `StorageVersionMigration` (KEP-4192): request one, follow it, delete it.
//!
//! Its result is a claim of a controller: `run/` verifies `status.storedVersions` and the objects afterwards. If the API is not served
//! or no controller picks the migration up, `rewrite.rs` does the work.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::object::find_condition;

/// Newest first. The alpha API of 1.30 to 1.34 is off by default and has another schema: not used.
const API_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Name prefix of the migrations that we request: only those are deleted.
const NAME_PREFIX: &str = "mural-";

/// One `StorageVersionMigration`.
#[derive(Debug, Clone)]
pub struct Migration {
    path: String,
    is_ours: bool,
}

/// The state of a migration, from its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationState {
    /// No controller has picked it up.
    Pending,
    /// The controller migrates objects.
    Running,
    /// The controller reports that all objects are migrated. Not verified here.
    Succeeded,
    /// The controller gave up: its reason and message.
    Failed(String),
    /// The migration was deleted.
    Deleted,
}

/// The path of the collection. `None`: the API is not served.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn find_collection(cluster: &Cluster) -> Result<Option<String>, ApiError> {
    for version in API_VERSIONS {
        let root = format!("/apis/storagemigration.k8s.io/{version}");
        match cluster.get(&root).await {
            Ok(_) => return Ok(Some(format!("{root}/storageversionmigrations"))),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Requests a migration of this CRD's objects, or returns the one that is running.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn request_migration(cluster: &Cluster, collection: &str, crd: &Crd) -> Result<Migration, ApiError> {
    let resource = json!({"group": crd.group(), "resource": crd.plural()});
    let at = |object: &Value, ours| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        Migration { path: format!("{collection}/{name}"), is_ours: ours }
    };
    for object in cluster.list(collection, "").await? {
        let of = &object["spec"]["resource"];
        let same = of["group"] == resource["group"] && of["resource"] == resource["resource"];
        if !same {
            continue;
        }
        let ours = object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(NAME_PREFIX));
        match parse_state(&object) {
            MigrationState::Pending | MigrationState::Running => return Ok(at(&object, ours)),
            // Left by an interrupted run: its result is outdated.
            MigrationState::Succeeded | MigrationState::Failed(_) | MigrationState::Deleted => {
                delete_if_ours(cluster, &at(&object, ours)).await?;
            }
        }
    }
    let version = collection.trim_start_matches("/apis/").trim_end_matches("/storageversionmigrations");
    let wanted = json!({"apiVersion": version, "kind": "StorageVersionMigration",
        "metadata": {"generateName": NAME_PREFIX}, "spec": {"resource": resource}});
    let created = cluster.request(Method::POST, collection, Some(("application/json", &wanted))).await?;
    Ok(at(&created, true))
}

/// Reads the current state.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn read_state(cluster: &Cluster, migration: &Migration) -> Result<MigrationState, ApiError> {
    match cluster.get(&migration.path).await {
        Ok(object) => Ok(parse_state(&object)),
        Err(error) if error.is_not_found() => Ok(MigrationState::Deleted),
        Err(error) => Err(error),
    }
}

fn parse_state(object: &Value) -> MigrationState {
    let is = |kind: &str| find_condition(object, kind).is_some_and(|found| found.status == "True");
    match find_condition(object, "Failed").filter(|found| found.status == "True") {
        Some(failed) => MigrationState::Failed(format!("{} {}", failed.reason, failed.message).trim().to_owned()),
        None if is("Succeeded") => MigrationState::Succeeded,
        None if is("Running") => MigrationState::Running,
        None => MigrationState::Pending,
    }
}

/// Waits for the end while `should_continue` returns true. Gives up if no controller picks it up within `start_timeout`.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn wait_for_end(
    cluster: &Cluster,
    migration: &Migration,
    start_timeout: Duration,
    should_continue: &(dyn Fn() -> bool + Send + Sync),
) -> Result<MigrationState, ApiError> {
    let began = Instant::now();
    loop {
        let state = read_state(cluster, migration).await?;
        match state {
            MigrationState::Pending if began.elapsed() >= start_timeout => return Ok(state),
            MigrationState::Pending | MigrationState::Running if should_continue() => {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            _ => return Ok(state),
        }
    }
}

/// Deletes a migration that we requested. Others stay.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn delete_if_ours(cluster: &Cluster, migration: &Migration) -> Result<(), ApiError> {
    if !migration.is_ours {
        return Ok(());
    }
    match cluster.request(Method::DELETE, &migration.path, None).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_from_the_conditions() {
        let with = |conditions: Value| parse_state(&json!({"status": {"conditions": conditions}}));
        let is = |kind: &str| json!({"type": kind, "status": "True", "reason": "R", "message": "m"});
        assert_eq!(with(json!([])), MigrationState::Pending);
        assert_eq!(with(json!([is("Running")])), MigrationState::Running);
        assert_eq!(with(json!([{"type": "Running", "status": "False"}, is("Succeeded")])), MigrationState::Succeeded);
        assert_eq!(with(json!([is("Failed")])), MigrationState::Failed("R m".into()));
    }
}
