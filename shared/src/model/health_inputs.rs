//! What `validate` reads besides the first view: what stands around the releases, in every namespace that they name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::admission_policies::ServiceRef;
use super::cluster_view::{Observed, ReadFailure, Workloads};
use super::last_run::LastRun;
use super::object::ObjectRef;
use super::served_kinds::ServedKinds;

/// Objects of a kind that a cluster may not have: `Ok(None)` where the kind is not served.
pub type OptionalKind = Observed<Option<Vec<Value>>>;

/// A part of the reading. What no chosen check asks for is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReadScope {
    /// Workloads in other namespaces than the installation's.
    OtherNamespaces,
    /// Which kinds are served, and which of the releases' objects live.
    ObjectMetadata,
    /// Webhooks, and the Services behind them.
    Webhooks,
    /// The schemas that the API server serves.
    ServedSchemas,
    /// The live custom resources, streamed.
    CustomResources,
    /// Managed clusters, hubs, spokes, leases.
    ManagedClusters,
    /// The copies of the templates of project roles.
    RoleTemplates,
    /// The journal of this tool's upgrades.
    Journal,
}

impl ReadScope {
    /// Every part.
    pub const ALL: [Self; 8] = [
        Self::OtherNamespaces,
        Self::ObjectMetadata,
        Self::Webhooks,
        Self::ServedSchemas,
        Self::CustomResources,
        Self::ManagedClusters,
        Self::RoleTemplates,
        Self::Journal,
    ];
}

/// The Service behind a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookBackend {
    /// Whether the Service is there.
    pub exists: bool,
    /// How many of its endpoints are ready.
    pub ready_endpoints: usize,
}

/// What the server publishes of one version of a CRD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishedSchema {
    /// The CRD's own schema.
    Same,
    /// Another one; where it differs first.
    Differs(String),
    /// None: the version is not served.
    Missing,
}

/// An object that its own CRD refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidObject {
    /// Which object.
    pub object: String,
    /// Where, and why.
    pub reason: String,
    /// Whether even a write that changes nothing would be refused.
    pub blocks_all_writes: bool,
}

/// The result of streaming the live objects of one CRD. The objects themselves are not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectScan {
    /// How many were looked at.
    pub checked_count: usize,
    /// How many do not fit.
    pub invalid_count: usize,
    /// The first of those that do not fit.
    pub invalid_examples: Vec<InvalidObject>,
    /// An object that could not be judged here in every rule; none where all were.
    pub undetermined_object: Option<String>,
    /// Who names which version in `metadata.managedFields`: how many objects, by version and manager.
    pub manager_versions: BTreeMap<(String, String), usize>,
    /// Why not all were read; none where all were.
    pub read_failure: Option<ReadFailure>,
}

/// Managed clusters and what belongs to them.
#[derive(Debug, Clone)]
pub struct ManagedClusters {
    /// ManagedClusters of Open Cluster Management.
    pub clusters: OptionalKind,
    /// Hubs of the fleet configuration.
    pub hubs: OptionalKind,
    /// Spokes of the fleet configuration.
    pub spokes: OptionalKind,
    /// The agents' leases, in the namespaces of their clusters.
    pub leases: OptionalKind,
}

/// One reading.
#[derive(Debug, Clone)]
pub struct HealthInputs {
    /// Which kinds are served.
    pub kinds: Observed<ServedKinds>,
    /// Workloads by namespace, where a release names another than the installation's.
    pub other_namespaces: BTreeMap<String, Workloads>,
    /// The metadata of objects, by the path of their kind and namespace. Nothing else of them is read: they may hold secrets.
    pub object_metadata: BTreeMap<String, Observed<Vec<Value>>>,
    /// Webhook configurations, raw.
    pub webhooks: Observed<Vec<Value>>,
    /// The Services that webhooks and conversions name.
    pub backends: BTreeMap<ServiceRef, Observed<WebhookBackend>>,
    /// Labels of the installation's namespace.
    pub namespace_labels: Observed<BTreeMap<String, String>>,
    /// What is published, by CRD and version.
    pub published_schemas: Observed<BTreeMap<(String, String), PublishedSchema>>,
    /// The result of the live objects, by CRD; `Ok(None)` if no check requested them.
    pub object_scans: Observed<Option<BTreeMap<String, ObjectScan>>>,
    /// Managed clusters.
    pub managed_clusters: ManagedClusters,
    /// ConfigMaps of all namespaces that have the name of a template of project roles.
    pub role_templates: Observed<Vec<Value>>,
    /// The last run of this tool; `Ok(None)` if there was none.
    pub last_run: Observed<Option<LastRun>>,
}

/// The path of all Secrets of a namespace.
#[must_use]
pub fn secrets_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

/// The path of all ConfigMaps of a namespace.
#[must_use]
pub fn config_maps_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

impl HealthInputs {
    /// A reading in which nothing was read, and why.
    #[must_use]
    pub fn unavailable(reason: &str) -> Self {
        fn fail_read<T>(what: &str, reason: &str) -> Observed<T> {
            Err(ReadFailure { target: what.to_owned(), reason: reason.to_owned() })
        }
        Self {
            kinds: fail_read("the kinds that are served", reason),
            other_namespaces: BTreeMap::new(),
            object_metadata: BTreeMap::new(),
            webhooks: fail_read("webhook configurations", reason),
            backends: BTreeMap::new(),
            namespace_labels: fail_read("the namespace", reason),
            published_schemas: fail_read("the served schemas", reason),
            object_scans: fail_read("the live objects", reason),
            managed_clusters: ManagedClusters {
                clusters: fail_read("ManagedClusters", reason),
                hubs: fail_read("Hubs", reason),
                spokes: fail_read("Spokes", reason),
                leases: fail_read("Leases", reason),
            },
            role_templates: fail_read("ConfigMaps of all namespaces", reason),
            last_run: fail_read("the journal", reason),
        }
    }

    /// The last run of this tool, for advice that does not work against it. A journal that cannot be read gives none.
    #[must_use]
    pub fn known_run(&self) -> Option<&LastRun> {
        self.last_run.as_ref().ok()?.as_ref()
    }

    /// The metadata of an object as it lives; `Ok(None)` where there is none, or its kind is not served.
    ///
    /// # Errors
    /// Its kind could not be read.
    pub fn find_live_metadata(&self, object: &ObjectRef, namespace: &str) -> Observed<Option<&Value>> {
        let kinds = self.kinds.as_ref().map_err(Clone::clone)?;
        let Some(folder) = kinds.collection_path(object, namespace) else { return Ok(None) };
        self.find_metadata(&folder, &object.name)
    }

    /// The metadata of the object of that name below a path.
    ///
    /// # Errors
    /// The path could not be read, or was not requested.
    pub fn find_metadata(&self, folder: &str, name: &str) -> Observed<Option<&Value>> {
        match self.object_metadata.get(folder) {
            Some(Ok(all)) => {
                Ok(all.iter().find(|one| one.pointer("/metadata/name").is_some_and(|object_name| object_name == name)))
            }
            Some(Err(failure)) => Err(failure.clone()),
            None => Err(ReadFailure { target: folder.to_owned(), reason: "it was not read".to_owned() }),
        }
    }
}

/// When one of these managers last wrote an object, from its metadata alone; none where the metadata do not tell.
///
/// `managedFields` tells when a manager last changed a value that it owns; a write that changes nothing leaves the time as it
/// is (KEP-555, structured-merge-diff `fieldmanager`).
#[must_use]
pub fn find_last_data_write(metadata: &Value) -> Option<(jiff::Timestamp, String)> {
    let entries = metadata.pointer("/metadata/managedFields")?.as_array()?;
    let of_data = entries.iter().filter(|entry| {
        entry["subresource"].as_str().unwrap_or_default().is_empty()
            && entry["fieldsV1"].as_object().is_none_or(|fields| {
                ["f:data", "f:stringData", "f:binaryData"].iter().any(|name| fields.contains_key(*name))
            })
    });
    let writes = of_data.filter_map(|entry| {
        let manager = entry["manager"].as_str().unwrap_or_default().to_owned();
        Some((entry["time"].as_str()?.parse().ok()?, manager))
    });
    writes.max_by_key(|(at, _): &(jiff::Timestamp, String)| *at)
}

/// The namespaces that objects name, the release's own among them.
#[must_use]
pub fn collect_namespaces(objects: &[ObjectRef], release_namespace: &str) -> BTreeSet<String> {
    let referenced = objects.iter().map(|object| object.namespace.clone()).filter(|namespace| !namespace.is_empty());
    referenced.chain([release_namespace.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_write_of_the_data_counts() {
        let entry =
            |manager: &str, time: &str, fields: Value| json!({"manager": manager, "time": time, "fieldsV1": fields});
        let object = json!({"metadata": {"managedFields": [
            entry("helm", "2026-11-20T10:00:00Z", json!({"f:data": {}, "f:metadata": {}})),
            entry("kubectl-patch", "2026-11-21T10:00:00Z", json!({"f:data": {"f:config.yaml": {}}})),
            entry("labeller", "2026-11-22T10:00:00Z", json!({"f:metadata": {}}))]}});
        let (at, manager) = find_last_data_write(&object).unwrap();
        assert_eq!((at.to_string().as_str(), manager.as_str()), ("2026-11-21T10:00:00Z", "kubectl-patch"));
        assert_eq!(find_last_data_write(&json!({"metadata": {}})), None);
    }
}
