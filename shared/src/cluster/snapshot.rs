//! The folder of a save: one file for each object, readable by its owner alone, whole or not there.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::chart::hex;
use crate::model::kept::{Index, clean, file_name};
use crate::model::yaml::{self, Quote};

/// Tells that the save is whole, and what is in it.
const INDEX: &str = "save.json";
const CRDS: &str = "crds";
const OBJECTS: &str = "objects";
/// The folder of objects that are in no namespace: no namespace can have this name.
const NO_NAMESPACE: &str = "_cluster";
/// Custom resources may hold secrets.
const FOLDER_MODE: u32 = 0o700;

/// The folder of a save: `crds/<name>.yaml`, `objects/<crd>/<namespace>/<name>.yaml`, and `save.json` when all is written.
#[derive(Debug, Clone)]
pub struct Snapshot {
    root: PathBuf,
}

/// A file of a save that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
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

impl FileError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }

    fn content(path: &Path, reason: impl Into<String>) -> Self {
        Self::Content { path: path.display().to_string(), reason: reason.into() }
    }
}

impl Snapshot {
    /// A new save in this folder, which is made, or is empty.
    ///
    /// # Errors
    /// It cannot be made, or something is in it.
    pub fn begin(root: &Path) -> Result<Self, FileError> {
        make(root)?;
        match fs::read_dir(root).map_err(|error| FileError::io(root, error))?.next() {
            None => Ok(Self { root: root.to_owned() }),
            Some(_) => Err(FileError::content(root, "something is in this folder already")),
        }
    }

    /// A save that was written before, and what is in it.
    ///
    /// # Errors
    /// There is none, or it was cut off before its end.
    pub fn open(root: &Path) -> Result<(Self, Index), FileError> {
        let path = root.join(INDEX);
        let bytes = fs::read(&path).map_err(|error| FileError::io(&path, error))?;
        let index: Index =
            serde_json::from_slice(&bytes).map_err(|error| FileError::content(&path, error.to_string()))?;
        if !index.known() {
            return Err(FileError::content(&path, "no index of a save that this version can read"));
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
    pub fn put_crd(&self, crd: &Value) -> Result<(), FileError> {
        self.put(&self.root.join(CRDS), crd)
    }

    /// Writes an object of this CRD.
    ///
    /// # Errors
    /// As [`Snapshot::put_crd`].
    pub fn put_object(&self, crd: &str, object: &Value) -> Result<(), FileError> {
        let namespace = object["metadata"]["namespace"].as_str().filter(|namespace| !namespace.is_empty());
        let namespace = namespace.map_or_else(|| NO_NAMESPACE.to_owned(), file_name);
        self.put(&self.root.join(OBJECTS).join(file_name(crd)).join(namespace), object)
    }

    fn put(&self, folder: &Path, object: &Value) -> Result<(), FileError> {
        let name = file_name(object["metadata"]["name"].as_str().unwrap_or_default());
        let path = folder.join(format!("{name}.yaml"));
        make(folder)?;
        write(&path, text(&clean(object)).as_bytes())
    }

    /// Ends the save: from now on it is whole.
    ///
    /// # Errors
    /// As [`Snapshot::put_crd`].
    pub fn end(&self, index: &Index) -> Result<(), FileError> {
        let path = self.root.join(INDEX);
        let text = serde_json::to_vec_pretty(index).map_err(|error| FileError::content(&path, error.to_string()))?;
        write(&path, &text)
    }

    /// The file of this CRD.
    #[must_use]
    pub fn crd_file(&self, name: &str) -> PathBuf {
        self.root.join(CRDS).join(format!("{}.yaml", file_name(name)))
    }

    /// The files of the objects of this CRD, sorted. None where it has no objects.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn object_files(&self, crd: &str) -> Result<Vec<PathBuf>, FileError> {
        let folder = self.root.join(OBJECTS).join(file_name(crd));
        let mut files = Vec::new();
        for namespace in entries(&folder)? {
            files.extend(
                entries(&namespace)?.into_iter().filter(|file| file.extension().is_some_and(|it| it == "yaml")),
            );
        }
        files.sort();
        Ok(files)
    }

    /// Reads one manifest.
    ///
    /// # Errors
    /// It cannot be read or is no manifest of one object. Its content is not told: it may hold secrets.
    pub fn read(path: &Path) -> Result<Value, FileError> {
        let text = fs::read_to_string(path).map_err(|error| FileError::io(path, error))?;
        let object =
            yaml::document(&text, Quote::Nothing).map_err(|error| FileError::content(path, error.to_string()))?;
        let named = object["kind"].is_string() && object.pointer("/metadata/name").is_some_and(Value::is_string);
        if named { Ok(clean(&object)) } else { Err(FileError::content(path, "no object with a kind and a name")) }
    }
}

/// As YAML where that reads back the same, else as JSON, which is YAML too: nothing may be lost in a file.
fn text(object: &Value) -> String {
    let as_yaml = yaml::write(object).ok();
    let whole = as_yaml.filter(|text| yaml::document(text, Quote::Nothing).is_ok_and(|read| read == *object));
    whole.unwrap_or_else(|| format!("{object}\n"))
}

/// Keeps a document of ours beside the objects of a save.
///
/// # Errors
/// It cannot be written.
pub fn put_beside(root: &Path, name: &str, document: &Value) -> Result<(), FileError> {
    let path = root.join(name);
    let text = serde_json::to_vec_pretty(document).map_err(|error| FileError::content(&path, error.to_string()))?;
    write(&path, &text)
}

/// Every file below a folder by its path from there on: its digest, and its bytes; sorted.
///
/// # Errors
/// One of them cannot be read, or is neither a file nor a folder.
pub fn sums(root: &Path) -> Result<Vec<(String, String, u64)>, FileError> {
    let (mut open, mut all) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = open.pop() {
        for path in entries(&folder)? {
            let kind = fs::symlink_metadata(&path).map_err(|error| FileError::io(&path, error))?;
            if kind.is_dir() {
                open.push(path);
                continue;
            }
            if !kind.is_file() {
                return Err(FileError::content(&path, "it is neither a file nor a folder"));
            }
            let bytes = fs::read(&path).map_err(|error| FileError::io(&path, error))?;
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            all.push((name, format!("sha256:{}", hex(&Sha256::digest(&bytes))), bytes.len() as u64));
        }
    }
    all.sort();
    Ok(all)
}

fn make(folder: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(|error| FileError::io(folder, error))
}

/// Whole or not at all, and for its owner alone: a temporary file has mode 0600.
fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let failed = |error| FileError::io(path, error);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = |error| FileError::io(folder, error);
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
        let snapshot = Snapshot::begin(&root).unwrap();
        let odd = json!({"apiVersion": "a.b/v1", "kind": "Hub", "metadata": {"name": "../x", "namespace": "m"},
            "spec": {"on": "yes", "n": 1e21, "big": u64::MAX, "half": 0.5, "text": "a\r\nb\t\u{85}", "none": null, "time": "12:30:45", "e": "1e3", "empty": {}}});
        snapshot.put_object("hubs.a.b", &odd).unwrap();
        let files = snapshot.object_files("hubs.a.b").unwrap();
        assert_eq!(files, [root.join("objects/hubs.a.b/m/%2E.%2Fx.yaml")]);
        assert_eq!(Snapshot::read(&files[0]).unwrap(), odd);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&files[0]), mode(&root), mode(files[0].parent().unwrap())), (0o600, 0o700, 0o700));
    }

    #[test]
    fn a_save_that_was_cut_off_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::begin(folder.path()).unwrap();
        snapshot.put_crd(&json!({"kind": "CustomResourceDefinition", "metadata": {"name": "hubs.a.b"}})).unwrap();
        assert!(Snapshot::open(folder.path()).unwrap_err().to_string().contains("save.json"));
        assert!(Snapshot::begin(folder.path()).unwrap_err().to_string().contains("something is in this folder"));
    }

    #[test]
    fn a_broken_file_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.yaml");
        for text in ["secret: canary\n  - bad", "kind: Hub\npassword: canary\n", "a: 1\n---\nb: canary\n"] {
            fs::write(&file, text).unwrap();
            let error = Snapshot::read(&file).unwrap_err().to_string();
            assert!(error.contains("x.yaml") && !error.contains("canary"), "{error}");
        }
    }
}
