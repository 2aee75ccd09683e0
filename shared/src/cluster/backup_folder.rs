//! The folder of a backup: one file per object, readable only by its owner.
//!
//! Each file is written completely or not at all, and the index comes last: a backup without an index is incomplete.
//! `run/backup` decides what is backed up and restored; the index format is `model/backup_format.rs`. Custom resources may hold
//! secrets, so no error quotes a file.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::backup_format::{BackupIndex, encode_file_name, strip_cluster_fields};
use crate::model::chart::to_hex;
use crate::model::yaml::{self, ErrorDetail};

/// Exists only in a complete backup. Lists its content.
const INDEX_FILE: &str = "backup.json";
const CRDS_FOLDER: &str = "crds";
const OBJECTS_FOLDER: &str = "objects";
/// The folder of cluster-scoped objects. Not a valid namespace name.
const CLUSTER_SCOPE_FOLDER: &str = "_cluster";
/// Owner only: custom resources may hold secrets.
const FOLDER_MODE: u32 = 0o700;

/// The layout: `crds/<name>.yaml`, `objects/<crd>/<namespace>/<name>.yaml`, and `backup.json` at the end.
#[derive(Debug, Clone)]
pub struct BackupFolder {
    root: PathBuf,
}

/// Why a file of a backup is not usable.
#[derive(Debug, thiserror::Error)]
pub enum BackupFileError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not a manifest of one object, or not a backup index.
    #[error("{path}: {reason}")]
    Content {
        /// The file.
        path: String,
        /// The reason, without the content.
        reason: String,
    },
}

impl BackupFileError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }

    fn content(path: &Path, reason: impl Into<String>) -> Self {
        Self::Content { path: path.display().to_string(), reason: reason.into() }
    }
}

impl BackupFolder {
    /// Creates a backup in a folder that is new or empty.
    ///
    /// # Errors
    /// The folder cannot be created, or is not empty.
    pub fn create(root: &Path) -> Result<Self, BackupFileError> {
        create_folder(root)?;
        match fs::read_dir(root).map_err(|error| BackupFileError::io(root, error))?.next() {
            None => Ok(Self { root: root.to_owned() }),
            Some(_) => Err(BackupFileError::content(root, "the folder is not empty")),
        }
    }

    /// Opens a complete backup with its index.
    ///
    /// # Errors
    /// There is no backup, or it is incomplete.
    pub fn open(root: &Path) -> Result<(Self, BackupIndex), BackupFileError> {
        let path = root.join(INDEX_FILE);
        let bytes = fs::read(&path).map_err(|error| BackupFileError::io(&path, error))?;
        let index: BackupIndex =
            serde_json::from_slice(&bytes).map_err(|error| BackupFileError::content(&path, error.to_string()))?;
        if !index.is_supported() {
            return Err(BackupFileError::content(&path, "this version cannot read this backup index"));
        }
        Ok((Self { root: root.to_owned() }, index))
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a CRD.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_crd(&self, crd: &Value) -> Result<(), BackupFileError> {
        self.write_manifest(&self.root.join(CRDS_FOLDER), crd)
    }

    /// Writes an object of this CRD.
    ///
    /// # Errors
    /// As [`BackupFolder::write_crd`].
    pub fn write_object(&self, crd: &str, object: &Value) -> Result<(), BackupFileError> {
        let namespace = object["metadata"]["namespace"].as_str().filter(|namespace| !namespace.is_empty());
        let namespace = namespace.map_or_else(|| CLUSTER_SCOPE_FOLDER.to_owned(), encode_file_name);
        self.write_manifest(&self.root.join(OBJECTS_FOLDER).join(encode_file_name(crd)).join(namespace), object)
    }

    fn write_manifest(&self, folder: &Path, object: &Value) -> Result<(), BackupFileError> {
        let name = encode_file_name(object["metadata"]["name"].as_str().unwrap_or_default());
        let path = folder.join(format!("{name}.yaml"));
        create_folder(folder)?;
        write_atomically(&path, to_manifest_text(&strip_cluster_fields(object)).as_bytes())
    }

    /// Writes the index: the backup is complete.
    ///
    /// # Errors
    /// As [`BackupFolder::write_crd`].
    pub fn finish(&self, index: &BackupIndex) -> Result<(), BackupFileError> {
        let path = self.root.join(INDEX_FILE);
        let text =
            serde_json::to_vec_pretty(index).map_err(|error| BackupFileError::content(&path, error.to_string()))?;
        write_atomically(&path, &text)
    }

    /// The path of this CRD's file.
    #[must_use]
    pub fn crd_path(&self, name: &str) -> PathBuf {
        self.root.join(CRDS_FOLDER).join(format!("{}.yaml", encode_file_name(name)))
    }

    /// The files of this CRD's objects, sorted. Empty if it has none.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn list_object_files(&self, crd: &str) -> Result<Vec<PathBuf>, BackupFileError> {
        let folder = self.root.join(OBJECTS_FOLDER).join(encode_file_name(crd));
        let mut files = Vec::new();
        for namespace in list_entries(&folder)? {
            files.extend(
                list_entries(&namespace)?.into_iter().filter(|file| file.extension().is_some_and(|it| it == "yaml")),
            );
        }
        files.sort();
        Ok(files)
    }

    /// Reads one manifest.
    ///
    /// # Errors
    /// The file cannot be read or is not a manifest of one object.
    pub fn read_manifest(path: &Path) -> Result<Value, BackupFileError> {
        let text = fs::read_to_string(path).map_err(|error| BackupFileError::io(path, error))?;
        let object = yaml::parse_document(&text, ErrorDetail::LocationOnly)
            .map_err(|error| BackupFileError::content(path, error.to_string()))?;
        let has_identity = object["kind"].is_string() && object.pointer("/metadata/name").is_some_and(Value::is_string);
        if has_identity {
            Ok(strip_cluster_fields(&object))
        } else {
            Err(BackupFileError::content(path, "not an object with a kind and a name"))
        }
    }
}

/// YAML if it reads back the same, otherwise JSON, which is YAML too: no value may change.
fn to_manifest_text(object: &Value) -> String {
    let as_yaml = yaml::write(object).ok();
    let whole =
        as_yaml.filter(|text| yaml::parse_document(text, ErrorDetail::LocationOnly).is_ok_and(|read| read == *object));
    whole.unwrap_or_else(|| format!("{object}\n"))
}

/// Writes an additional document into a backup.
///
/// # Errors
/// The file cannot be written.
pub fn write_document(root: &Path, name: &str, document: &Value) -> Result<(), BackupFileError> {
    let path = root.join(name);
    let text =
        serde_json::to_vec_pretty(document).map_err(|error| BackupFileError::content(&path, error.to_string()))?;
    write_atomically(&path, &text)
}

/// Every file below a folder: relative path, SHA-256 digest, size in bytes. Sorted.
///
/// # Errors
/// An entry cannot be read, or is neither a file nor a folder.
pub fn list_file_digests(root: &Path) -> Result<Vec<(String, String, u64)>, BackupFileError> {
    let digest_of = |(name, path): (String, PathBuf)| {
        let bytes = fs::read(&path).map_err(|error| BackupFileError::io(&path, error))?;
        Ok((name, format!("sha256:{}", to_hex(&Sha256::digest(&bytes))), bytes.len() as u64))
    };
    list_files(root)?.into_iter().map(digest_of).collect()
}

/// Every file below a folder: relative path, and where it is. Sorted by the relative path.
///
/// # Errors
/// A folder cannot be read, or an entry is neither a file nor a folder.
pub(super) fn list_files(root: &Path) -> Result<Vec<(String, PathBuf)>, BackupFileError> {
    let (mut pending, mut all) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = pending.pop() {
        for path in list_entries(&folder)? {
            let kind = fs::symlink_metadata(&path).map_err(|error| BackupFileError::io(&path, error))?;
            if kind.is_dir() {
                pending.push(path);
                continue;
            }
            if !kind.is_file() {
                return Err(BackupFileError::content(&path, "neither a file nor a folder"));
            }
            all.push((path.strip_prefix(root).unwrap_or(&path).display().to_string(), path));
        }
    }
    all.sort();
    Ok(all)
}

/// Creates a folder and its parents, readable only by their owner.
///
/// # Errors
/// It cannot be created.
pub fn create_folder(folder: &Path) -> Result<(), BackupFileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .map_err(|error| BackupFileError::io(folder, error))
}

/// Writes a file completely or not at all. Mode 0600, from the temporary file.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), BackupFileError> {
    let failed = |error| BackupFileError::io(path, error);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}

fn list_entries(folder: &Path) -> Result<Vec<PathBuf>, BackupFileError> {
    let failed = |error| BackupFileError::io(folder, error);
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_backup_is_read_back_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("save");
        let backup = BackupFolder::create(&root).unwrap();
        let odd = json!({"apiVersion": "a.b/v1", "kind": "Hub", "metadata": {"name": "../x", "namespace": "m"},
            "spec": {"on": "yes", "n": 1e21, "big": u64::MAX, "half": 0.5, "text": "a\r\nb\t\u{85}", "none": null, "time": "12:30:45", "e": "1e3", "empty": {}}});
        backup.write_object("hubs.a.b", &odd).unwrap();
        let files = backup.list_object_files("hubs.a.b").unwrap();
        assert_eq!(files, [root.join("objects/hubs.a.b/m/%2E.%2Fx.yaml")]);
        assert_eq!(BackupFolder::read_manifest(&files[0]).unwrap(), odd);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&files[0]), mode(&root), mode(files[0].parent().unwrap())), (0o600, 0o700, 0o700));
    }

    #[test]
    fn an_interrupted_backup_cannot_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let backup = BackupFolder::create(folder.path()).unwrap();
        backup.write_crd(&json!({"kind": "CustomResourceDefinition", "metadata": {"name": "hubs.a.b"}})).unwrap();
        assert!(BackupFolder::open(folder.path()).unwrap_err().to_string().contains("backup.json"));
        assert!(BackupFolder::create(folder.path()).unwrap_err().to_string().contains("the folder is not empty"));
    }

    #[test]
    fn an_error_names_a_broken_file_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.yaml");
        for text in ["secret: canary\n  - bad", "kind: Hub\npassword: canary\n", "a: 1\n---\nb: canary\n"] {
            fs::write(&file, text).unwrap();
            let error = BackupFolder::read_manifest(&file).unwrap_err().to_string();
            assert!(error.contains("x.yaml") && !error.contains("canary"), "{error}");
        }
    }
}
