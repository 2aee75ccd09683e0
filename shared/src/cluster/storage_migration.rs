//! The cluster's own `StorageVersionMigration` (KEP-4192): asked for, followed, cleared away.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::object::find_condition;

/// Newest first. The alpha of 1.30 to 1.34 names a version too and is off by default: left alone.
const API_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Marks the migrations that we asked for: those are ours to clear away.
const NAME_PREFIX: &str = "mural-";

/// One migration of the cluster's own.
#[derive(Debug, Clone)]
pub struct Migration {
    path: String,
    is_ours: bool,
}

/// How a migration of the cluster's own stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationState {
    /// Nobody has taken it up.
    Pending,
    /// Its controller is at work.
    Running,
    /// It says that all objects are moved. A claim, not a proof.
    Succeeded,
    /// It says why it gave up.
    Failed(String),
    /// Somebody has deleted it.
    Deleted,
}

/// Where migrations are asked for; none where this server has no such API.
///
/// # Errors
/// The server refuses or does not answer.
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

/// Asks for a migration of this CRD's objects, or finds the one that is under way.
///
/// # Errors
/// The server refuses or does not answer.
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
            // Left by a run that was cut off: what it claims was true then, if ever.
            MigrationState::Succeeded | MigrationState::Failed(_) | MigrationState::Deleted => {
                delete_if_ours(cluster, &at(&object, ours)).await?
            }
        }
    }
    let version = collection.trim_start_matches("/apis/").trim_end_matches("/storageversionmigrations");
    let wanted = json!({"apiVersion": version, "kind": "StorageVersionMigration",
        "metadata": {"generateName": NAME_PREFIX}, "spec": {"resource": resource}});
    let created = cluster.request(Method::POST, collection, Some(("application/json", &wanted))).await?;
    Ok(at(&created, true))
}

/// How it stands now.
///
/// # Errors
/// The server refuses or does not answer.
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

/// Waits until it ends, as long as `goes_on` allows; gives up on a controller that does not take it up `within` that time.
///
/// # Errors
/// The server refuses or does not answer.
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
                tokio::time::sleep(POLL_INTERVAL).await
            }
            _ => return Ok(state),
        }
    }
}

/// Clears away what we asked for. Somebody else's stays.
///
/// # Errors
/// The server refuses or does not answer.
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
    fn a_stand_is_read_from_the_conditions() {
        let with = |conditions: Value| parse_state(&json!({"status": {"conditions": conditions}}));
        let is = |kind: &str| json!({"type": kind, "status": "True", "reason": "R", "message": "m"});
        assert_eq!(with(json!([])), MigrationState::Pending);
        assert_eq!(with(json!([is("Running")])), MigrationState::Running);
        assert_eq!(with(json!([{"type": "Running", "status": "False"}, is("Succeeded")])), MigrationState::Succeeded);
        assert_eq!(with(json!([is("Failed")])), MigrationState::Failed("R m".into()));
    }
}
