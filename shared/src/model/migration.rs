//! The versions in which objects are stored, as far as status and managed fields show them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::crd::Crd;
use super::managed_fields::merge_field_sets;

/// The versions that a CRD claims objects may still be stored in, besides its storage version.
#[must_use]
pub fn outdated_stored_versions(crd: &Crd) -> Vec<String> {
    let storage = crd.storage_version();
    crd.stored_versions().into_iter().filter(|version| *version != storage).map(str::to_owned).collect()
}

pub use super::managed_fields::MIGRATION_FIELD_MANAGER;

/// Whether `storedVersions` still names every version that ever was the storage version, as far as its managed fields tell: the
/// API server adds to the list and never removes from it. A client that removes one leaves an entry; ours follows a proof.
///
/// Where the entries are gone nothing is known, and the answer is no.
#[must_use]
pub fn has_complete_stored_versions(crd: &Crd) -> bool {
    let entries = crd.json().pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let of_status = entries.filter(|entry| !entry["fieldsV1"]["f:status"].is_null());
    let managers: Vec<&str> = of_status.map(|entry| entry["manager"].as_str().unwrap_or_default()).collect();
    let trusted = |manager: &&str| manager.starts_with("kube-apiserver") || *manager == MIGRATION_FIELD_MANAGER;
    !managers.is_empty() && managers.iter().all(trusted)
}

/// Whether the cluster itself says that it is moving the objects of this CRD right now.
#[must_use]
pub fn is_migrating(crd: &Crd) -> bool {
    crd.has_condition("StorageMigrating")
}

/// What discovery says of a kind whose objects are stored in this CRD's storage version (k8s.io/apiserver,
/// `discovery.StorageVersionHash`): it tells when an API server has taken up a new CRD.
#[must_use]
pub fn storage_version_hash(crd: &Crd) -> String {
    let gvk = format!("{}/{}/{}", crd.group(), crd.storage_version(), crd.kind());
    STANDARD.encode(Sha256::digest(gvk).iter().take(8).copied().collect::<Vec<u8>>())
}

/// Whether an object was only stored again between two reads: before, it was stored in another version.
///
/// The API server skips a write whose encoded bytes are what etcd holds already, so an empty patch gives a new
/// `resourceVersion` only then (k8s.io/apiserver, `etcd3/store.go`). A write of another client shows in the rest of the object,
/// and stores it in the storage version too.
#[must_use]
pub fn is_storage_rewrite_only(before: &Value, after: &Value) -> bool {
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    version(before) != version(after) && strip_resource_version(before) == strip_resource_version(after)
}

fn strip_resource_version(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    object
}

/// Managed fields with no entry for a version of this group that is not among those kept; none where there is no such entry.
///
/// A write to an object whose managed fields name a version that its CRD has no more can fail: `request to convert CR to an
/// invalid group/version`. Who owns what is kept: such an entry goes to the same manager's in the version `to`.
#[must_use]
pub fn repair_managed_fields(object: &Value, group: &str, remaining_versions: &[String], to: &str) -> Option<Value> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let target = format!("{group}/{to}");
    let is_outdated = |entry: &Value| {
        let version = entry["apiVersion"].as_str().and_then(|full| full.strip_prefix(group)?.strip_prefix('/'));
        version.is_some_and(|version| !remaining_versions.iter().any(|remaining| remaining == version))
    };
    if !entries.iter().any(is_outdated) {
        return None;
    }
    let mut repaired: Vec<Value> = Vec::new();
    for entry in entries {
        let mut entry = entry.clone();
        if is_outdated(&entry) {
            entry["apiVersion"] = json!(target);
        }
        let same = |other: &&mut Value| {
            ["manager", "operation", "apiVersion", "subresource"].iter().all(|key| other[*key] == entry[*key])
        };
        match repaired.iter_mut().find(same) {
            Some(first) => {
                let fields = entry["fieldsV1"].take();
                merge_field_sets(&mut first["fieldsV1"], fields);
            }
            None => repaired.push(entry),
        }
    }
    Some(Value::Array(repaired))
}

/// What one walk over all objects of a CRD found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MigrationPass {
    /// Objects that were looked at.
    pub objects: u64,
    /// Those that were stored in another version, and are not any more.
    pub migrated_objects: u64,
    /// Those whose managed fields named a version that is gone.
    pub repaired_objects: u64,
    /// Those that could not be written, with the server's reason.
    pub failures: Vec<(String, String)>,
}

impl MigrationPass {
    /// Whether it proves that every object is stored as it should be: all were looked at, and none had to be moved. One whose
    /// managed fields were repaired was written by that; a client that still writes through the old version creates new ones.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.migrated_objects == 0 && self.failures.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_version_alone_means_a_storage_rewrite() {
        let object = |version: &str, size: u64| json!({"metadata": {"name": "a", "resourceVersion": version}, "spec": {"size": size}});
        assert!(is_storage_rewrite_only(&object("1", 1), &object("2", 1)));
        assert!(!is_storage_rewrite_only(&object("1", 1), &object("1", 1)), "not written at all");
        assert!(!is_storage_rewrite_only(&object("1", 1), &object("2", 2)), "a write of another client");
    }

    #[test]
    fn entries_of_a_version_that_is_gone_keep_their_owner() {
        let entry = |manager: &str, version: &str, fields: Value| json!({"manager": manager, "operation": "Apply", "apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": fields});
        let object = json!({"metadata": {"managedFields": [
            entry("kubectl", "a.b/v1alpha1", json!({"f:spec": {"f:old": {}}})),
            entry("kubectl", "a.b/v1", json!({"f:spec": {"f:new": {}}})),
            entry("flux", "a.b/v1alpha1", json!({"f:spec": {"f:x": {}}})),
            entry("other", "a.bc/v1alpha1", json!({}))]}});
        let repaired = repair_managed_fields(&object, "a.b", &["v1".into(), "v1beta1".into()], "v1").unwrap();
        let wanted = json!([
            entry("kubectl", "a.b/v1", json!({"f:spec": {"f:old": {}, "f:new": {}}})),
            entry("flux", "a.b/v1", json!({"f:spec": {"f:x": {}}})),
            entry("other", "a.bc/v1alpha1", json!({}))
        ]);
        assert_eq!(repaired, wanted);
        assert_eq!(
            super::repair_managed_fields(&json!({"metadata": {"managedFields": wanted}}), "a.b", &["v1".into()], "v1"),
            None
        );
    }

    #[test]
    fn managed_fields_show_who_trimmed_the_list() {
        let crd = |managers: &[&str]| {
            let entry = |manager: &&str| json!({"manager": manager, "subresource": "status", "fieldsV1": {"f:status": {"f:conditions": {}}}});
            let mut entries: Vec<Value> = managers.iter().map(entry).collect();
            entries.push(json!({"manager": "kubectl", "fieldsV1": {"f:spec": {}}}));
            Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "a.b", "managedFields": entries}}))
            .unwrap()
        };
        assert!(
            has_complete_stored_versions(&crd(&["kube-apiserver-1.37.2"]))
                && has_complete_stored_versions(&crd(&["kube-apiserver", MIGRATION_FIELD_MANAGER]))
        );
        for other in ["kubectl-patch", "flux", "migration-runner-controller"] {
            assert!(!has_complete_stored_versions(&crd(&["kube-apiserver", other])), "{other}");
        }
        assert!(!has_complete_stored_versions(&crd(&[])), "nothing is known");
    }

    #[test]
    fn a_failed_write_proves_nothing() {
        assert!(MigrationPass { objects: 3, ..MigrationPass::default() }.is_complete());
        let failed = MigrationPass { failures: vec![("Hub a".into(), "no".into())], ..MigrationPass::default() };
        assert!(
            !failed.is_complete() && !MigrationPass { migrated_objects: 1, ..MigrationPass::default() }.is_complete()
        );
    }
}
