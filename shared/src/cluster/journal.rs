//! The journal's Secret: read, and written so that the server compares versions.

use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::view::Looked;
use crate::plan::journal::{JournalSeen, SECRET, seen};

fn path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{SECRET}")
}

/// Reads the Secret; none where there is none.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn read(cluster: &Cluster, namespace: &str) -> Result<Option<Value>, ApiError> {
    match cluster.get(&path(namespace)).await {
        Ok(secret) => Ok(Some(secret)),
        Err(error) if error.not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the journal.
///
/// # Errors
/// The Secret cannot be read. One without a readable run is no error: the answer says why.
pub async fn look(cluster: &Cluster, namespace: &str) -> Looked<JournalSeen> {
    let secret = read(cluster, namespace).await;
    let what = || format!("the journal (Secret {namespace}/{SECRET})");
    secret.map(|secret| seen(secret.as_ref())).map_err(|error| error.not_seen(what()))
}

/// Writes the Secret: new, or over the version that it carries. Gives it back as the server keeps it.
///
/// # Errors
/// Somebody else wrote meanwhile ([`ApiError::conflict`]); the server refuses or does not answer.
pub async fn write(cluster: &Cluster, namespace: &str, secret: &Value) -> Result<Value, ApiError> {
    let there = secret.pointer("/metadata/resourceVersion").is_some();
    let (method, path) = match there {
        true => (Method::PUT, path(namespace)),
        false => (Method::POST, format!("/api/v1/namespaces/{namespace}/secrets")),
    };
    match cluster.request(method, &path, Some(("application/json", secret))).await {
        // Somebody has deleted it: it is made anew, and what older runs told is lost.
        Err(error) if there && error.not_found() => {
            let mut anew = secret.clone();
            if let Some(metadata) = anew["metadata"].as_object_mut() {
                ["resourceVersion", "uid", "creationTimestamp", "managedFields"]
                    .iter()
                    .for_each(|key| drop(metadata.remove(*key)));
            }
            let path = format!("/api/v1/namespaces/{namespace}/secrets");
            cluster.request(Method::POST, &path, Some(("application/json", &anew))).await
        }
        other => other,
    }
}
