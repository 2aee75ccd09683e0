//! The cluster's own `StorageVersionMigration` (KEP-4192): asked for, followed, cleared away.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::object::condition;

/// Newest first. The alpha of 1.30 to 1.34 names a version too and is off by default: left alone.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Marks the migrations that we asked for: those are ours to clear away.
const OURS: &str = "mural-";

/// One migration of the cluster's own.
#[derive(Debug, Clone)]
pub struct Migration {
    path: String,
    ours: bool,
}

/// How a migration of the cluster's own stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// Nobody has taken it up.
    Untouched,
    /// Its controller is at work.
    Running,
    /// It says that all objects are moved. A claim, not a proof.
    Succeeded,
    /// It says why it gave up.
    Failed(String),
    /// Somebody has deleted it.
    Gone,
}

/// Where migrations are asked for; none where this server has no such API.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn served(cluster: &Cluster) -> Result<Option<String>, ApiError> {
    for version in VERSIONS {
        let root = format!("/apis/storagemigration.k8s.io/{version}");
        match cluster.get(&root).await {
            Ok(_) => return Ok(Some(format!("{root}/storageversionmigrations"))),
            Err(error) if error.not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Asks for a migration of this CRD's objects, or finds the one that is under way.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn ask(cluster: &Cluster, collection: &str, crd: &Crd) -> Result<Migration, ApiError> {
    let resource = json!({"group": crd.group(), "resource": crd.plural()});
    let at = |object: &Value, ours| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        Migration { path: format!("{collection}/{name}"), ours }
    };
    for object in cluster.list(collection, "").await? {
        let of = &object["spec"]["resource"];
        let same = of["group"] == resource["group"] && of["resource"] == resource["resource"];
        if !same {
            continue;
        }
        let ours = object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(OURS));
        match stand(&object) {
            Stand::Untouched | Stand::Running => return Ok(at(&object, ours)),
            // Left by a run that was cut off: what it claims was true then, if ever.
            Stand::Succeeded | Stand::Failed(_) | Stand::Gone => clear(cluster, &at(&object, ours)).await?,
        }
    }
    let version = collection.trim_start_matches("/apis/").trim_end_matches("/storageversionmigrations");
    let wanted = json!({"apiVersion": version, "kind": "StorageVersionMigration",
        "metadata": {"generateName": OURS}, "spec": {"resource": resource}});
    let made = cluster.request(Method::POST, collection, Some(("application/json", &wanted))).await?;
    Ok(at(&made, true))
}

/// How it stands now.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn look(cluster: &Cluster, migration: &Migration) -> Result<Stand, ApiError> {
    match cluster.get(&migration.path).await {
        Ok(object) => Ok(stand(&object)),
        Err(error) if error.not_found() => Ok(Stand::Gone),
        Err(error) => Err(error),
    }
}

fn stand(object: &Value) -> Stand {
    let is = |kind: &str| condition(object, kind).is_some_and(|found| found.status == "True");
    match condition(object, "Failed").filter(|found| found.status == "True") {
        Some(failed) => Stand::Failed(format!("{} {}", failed.reason, failed.message).trim().to_owned()),
        None if is("Succeeded") => Stand::Succeeded,
        None if is("Running") => Stand::Running,
        None => Stand::Untouched,
    }
}

/// Waits until it ends, as long as `goes_on` allows; gives up on a controller that does not take it up `within` that time.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn wait(
    cluster: &Cluster,
    migration: &Migration,
    within: Duration,
    goes_on: &(dyn Fn() -> bool + Send + Sync),
) -> Result<Stand, ApiError> {
    let began = Instant::now();
    loop {
        let stand = look(cluster, migration).await?;
        match stand {
            Stand::Untouched if began.elapsed() >= within => return Ok(stand),
            Stand::Untouched | Stand::Running if goes_on() => tokio::time::sleep(LOOK_AGAIN).await,
            _ => return Ok(stand),
        }
    }
}

/// Clears away what we asked for. Somebody else's stays.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn clear(cluster: &Cluster, migration: &Migration) -> Result<(), ApiError> {
    if !migration.ours {
        return Ok(());
    }
    match cluster.request(Method::DELETE, &migration.path, None).await {
        Err(error) if !error.not_found() => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_is_read_from_the_conditions() {
        let with = |conditions: Value| stand(&json!({"status": {"conditions": conditions}}));
        let is = |kind: &str| json!({"type": kind, "status": "True", "reason": "R", "message": "m"});
        assert_eq!(with(json!([])), Stand::Untouched);
        assert_eq!(with(json!([is("Running")])), Stand::Running);
        assert_eq!(with(json!([{"type": "Running", "status": "False"}, is("Succeeded")])), Stand::Succeeded);
        assert_eq!(with(json!([is("Failed")])), Stand::Failed("R m".into()));
    }
}
