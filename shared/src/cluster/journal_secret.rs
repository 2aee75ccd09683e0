//! The journal's Secret: read, and written so that the server compares versions.

use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::cluster_view::Observed;
use crate::plan::journal::{JournalSnapshot, SECRET_NAME, parse_journal};

fn secret_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{SECRET_NAME}")
}

/// Reads the Secret; none where there is none.
///
/// # Errors
/// The server refuses or does not answer.
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
/// The Secret cannot be read. One without a readable run is no error: the answer says why.
pub async fn read_journal(cluster: &Cluster, namespace: &str) -> Observed<JournalSnapshot> {
    let secret = read_secret(cluster, namespace).await;
    let what = || format!("the journal (Secret {namespace}/{SECRET_NAME})");
    secret.map(|secret| parse_journal(secret.as_ref())).map_err(|error| error.to_read_failure(what()))
}

/// Writes the Secret: new, or over the version that it carries. Gives it back as the server keeps it.
///
/// # Errors
/// Somebody else wrote meanwhile ([`ApiError::conflict`]); the server refuses or does not answer.
pub async fn write_secret(cluster: &Cluster, namespace: &str, secret: &Value) -> Result<Value, ApiError> {
    let exists = secret.pointer("/metadata/resourceVersion").is_some();
    let (method, path) = match exists {
        true => (Method::PUT, secret_path(namespace)),
        false => (Method::POST, format!("/api/v1/namespaces/{namespace}/secrets")),
    };
    match cluster.request(method, &path, Some(("application/json", secret))).await {
        // Somebody has deleted it: it is made anew, and what older runs told is lost.
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
