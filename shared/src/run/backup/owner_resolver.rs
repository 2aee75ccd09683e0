//! Finds the current uid of an object's owners.
//!
//! A uid belongs to one cluster and one object, so owner references of a backup are linked again by kind and name. Owns the cache
//! of lookups. Input: an object of the backup. Output: the object with current uids, and the owners that do not exist.

use std::collections::HashMap;

use serde_json::Value;
use tokio::sync::Mutex;

use crate::cluster::{ApiError, Cluster};
use crate::model::backup_format::is_dns_subdomain;

/// The uids of the owners that were read, by path.
pub(super) struct OwnerResolver<'a> {
    cluster: &'a Cluster,
    /// The resources of each group and version, read once.
    resources: Mutex<HashMap<String, Value>>,
}

impl<'a> OwnerResolver<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, resources: Mutex::default() }
    }

    /// Links an object to its owners as they are now. Returns the owners that do not exist. Their links are left out: the
    /// garbage collector deletes an object whose owners do not exist.
    pub(super) async fn relink(&self, object: &mut Value) -> Result<Vec<String>, ApiError> {
        let Some(Value::Array(references)) = object.pointer_mut("/metadata/ownerReferences").map(Value::take) else {
            return Ok(Vec::new());
        };
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let (mut linked, mut lost) = (Vec::new(), Vec::new());
        for mut reference in references {
            match self.find_uid(&reference, &namespace).await? {
                Some(uid) => {
                    reference["uid"] = uid;
                    linked.push(reference);
                }
                None => lost.push(format!("{} {}", text(&reference, "kind"), text(&reference, "name"))),
            }
        }
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("ownerReferences");
            if !linked.is_empty() {
                metadata.insert("ownerReferences".to_owned(), Value::Array(linked));
            }
        }
        Ok(lost)
    }

    /// The current uid of an owner; `None` if it does not exist.
    async fn find_uid(&self, reference: &Value, namespace: &str) -> Result<Option<Value>, ApiError> {
        let (version, name) = (text(reference, "apiVersion"), text(reference, "name"));
        if !is_dns_subdomain(name) || !version.split('/').all(is_dns_subdomain) {
            return Ok(None);
        }
        let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
        let Some((plural, namespaced)) = self.find_resource(&root, text(reference, "kind")).await? else {
            return Ok(None);
        };
        let within = if namespaced { format!("/namespaces/{namespace}") } else { String::new() };
        match self.cluster.get(&format!("{root}{within}/{plural}/{name}")).await {
            // An owner that is being deleted would take the object with it.
            Ok(owner) if owner.pointer("/metadata/deletionTimestamp").is_some() => Ok(None),
            Ok(owner) => Ok(Some(owner["metadata"]["uid"].clone())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The plural of a kind, and whether it is namespaced.
    async fn find_resource(&self, root: &str, kind: &str) -> Result<Option<(String, bool)>, ApiError> {
        let mut served = self.resources.lock().await;
        if !served.contains_key(root) {
            match self.cluster.get(root).await {
                Ok(resources) => drop(served.insert(root.to_owned(), resources)),
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let resources = served.get(root).and_then(|list| list["resources"].as_array()).into_iter().flatten();
        let mut of_kind = resources.filter(|one| one["kind"] == kind && !text(one, "name").contains('/'));
        Ok(of_kind.next().map(|one| (text(one, "name").to_owned(), one["namespaced"] == true)))
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}
