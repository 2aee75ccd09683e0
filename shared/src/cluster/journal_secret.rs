//! Reads and writes the Secret that holds the upgrade journal.
//!
//! Every write carries the `resourceVersion` that was read, so the API server rejects a write over a newer journal (409).
//! The journal's format is `plan/journal`; when to write is decided by `run/journal_writer.rs`.

use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::cluster_view::Observed;
use crate::plan::journal::{JournalSnapshot, SECRET_NAME, parse_journal};

fn secret_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{SECRET_NAME}")
}

/// Reads the Secret. `None`: it does not exist.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn read_secret(cluster: &Cluster, namespace: &str) -> Result<Option<Value>, ApiError> {
    match cluster.get(&secret_path(namespace)).await {
        Ok(secret) => Ok(Some(secret)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the journal.
///
/// # Errors
/// The Secret cannot be read. A Secret without a readable run is not an error: the answer holds the reason.
pub async fn read_journal(cluster: &Cluster, namespace: &str) -> Observed<JournalSnapshot> {
    let secret = read_secret(cluster, namespace).await;
    let what = || format!("the journal (Secret {namespace}/{SECRET_NAME})");
    secret.map(|secret| parse_journal(secret.as_ref())).map_err(|error| error.to_read_failure(what()))
}

/// Creates the Secret, or updates the version that it carries. Returns it as stored.
///
/// # Errors
/// The Secret changed since it was read ([`ApiError::is_conflict`]), or the API server rejects the request or does not answer.
pub async fn write_secret(cluster: &Cluster, namespace: &str, secret: &Value) -> Result<Value, ApiError> {
    let exists = secret.pointer("/metadata/resourceVersion").is_some();
    let (method, path) = match exists {
        true => (Method::PUT, secret_path(namespace)),
        false => (Method::POST, format!("/api/v1/namespaces/{namespace}/secrets")),
    };
    match cluster.request(method, &path, Some(("application/json", secret))).await {
        // The Secret was deleted: create it again. The history of older runs is lost.
        Err(error) if exists && error.is_not_found() => {
            let mut recreated = secret.clone();
            if let Some(metadata) = recreated["metadata"].as_object_mut() {
                ["resourceVersion", "uid", "creationTimestamp", "managedFields"]
                    .iter()
                    .for_each(|key| drop(metadata.remove(*key)));
            }
            let path = format!("/api/v1/namespaces/{namespace}/secrets");
            cluster.request(Method::POST, &path, Some(("application/json", &recreated))).await
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api_server::{Answer, FakeApiServer};

    const COLLECTION: &str = "/api/v1/namespaces/hub/secrets";

    #[tokio::test(start_paused = true)]
    async fn a_deleted_journal_is_created_again_without_its_old_version() {
        let stored = json!({"metadata": {"name": SECRET_NAME, "resourceVersion": "2"}});
        let server = FakeApiServer::new().answer("POST", COLLECTION, [Answer::json(&stored)]);
        let secret = json!({"metadata": {"name": SECRET_NAME, "uid": "u", "resourceVersion": "1"}});
        assert_eq!(write_secret(&server.start(), "hub", &secret).await.unwrap(), stored);
        assert_eq!(server.requests(), [format!("PUT {}", secret_path("hub")), format!("POST {COLLECTION}")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_journal_is_never_overwritten() {
        let server = FakeApiServer::new().answer("PUT", &secret_path("hub"), [Answer::conflict("it changed")]);
        let secret = json!({"metadata": {"name": SECRET_NAME, "resourceVersion": "1"}});
        assert!(write_secret(&server.start(), "hub", &secret).await.unwrap_err().is_conflict());
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_that_cannot_be_read_is_not_an_empty_one() {
        let missing = read_journal(&FakeApiServer::new().start(), "hub").await;
        assert!(missing.is_ok_and(|journal| journal.runs.is_empty()));
        let denied =
            FakeApiServer::new().answer("GET", &secret_path("hub"), [Answer::status(403, "secrets is forbidden")]);
        let failure = read_journal(&denied.start(), "hub").await.unwrap_err();
        assert!(failure.to_string().contains("secrets is forbidden"), "{failure}");
    }
}
