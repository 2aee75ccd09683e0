//! The folder of a save: one file for each object, readable by its owner alone, whole or not there.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::backup_format::{BackupIndex, encode_file_name, strip_cluster_fields};
use crate::model::chart::to_hex;
use crate::model::yaml::{self, ErrorDetail};

/// Tells that the save is whole, and what is in it.
const INDEX_FILE: &str = "backup.json";
const CRDS_FOLDER: &str = "crds";
const OBJECTS_FOLDER: &str = "objects";
/// The folder of objects that are in no namespace: no namespace can have this name.
const CLUSTER_SCOPE_FOLDER: &str = "_cluster";
/// Custom resources may hold secrets.
const FOLDER_MODE: u32 = 0o700;

/// The folder of a save: `crds/<name>.yaml`, `objects/<crd>/<namespace>/<name>.yaml`, and `backup.json` when all is written.
#[derive(Debug, Clone)]
pub struct BackupFolder {
    root: PathBuf,
}

/// A file of a save that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum BackupFileError {
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is no manifest of one object.
    #[error("{path}: {reason}")]
    Content {
        /// Which file.
        path: String,
        /// Why, without its content.
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
    /// A new save in this folder, which is made, or is empty.
    ///
    /// # Errors
    /// It cannot be made, or something is in it.
    pub fn create(root: &Path) -> Result<Self, BackupFileError> {
        create_folder(root)?;
        match fs::read_dir(root).map_err(|error| BackupFileError::io(root, error))?.next() {
            None => Ok(Self { root: root.to_owned() }),
            Some(_) => Err(BackupFileError::content(root, "something is in this folder already")),
        }
    }

    /// A save that was written before, and what is in it.
    ///
    /// # Errors
    /// There is none, or it was cut off before its end.
    pub fn open(root: &Path) -> Result<(Self, BackupIndex), BackupFileError> {
        let path = root.join(INDEX_FILE);
        let bytes = fs::read(&path).map_err(|error| BackupFileError::io(&path, error))?;
        let index: BackupIndex =
            serde_json::from_slice(&bytes).map_err(|error| BackupFileError::content(&path, error.to_string()))?;
        if !index.is_supported() {
            return Err(BackupFileError::content(&path, "no index of a save that this version can read"));
        }
        Ok((Self { root: root.to_owned() }, index))
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a CRD.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_crd(&self, crd: &Value) -> Result<(), BackupFileError> {
        self.write_manifest(&self.root.join(CRDS_FOLDER), crd)
    }

    /// Writes an object of this CRD.
    ///
    /// # Errors
    /// As [`Snapshot::put_crd`].
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

    /// Ends the save: from now on it is whole.
    ///
    /// # Errors
    /// As [`Snapshot::put_crd`].
    pub fn finish(&self, index: &BackupIndex) -> Result<(), BackupFileError> {
        let path = self.root.join(INDEX_FILE);
        let text =
            serde_json::to_vec_pretty(index).map_err(|error| BackupFileError::content(&path, error.to_string()))?;
        write_atomically(&path, &text)
    }

    /// The file of this CRD.
    #[must_use]
    pub fn crd_path(&self, name: &str) -> PathBuf {
        self.root.join(CRDS_FOLDER).join(format!("{}.yaml", encode_file_name(name)))
    }

    /// The files of the objects of this CRD, sorted. None where it has no objects.
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
    /// It cannot be read or is no manifest of one object. Its content is not told: it may hold secrets.
    pub fn read_manifest(path: &Path) -> Result<Value, BackupFileError> {
        let text = fs::read_to_string(path).map_err(|error| BackupFileError::io(path, error))?;
        let object = yaml::parse_document(&text, ErrorDetail::LocationOnly)
            .map_err(|error| BackupFileError::content(path, error.to_string()))?;
        let has_identity = object["kind"].is_string() && object.pointer("/metadata/name").is_some_and(Value::is_string);
        if has_identity {
            Ok(strip_cluster_fields(&object))
        } else {
            Err(BackupFileError::content(path, "no object with a kind and a name"))
        }
    }
}

/// As YAML where that reads back the same, else as JSON, which is YAML too: nothing may be lost in a file.
fn to_manifest_text(object: &Value) -> String {
    let as_yaml = yaml::write(object).ok();
    let whole =
        as_yaml.filter(|text| yaml::parse_document(text, ErrorDetail::LocationOnly).is_ok_and(|read| read == *object));
    whole.unwrap_or_else(|| format!("{object}\n"))
}

/// Keeps a document of ours beside the objects of a save.
///
/// # Errors
/// It cannot be written.
pub fn write_document(root: &Path, name: &str, document: &Value) -> Result<(), BackupFileError> {
    let path = root.join(name);
    let text =
        serde_json::to_vec_pretty(document).map_err(|error| BackupFileError::content(&path, error.to_string()))?;
    write_atomically(&path, &text)
}

/// Every file below a folder by its path from there on: its digest, and its bytes; sorted.
///
/// # Errors
/// One of them cannot be read, or is neither a file nor a folder.
pub fn list_file_digests(root: &Path) -> Result<Vec<(String, String, u64)>, BackupFileError> {
    let (mut pending, mut all) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = pending.pop() {
        for path in list_entries(&folder)? {
            let kind = fs::symlink_metadata(&path).map_err(|error| BackupFileError::io(&path, error))?;
            if kind.is_dir() {
                pending.push(path);
                continue;
            }
            if !kind.is_file() {
                return Err(BackupFileError::content(&path, "it is neither a file nor a folder"));
            }
            let bytes = fs::read(&path).map_err(|error| BackupFileError::io(&path, error))?;
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            all.push((name, format!("sha256:{}", to_hex(&Sha256::digest(&bytes))), bytes.len() as u64));
        }
    }
    all.sort();
    Ok(all)
}

fn create_folder(folder: &Path) -> Result<(), BackupFileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .map_err(|error| BackupFileError::io(folder, error))
}

/// Whole or not at all, and for its owner alone: a temporary file has mode 0600.
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
    fn what_is_written_is_read_again_and_only_by_its_owner() {
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
    fn a_save_that_was_cut_off_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let backup = BackupFolder::create(folder.path()).unwrap();
        backup.write_crd(&json!({"kind": "CustomResourceDefinition", "metadata": {"name": "hubs.a.b"}})).unwrap();
        assert!(BackupFolder::open(folder.path()).unwrap_err().to_string().contains("backup.json"));
        assert!(BackupFolder::create(folder.path()).unwrap_err().to_string().contains("something is in this folder"));
    }

    #[test]
    fn a_broken_file_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.yaml");
        for text in ["secret: canary\n  - bad", "kind: Hub\npassword: canary\n", "a: 1\n---\nb: canary\n"] {
            fs::write(&file, text).unwrap();
            let error = BackupFolder::read_manifest(&file).unwrap_err().to_string();
            assert!(error.contains("x.yaml") && !error.contains("canary"), "{error}");
        }
    }
}
