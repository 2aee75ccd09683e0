//! A copy of a run's backup in the cluster: the archive of its folder, in Secrets beside the journal.
//!
//! The folder of a run in a pod ends with the pod, and a second workstation does not have the folder of the first. A user who may
//! read the journal may read this copy. Input: a folder. Output: the number of Secrets, and later the folder again. The caller compares
//! the checksums with the journal; nothing here is trusted.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use tokio::task::{JoinError, spawn_blocking};

use super::backup_archive::{PackError, pack, unpack};
use super::backup_folder::BackupFileError;
use super::{ApiError, Cluster};
use crate::model::metadata_keys::{BACKUP_OF_LABEL, BACKUP_SECRET_TYPE, MANAGED_BY};
use crate::plan::journal::BackupCopy;

/// The most bytes in one Secret. The API server accepts 1 MiB of decoded data.
const MAX_PART_BYTES: usize = 900 * 1024;
/// The most Secrets of one backup: a hub's etcd is not a file server.
const MAX_PARTS: usize = 12;
/// The key of the archive's part in a Secret.
const PART_KEY: &str = "part";

/// Why there is no copy in the cluster, or no folder from it.
#[derive(Debug, thiserror::Error)]
pub enum BackupCopyError {
    /// The folder cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The archive cannot be unpacked.
    #[error(transparent)]
    Unpack(#[from] BackupFileError),
    /// The work on the files did not end.
    #[error("the files of the backup were not read to the end")]
    Aborted(#[from] JoinError),
    /// The API server rejects the request or does not answer.
    #[error("Secret {secret}: {source}")]
    Api {
        /// The Secret.
        secret: String,
        /// The server's reason.
        source: ApiError,
    },
    /// A Secret does not hold what was written.
    #[error("Secret {secret} holds no part of a backup")]
    NotAPart {
        /// The Secret.
        secret: String,
    },
}

fn secret_name(run: &str, part: usize) -> String {
    format!("mural-backup-{run}-{part}")
}

fn secret_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{name}")
}

fn build_part(namespace: &str, run: &str, part: usize, bytes: &[u8]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": BACKUP_SECRET_TYPE,
        "metadata": {
            "name": secret_name(run, part),
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": MANAGED_BY, BACKUP_OF_LABEL: run},
        },
        "data": {PART_KEY: STANDARD.encode(bytes)},
    })
}

/// Stores the folder in Secrets. What an earlier attempt of the same run left is replaced.
///
/// # Errors
/// The folder cannot be packed, is too large, or the API server refuses a Secret. Then none of them stays.
pub async fn store_backup(
    cluster: &Cluster,
    namespace: &str,
    run: &str,
    folder: &Path,
) -> Result<BackupCopy, BackupCopyError> {
    let folder = folder.to_owned();
    let archive = spawn_blocking(move || pack(&folder, MAX_PARTS * MAX_PART_BYTES)).await??;
    let parts: Vec<&[u8]> = archive.chunks(MAX_PART_BYTES).collect();
    for (at, bytes) in parts.iter().enumerate() {
        let secret = build_part(namespace, run, at, bytes);
        if let Err(source) = create_or_replace(cluster, namespace, &secret).await {
            let written = BackupCopy { run: run.to_owned(), secrets: at };
            delete_backup_copy(cluster, namespace, &written).await.ok();
            return Err(BackupCopyError::Api { secret: secret_name(run, at), source });
        }
    }
    Ok(BackupCopy { run: run.to_owned(), secrets: parts.len() })
}

async fn create_or_replace(cluster: &Cluster, namespace: &str, secret: &Value) -> Result<Value, ApiError> {
    let body = Some(("application/json", secret));
    match cluster.request(Method::POST, &format!("/api/v1/namespaces/{namespace}/secrets"), body).await {
        Err(error) if error.is_conflict() => {
            let name = secret["metadata"]["name"].as_str().unwrap_or_default();
            cluster.request(Method::PUT, &secret_path(namespace, name), body).await
        }
        answer => answer,
    }
}

/// Reads the copy into a folder, which is created.
///
/// # Errors
/// A Secret is missing, cannot be read or was changed; or the folder cannot be written.
pub async fn read_backup_copy(
    cluster: &Cluster,
    namespace: &str,
    copy: &BackupCopy,
    folder: &Path,
) -> Result<(), BackupCopyError> {
    let mut archive = Vec::new();
    for part in 0..copy.secrets.min(MAX_PARTS) {
        let name = secret_name(&copy.run, part);
        let secret = cluster
            .get(&secret_path(namespace, &name))
            .await
            .map_err(|source| BackupCopyError::Api { secret: name.clone(), source })?;
        let bytes = secret["data"][PART_KEY].as_str().and_then(|text| STANDARD.decode(text).ok());
        archive.extend(bytes.ok_or(BackupCopyError::NotAPart { secret: name })?);
    }
    let folder = folder.to_owned();
    Ok(spawn_blocking(move || unpack(&archive, &folder)).await??)
}

/// Deletes the copy. Secrets that are gone already count as deleted.
///
/// # Errors
/// The API server rejects a request or does not answer.
pub async fn delete_backup_copy(cluster: &Cluster, namespace: &str, copy: &BackupCopy) -> Result<(), BackupCopyError> {
    for part in 0..copy.secrets.min(MAX_PARTS) {
        let secret = secret_name(&copy.run, part);
        match cluster.request(Method::DELETE, &secret_path(namespace, &secret), None).await {
            Err(source) if !source.is_not_found() => return Err(BackupCopyError::Api { secret, source }),
            _ => {}
        }
    }
    Ok(())
}

/// Deletes the copies whose run is none of these: the journal has forgotten them. Best effort, because a leftover harms nothing
/// and the next run tries again.
pub async fn delete_forgotten_copies(cluster: &Cluster, namespace: &str, known_runs: &[String]) {
    let path = format!("/api/v1/namespaces/{namespace}/secrets");
    let Ok(found) = cluster.list_metadata(&path, &format!("labelSelector={BACKUP_OF_LABEL}")).await else { return };
    let run_of = |secret: &Value| secret["metadata"]["labels"][BACKUP_OF_LABEL].as_str().map(str::to_owned);
    let is_forgotten = |secret: &&Value| run_of(secret).is_some_and(|run| !known_runs.contains(&run));
    for secret in found.iter().filter(is_forgotten) {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        cluster.request(Method::DELETE, &secret_path(namespace, name), None).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake_api_server::{Answer, FakeApiServer};
    use crate::tools::private_files::create_private_dir;

    const COLLECTION: &str = "/api/v1/namespaces/hub/secrets";

    fn folder_with_a_file() -> tempfile::TempDir {
        let folder = create_private_dir().unwrap();
        std::fs::write(folder.path().join("backup.json"), "{}").unwrap();
        folder
    }

    fn copy() -> BackupCopy {
        BackupCopy { run: "r1".into(), secrets: 1 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_of_an_earlier_attempt_is_replaced() {
        let one = secret_path("hub", "mural-backup-r1-0");
        let server = FakeApiServer::new().answer("POST", COLLECTION, [Answer::conflict("it exists")]).answer(
            "PUT",
            &one,
            [Answer::json(&json!({}))],
        );
        let stored = store_backup(&server.start(), "hub", "r1", folder_with_a_file().path()).await;
        assert_eq!(stored.unwrap(), copy());
        assert_eq!(server.requests(), [format!("POST {COLLECTION}"), format!("PUT {one}")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_comes_back_from_its_secrets() {
        let folder = folder_with_a_file();
        let secret = build_part("hub", "r1", 0, &pack(folder.path(), usize::MAX).unwrap());
        let server =
            FakeApiServer::new().answer("GET", &secret_path("hub", "mural-backup-r1-0"), [Answer::json(&secret)]);
        let to = create_private_dir().unwrap();
        read_backup_copy(&server.start(), "hub", &copy(), to.path()).await.unwrap();
        assert_eq!(std::fs::read_to_string(to.path().join("backup.json")).unwrap(), "{}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_that_may_not_be_read_is_not_an_empty_one() {
        let path = secret_path("hub", "mural-backup-r1-0");
        let server = FakeApiServer::new().answer("GET", &path, [Answer::status(403, "secrets is forbidden")]);
        let to = create_private_dir().unwrap();
        let error = read_backup_copy(&server.start(), "hub", &copy(), to.path()).await.unwrap_err();
        assert!(error.to_string().contains("secrets is forbidden"), "{error}");
    }
}
