//! Reads a whole backup before anything of it is restored.
//!
//! Owns the checks of a backup: valid names, no missing file, objects of their CRD's kind. It does not compare with the cluster
//! (`restore.rs`). Input: a folder. Output: [`BackupContents`], or a refusal that names the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::backup_error::BackupError;
use crate::cluster::backup_folder::{BackupFileError, BackupFolder};
use crate::model::backup_format::{BackupIndex, is_dns_subdomain, read_owners};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;

/// The contents of a backup: CRDs as values, objects by name. The content of objects stays in the files.
pub(super) struct BackupContents {
    pub(super) index: BackupIndex,
    pub(super) crds: BTreeMap<String, Crd>,
    pub(super) objects: Vec<BackupEntry>,
}

/// One object of a backup.
pub(super) struct BackupEntry {
    pub(super) file: PathBuf,
    pub(super) crd: String,
    pub(super) object: ObjectRef,
    pub(super) owners: Vec<ObjectRef>,
}

/// Reads every file of a backup once.
pub(super) fn read_backup(folder: &Path) -> Result<BackupContents, BackupError> {
    let (snapshot, index) =
        BackupFolder::open(folder).map_err(|source| BackupError::Incomplete { folder: folder.to_owned(), source })?;
    let (mut crds, mut objects) = (BTreeMap::new(), Vec::new());
    for entry in &index.crds {
        let crd = read_crd(&snapshot, &entry.name)?;
        let files = snapshot.list_object_files(&entry.name).map_err(BackupError::Modified)?;
        if entry.read_failure.is_none() && files.len() as u64 != entry.objects {
            let (name, listed_count) = (entry.name.clone(), entry.objects);
            return Err(BackupError::ObjectsMissing { name, listed_count, file_count: files.len() });
        }
        for file in files {
            objects.push(read_entry(file, &crd)?);
        }
        crds.insert(entry.name.clone(), crd);
    }
    Ok(BackupContents { index, crds, objects })
}

fn read_crd(snapshot: &BackupFolder, name: &str) -> Result<Crd, BackupError> {
    let file = snapshot.crd_path(name);
    let document = BackupFolder::read_manifest(&file).map_err(BackupError::Modified)?;
    let crd = Crd::new(document).ok().filter(|crd| {
        crd.name() == name && is_dns_subdomain(name) && name == format!("{}.{}", crd.plural(), crd.group())
    });
    crd.ok_or_else(|| content_error(&file, "it is not the CRD that backup.json lists"))
}

fn read_entry(file: PathBuf, crd: &Crd) -> Result<BackupEntry, BackupError> {
    let document = BackupFolder::read_manifest(&file).map_err(BackupError::Modified)?;
    let object = ObjectRef::from_manifest(&document);
    let object = object.filter(|object| object.group() == crd.group() && object.kind == crd.kind());
    let Some(object) = object.filter(|object| crd.is_namespaced() != object.namespace.is_empty()) else {
        return Err(content_error(&file, &format!("it is not an object of CRD {}", crd.name())));
    };
    if !is_dns_subdomain(&object.name)
        || !(object.namespace.is_empty() || is_dns_subdomain(&object.namespace))
        || !is_dns_subdomain(object.version())
    {
        return Err(content_error(&file, "its name is not valid in Kubernetes"));
    }
    Ok(BackupEntry { file, crd: crd.name().to_owned(), owners: read_owners(&document), object })
}

fn content_error(file: &Path, reason: &str) -> BackupError {
    BackupError::Modified(BackupFileError::Content { path: file.display().to_string(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backup_format::CrdBackup;
    use crate::problem::{Exit, Explain as _};
    use serde_json::{Value, json};
    use std::fs;

    fn write_backup(folder: &Path, object: &Value) -> PathBuf {
        let snapshot = BackupFolder::create(folder).unwrap();
        let versions = json!([{"name": "v1", "served": true, "storage": true}]);
        let spec = json!({"group": "a.b", "scope": "Namespaced", "names": {"kind": "Hub", "plural": "hubs"}, "versions": versions});
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "hubs.a.b"}, "spec": spec});
        snapshot.write_crd(&crd).unwrap();
        snapshot.write_object("hubs.a.b", object).unwrap();
        let entry = CrdBackup { name: "hubs.a.b".into(), version: "v1".into(), objects: 1, read_failure: None };
        snapshot.finish(&BackupIndex::new("prod", "1", jiff::Timestamp::UNIX_EPOCH, vec![entry])).unwrap();
        snapshot.list_object_files("hubs.a.b").unwrap().remove(0)
    }

    #[test]
    fn hostile_names_and_foreign_objects_are_refused_before_any_write() {
        let hub = |name: &str, namespace: &str| json!({"apiVersion": "a.b/v1", "kind": "Hub", "metadata": {"name": name, "namespace": namespace}});
        let good = tempfile::tempdir().unwrap();
        write_backup(good.path(), &hub("h", "m"));
        assert_eq!(read_backup(good.path()).unwrap().objects.len(), 1);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "h", "namespace": "m"}});
        let cases = [
            (hub("h?dryRun=All", "m"), "name"),
            (hub("h", "m/../x"), "name"),
            (secret, "not an object of CRD"),
            (hub("h", ""), "not an object of CRD"),
        ];
        for (bad, says) in cases {
            let folder = tempfile::tempdir().unwrap();
            write_backup(folder.path(), &bad);
            let error = read_backup(folder.path()).err().unwrap();
            assert!(error.exit() == Exit::Refused && error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let hub = json!({"apiVersion": "a.b/v1", "kind": "Hub", "metadata": {"name": "h", "namespace": "m"}});
        fs::remove_file(write_backup(folder.path(), &hub)).unwrap();
        let error = read_backup(folder.path()).err().unwrap();
        assert_eq!(error.to_string(), "the backup lists 1 objects of hubs.a.b, but 0 are in the folder");
    }
}
