//! Reads a save whole, before anything of it is brought back: names are names, files are all there, kinds are their CRD's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cluster::backup_folder::{BackupFileError, BackupFolder};
use crate::model::backup_format::{BackupIndex, is_dns_subdomain, read_owners};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::problem::{Exit, Problem};

/// What a save holds. Objects are known by name; their content stays in the files.
pub(super) struct BackupContents {
    pub(super) index: BackupIndex,
    pub(super) crds: BTreeMap<String, Crd>,
    pub(super) objects: Vec<BackupEntry>,
}

/// One object of a save.
pub(super) struct BackupEntry {
    pub(super) file: PathBuf,
    pub(super) crd: String,
    pub(super) object: ObjectRef,
    pub(super) owners: Vec<ObjectRef>,
}

/// Reads every file once.
pub(super) fn read_backup(folder: &Path) -> Result<BackupContents, Problem> {
    let (snapshot, index) = BackupFolder::open(folder).map_err(|error| {
        let problem = Problem::new(Exit::Refused, format!("{} holds no save that is whole", folder.display()));
        problem
            .with_source(error)
            .with_hint("a save ends by writing backup.json: without it, it was cut off; save again")
    })?;
    let (mut crds, mut objects) = (BTreeMap::new(), Vec::new());
    for entry in &index.crds {
        let crd = read_crd(&snapshot, &entry.name)?;
        let files = snapshot.list_object_files(&entry.name).map_err(|error| modified_problem(&error))?;
        if entry.read_failure.is_none() && files.len() as u64 != entry.objects {
            let text = format!("{} objects of {} were saved, and {} are here", entry.objects, entry.name, files.len());
            return Err(Problem::new(Exit::Refused, text).with_hint("look for a copy of the save that is whole"));
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
    crd.ok_or_else(|| modified_problem(&content_error(&file, "it is not the CRD that backup.json names")))
}

fn read_entry(file: PathBuf, crd: &Crd) -> Result<BackupEntry, Problem> {
    let document = BackupFolder::read_manifest(&file).map_err(|error| modified_problem(&error))?;
    let object = ObjectRef::from_manifest(&document);
    let object = object.filter(|object| object.group() == crd.group() && object.kind == crd.kind());
    let Some(object) = object.filter(|object| crd.is_namespaced() != object.namespace.is_empty()) else {
        return Err(modified_problem(&content_error(&file, &format!("it is no object of CRD {}", crd.name()))));
    };
    if !is_dns_subdomain(&object.name)
        || !(object.namespace.is_empty() || is_dns_subdomain(&object.namespace))
        || !is_dns_subdomain(object.version())
    {
        return Err(modified_problem(&content_error(&file, "its name is none that the API server knows")));
    }
    Ok(BackupEntry { file, crd: crd.name().to_owned(), owners: read_owners(&document), object })
}

fn content_error(file: &Path, reason: &str) -> BackupFileError {
    BackupFileError::Content { path: file.display().to_string(), reason: reason.to_owned() }
}

fn modified_problem(error: &BackupFileError) -> Problem {
    Problem::new(Exit::Refused, format!("the save is not as it was written: {error}"))
        .with_hint("mend or remove what was changed by hand; nothing was written to the cluster")
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
    fn what_would_lead_astray_is_refused_before_anything_is_written() {
        let hub = |name: &str, namespace: &str| json!({"apiVersion": "a.b/v1", "kind": "Hub", "metadata": {"name": name, "namespace": namespace}});
        let good = tempfile::tempdir().unwrap();
        write_backup(good.path(), &hub("h", "m"));
        assert_eq!(read_backup(good.path()).unwrap().objects.len(), 1);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "h", "namespace": "m"}});
        let cases = [
            (hub("h?dryRun=All", "m"), "name"),
            (hub("h", "m/../x"), "name"),
            (secret, "no object of CRD"),
            (hub("h", ""), "no object of CRD"),
        ];
        for (bad, says) in cases {
            let folder = tempfile::tempdir().unwrap();
            write_backup(folder.path(), &bad);
            let problem = read_backup(folder.path()).err().unwrap();
            assert!(problem.exit == Exit::Refused && problem.message.contains(says), "{problem}");
        }
    }

    #[test]
    fn a_file_that_is_missing_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let hub = json!({"apiVersion": "a.b/v1", "kind": "Hub", "metadata": {"name": "h", "namespace": "m"}});
        fs::remove_file(write_backup(folder.path(), &hub)).unwrap();
        let problem = read_backup(folder.path()).err().unwrap();
        assert_eq!(problem.message, "1 objects of hubs.a.b were saved, and 0 are here");
    }
}
