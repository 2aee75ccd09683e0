//! Reads a save whole, before anything of it is brought back: names are names, files are all there, kinds are their CRD's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cluster::snapshot::{FileError, Snapshot};
use crate::model::crd::Crd;
use crate::model::kept::{Index, owners, plain};
use crate::model::object::ObjectRef;
use crate::problem::{Exit, Problem};

/// What a save holds. Objects are known by name; their content stays in the files.
pub(super) struct Kept {
    pub(super) index: Index,
    pub(super) crds: BTreeMap<String, Crd>,
    pub(super) objects: Vec<Entry>,
}

/// One object of a save.
pub(super) struct Entry {
    pub(super) file: PathBuf,
    pub(super) crd: String,
    pub(super) object: ObjectRef,
    pub(super) owners: Vec<ObjectRef>,
}

/// Reads every file once.
pub(super) fn read(folder: &Path) -> Result<Kept, Problem> {
    let (snapshot, index) = Snapshot::open(folder).map_err(|error| {
        let problem = Problem::new(Exit::Refused, format!("{} holds no save that is whole", folder.display()));
        problem.because(error).hint("a save ends by writing save.json: without it, it was cut off; save again")
    })?;
    let (mut crds, mut objects) = (BTreeMap::new(), Vec::new());
    for kept in &index.crds {
        let crd = crd(&snapshot, &kept.name)?;
        let files = snapshot.object_files(&kept.name).map_err(|error| not_as_written(&error))?;
        if kept.unread.is_none() && files.len() as u64 != kept.objects {
            let text = format!("{} objects of {} were saved, and {} are here", kept.objects, kept.name, files.len());
            return Err(Problem::new(Exit::Refused, text).hint("look for a copy of the save that is whole"));
        }
        for file in files {
            objects.push(entry(file, &crd)?);
        }
        crds.insert(kept.name.clone(), crd);
    }
    Ok(Kept { index, crds, objects })
}

fn crd(snapshot: &Snapshot, name: &str) -> Result<Crd, Problem> {
    let file = snapshot.crd_file(name);
    let document = Snapshot::read(&file).map_err(|error| not_as_written(&error))?;
    let crd = Crd::new(document)
        .ok()
        .filter(|crd| crd.name() == name && plain(name) && name == format!("{}.{}", crd.plural(), crd.group()));
    crd.ok_or_else(|| not_as_written(&content(&file, "it is not the CRD that save.json names")))
}

fn entry(file: PathBuf, crd: &Crd) -> Result<Entry, Problem> {
    let document = Snapshot::read(&file).map_err(|error| not_as_written(&error))?;
    let object = ObjectRef::of(&document);
    let object = object.filter(|object| object.group() == crd.group() && object.kind == crd.kind());
    let Some(object) = object.filter(|object| crd.namespaced() != object.namespace.is_empty()) else {
        return Err(not_as_written(&content(&file, &format!("it is no object of CRD {}", crd.name()))));
    };
    if !plain(&object.name) || !(object.namespace.is_empty() || plain(&object.namespace)) || !plain(object.version()) {
        return Err(not_as_written(&content(&file, "its name is none that the API server knows")));
    }
    Ok(Entry { file, crd: crd.name().to_owned(), owners: owners(&document), object })
}

fn content(file: &Path, reason: &str) -> FileError {
    FileError::Content { path: file.display().to_string(), reason: reason.to_owned() }
}

fn not_as_written(error: &FileError) -> Problem {
    Problem::new(Exit::Refused, format!("the save is not as it was written: {error}"))
        .hint("mend or remove what was changed by hand; nothing was written to the cluster")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kept::KeptCrd;
    use serde_json::{Value, json};
    use std::fs;

    fn saved(folder: &Path, object: &Value) -> PathBuf {
        let snapshot = Snapshot::begin(folder).unwrap();
        let versions = json!([{"name": "v1", "served": true, "storage": true}]);
        let spec = json!({"group": "a.b", "scope": "Namespaced", "names": {"kind": "Hub", "plural": "hubs"}, "versions": versions});
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "hubs.a.b"}, "spec": spec});
        snapshot.put_crd(&crd).unwrap();
        snapshot.put_object("hubs.a.b", object).unwrap();
        let kept = KeptCrd { name: "hubs.a.b".into(), version: "v1".into(), objects: 1, unread: None };
        snapshot.end(&Index::new("prod", "1", jiff::Timestamp::UNIX_EPOCH, vec![kept])).unwrap();
        snapshot.object_files("hubs.a.b").unwrap().remove(0)
    }

    #[test]
    fn what_would_lead_astray_is_refused_before_anything_is_written() {
        let hub = |name: &str, namespace: &str| json!({"apiVersion": "a.b/v1", "kind": "Hub", "metadata": {"name": name, "namespace": namespace}});
        let good = tempfile::tempdir().unwrap();
        saved(good.path(), &hub("h", "m"));
        assert_eq!(read(good.path()).unwrap().objects.len(), 1);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "h", "namespace": "m"}});
        let cases = [
            (hub("h?dryRun=All", "m"), "name"),
            (hub("h", "m/../x"), "name"),
            (secret, "no object of CRD"),
            (hub("h", ""), "no object of CRD"),
        ];
        for (bad, says) in cases {
            let folder = tempfile::tempdir().unwrap();
            saved(folder.path(), &bad);
            let problem = read(folder.path()).err().unwrap();
            assert!(problem.exit == Exit::Refused && problem.message.contains(says), "{problem}");
        }
    }

    #[test]
    fn a_file_that_is_missing_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let hub = json!({"apiVersion": "a.b/v1", "kind": "Hub", "metadata": {"name": "h", "namespace": "m"}});
        fs::remove_file(saved(folder.path(), &hub)).unwrap();
        let problem = read(folder.path()).err().unwrap();
        assert_eq!(problem.message, "1 objects of hubs.a.b were saved, and 0 are here");
    }
}
