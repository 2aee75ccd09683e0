//! Reads a whole backup before anything of it is restored.
//!
//! Owns the checks of a backup: valid names, no missing file, objects of their CRD's kind. It does not compare with the cluster
//! (`restore.rs`). Input: a folder. Output: [`BackupContents`], or a refusal that names the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cluster::backup_folder::{BackupFileError, BackupFolder};
use crate::model::backup_format::{BackupIndex, is_dns_subdomain, read_owners};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::problem::{Exit, Problem};

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
pub(super) fn read_backup(folder: &Path) -> Result<BackupContents, Problem> {
    let (snapshot, index) = BackupFolder::open(folder).map_err(|error| {
        let problem = Problem::new(Exit::Refused, format!("{} does not contain a complete backup", folder.display()));
        problem
            .with_source(error)
            .with_hint("create the backup again: backup.json is written last, so a backup without it was interrupted")
    })?;
    let (mut crds, mut objects) = (BTreeMap::new(), Vec::new());
    for entry in &index.crds {
        let crd = read_crd(&snapshot, &entry.name)?;
        let files = snapshot.list_object_files(&entry.name).map_err(|error| modified_problem(&error))?;
        if entry.read_failure.is_none() && files.len() as u64 != entry.objects {
            let text = format!(
                "the backup lists {} objects of {}, but {} are in the folder",
                entry.objects,
                entry.name,
                files.len()
            );
            return Err(Problem::new(Exit::Refused, text).with_hint("use a complete copy of the backup"));
        }
        for file in files {
            objects.push(read_entry(file, &crd)?);
        }
        crds.insert(entry.name.clone(), crd);
    }
    Ok(BackupContents { index, crds, objects })
}

fn read_crd(snapshot: &BackupFolder, name: &str) -> Result<Crd, Problem> {
    let file = snapshot.crd_path(name);
    let document = BackupFolder::read_manifest(&file).map_err(|error| modified_problem(&error))?;
    let crd = Crd::new(document).ok().filter(|crd| {
        crd.name() == name && is_dns_subdomain(name) && name == format!("{}.{}", crd.plural(), crd.group())
    });
    crd.ok_or_else(|| modified_problem(&content_error(&file, "it is not the CRD that backup.json lists")))
}

fn read_entry(file: PathBuf, crd: &Crd) -> Result<BackupEntry, Problem> {
    let document = BackupFolder::read_manifest(&file).map_err(|error| modified_problem(&error))?;
    let object = ObjectRef::from_manifest(&document);
    let object = object.filter(|object| object.group() == crd.group() && object.kind == crd.kind());
    let Some(object) = object.filter(|object| crd.is_namespaced() != object.namespace.is_empty()) else {
        return Err(modified_problem(&content_error(&file, &format!("it is not an object of CRD {}", crd.name()))));
    };
    if !is_dns_subdomain(&object.name)
        || !(object.namespace.is_empty() || is_dns_subdomain(&object.namespace))
        || !is_dns_subdomain(object.version())
    {
        return Err(modified_problem(&content_error(&file, "its name is not valid in Kubernetes")));
    }
    Ok(BackupEntry { file, crd: crd.name().to_owned(), owners: read_owners(&document), object })
}

fn content_error(file: &Path, reason: &str) -> BackupFileError {
    BackupFileError::Content { path: file.display().to_string(), reason: reason.to_owned() }
}

fn modified_problem(error: &BackupFileError) -> Problem {
    Problem::new(Exit::Refused, format!("the backup was modified: {error}"))
        .with_hint("restore the original file, or remove it; nothing was written to the cluster")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backup_format::CrdBackup;
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
            let problem = read_backup(folder.path()).err().unwrap();
            assert!(problem.exit == Exit::Refused && problem.message.contains(says), "{problem}");
        }
    }

    #[test]
    fn a_missing_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let hub = json!({"apiVersion": "a.b/v1", "kind": "Hub", "metadata": {"name": "h", "namespace": "m"}});
        fs::remove_file(write_backup(folder.path(), &hub)).unwrap();
        let problem = read_backup(folder.path()).err().unwrap();
        assert_eq!(problem.message, "the backup lists 1 objects of hubs.a.b, but 0 are in the folder");
    }
}
