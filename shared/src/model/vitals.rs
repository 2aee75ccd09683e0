//! What `validate` reads besides the first view: what stands around the releases, in every namespace that they name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::around::Service;
use super::kinds::Kinds;
use super::object::ObjectRef;
use super::view::{Looked, NotSeen, Workloads};

/// Objects of a kind that a cluster may not have: `Ok(None)` where the kind is not served.
pub type Perhaps = Looked<Option<Vec<Value>>>;

/// A part of the reading. What no chosen check asks for is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Workloads in other namespaces than the installation's.
    Elsewhere,
    /// Which kinds are served, and which of the releases' objects live.
    Names,
    /// Webhooks, and the Services behind them.
    Webhooks,
    /// The schemas that the API server serves.
    Served,
    /// The live custom resources, streamed.
    Objects,
    /// Managed clusters, hubs, spokes, leases.
    Spokes,
    /// The copies of the templates of project roles.
    Tenants,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 7] =
        [Self::Elsewhere, Self::Names, Self::Webhooks, Self::Served, Self::Objects, Self::Spokes, Self::Tenants];
}

/// The Service behind a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend {
    /// Whether the Service is there.
    pub exists: bool,
    /// How many of its endpoints are ready.
    pub ready: usize,
}

/// What the server publishes of one version of a CRD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The CRD's own schema.
    Same,
    /// Another one; where it differs first.
    Differs(String),
    /// None: the version is not served.
    Missing,
}

/// An object that its own CRD refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Which object.
    pub object: String,
    /// Where, and why.
    pub why: String,
    /// Whether even a write that changes nothing would be refused.
    pub stuck: bool,
}

/// What streaming the live objects of one CRD has told. The objects themselves are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streamed {
    /// How many were looked at.
    pub looked_at: usize,
    /// How many do not fit.
    pub unfit: usize,
    /// The first of those that do not fit.
    pub misfits: Vec<Misfit>,
    /// An object that could not be judged here in every rule; none where all were.
    pub unsure: Option<String>,
    /// Who names which version in `metadata.managedFields`: how many objects, by version and manager.
    pub named: BTreeMap<(String, String), usize>,
    /// Why not all were read; none where all were.
    pub broken_off: Option<NotSeen>,
}

/// Managed clusters and what belongs to them.
#[derive(Debug, Clone)]
pub struct Spokes {
    /// ManagedClusters of Open Cluster Management.
    pub clusters: Perhaps,
    /// Hubs of the fleet configuration.
    pub hubs: Perhaps,
    /// Spokes of the fleet configuration.
    pub spokes: Perhaps,
    /// The agents' leases, in the namespaces of their clusters.
    pub leases: Perhaps,
}

/// One reading.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// Which kinds are served.
    pub kinds: Looked<Kinds>,
    /// Workloads by namespace, where a release names another than the installation's.
    pub elsewhere: BTreeMap<String, Workloads>,
    /// The metadata of objects, by the path of their kind and namespace. Nothing else of them is read: they may hold secrets.
    pub names: BTreeMap<String, Looked<Vec<Value>>>,
    /// Webhook configurations, raw.
    pub webhooks: Looked<Vec<Value>>,
    /// The Services that webhooks and conversions name.
    pub backends: BTreeMap<Service, Looked<Backend>>,
    /// Labels of the installation's namespace.
    pub labels: Looked<BTreeMap<String, String>>,
    /// What is published, by CRD and version.
    pub published: Looked<BTreeMap<(String, String), Published>>,
    /// What the live objects have told, by CRD; `Ok(None)` where nobody asked them.
    pub streamed: Looked<Option<BTreeMap<String, Streamed>>>,
    /// Managed clusters.
    pub spokes: Spokes,
    /// ConfigMaps of all namespaces that bear the name of a template of project roles.
    pub templates: Looked<Vec<Value>>,
}

/// The path of all Secrets of a namespace.
#[must_use]
pub fn secrets_of(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

/// The path of all ConfigMaps of a namespace.
#[must_use]
pub fn config_maps_of(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

impl Vitals {
    /// A reading in which nothing was read, and why.
    #[must_use]
    pub fn unread(reason: &str) -> Self {
        fn no<T>(what: &str, reason: &str) -> Looked<T> {
            Err(NotSeen { what: what.to_owned(), reason: reason.to_owned() })
        }
        Self {
            kinds: no("the kinds that are served", reason),
            elsewhere: BTreeMap::new(),
            names: BTreeMap::new(),
            webhooks: no("webhook configurations", reason),
            backends: BTreeMap::new(),
            labels: no("the namespace", reason),
            published: no("the served schemas", reason),
            streamed: no("the live objects", reason),
            spokes: Spokes {
                clusters: no("ManagedClusters", reason),
                hubs: no("Hubs", reason),
                spokes: no("Spokes", reason),
                leases: no("Leases", reason),
            },
            templates: no("ConfigMaps of all namespaces", reason),
        }
    }

    /// The metadata of an object as it lives; `Ok(None)` where there is none, or its kind is not served.
    ///
    /// # Errors
    /// Its kind could not be read.
    pub fn lives(&self, object: &ObjectRef, namespace: &str) -> Looked<Option<&Value>> {
        let kinds = self.kinds.as_ref().map_err(Clone::clone)?;
        let Some(folder) = kinds.folder(object, namespace) else { return Ok(None) };
        self.named(&folder, &object.name)
    }

    /// The metadata of the object of that name below a path.
    ///
    /// # Errors
    /// The path could not be read, or nobody read it.
    pub fn named(&self, folder: &str, name: &str) -> Looked<Option<&Value>> {
        match self.names.get(folder) {
            Some(Ok(all)) => Ok(all.iter().find(|one| one.pointer("/metadata/name").is_some_and(|own| own == name))),
            Some(Err(not_seen)) => Err(not_seen.clone()),
            None => Err(NotSeen { what: folder.to_owned(), reason: "nobody looked".to_owned() }),
        }
    }
}

/// When one of these managers last wrote an object, from its metadata alone; none where the metadata do not tell.
///
/// `managedFields` tells when a manager last changed a value that it owns; a write that changes nothing leaves the time as it
/// is (KEP-555, structured-merge-diff `fieldmanager`).
#[must_use]
pub fn last_write(metadata: &Value) -> Option<(jiff::Timestamp, String)> {
    let entries = metadata.pointer("/metadata/managedFields")?.as_array()?;
    let of_data = entries.iter().filter(|entry| {
        entry["subresource"].as_str().unwrap_or_default().is_empty()
            && entry["fieldsV1"].as_object().is_none_or(|fields| {
                ["f:data", "f:stringData", "f:binaryData"].iter().any(|name| fields.contains_key(*name))
            })
    });
    let told = of_data.filter_map(|entry| {
        let manager = entry["manager"].as_str().unwrap_or_default().to_owned();
        Some((entry["time"].as_str()?.parse().ok()?, manager))
    });
    told.max_by_key(|(at, _): &(jiff::Timestamp, String)| *at)
}

/// The namespaces that objects name, the release's own among them.
#[must_use]
pub fn namespaces(objects: &[ObjectRef], own: &str) -> BTreeSet<String> {
    let named = objects.iter().map(|object| object.namespace.clone()).filter(|namespace| !namespace.is_empty());
    named.chain([own.to_owned()]).collect()
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
        let (at, manager) = last_write(&object).unwrap();
        assert_eq!((at.to_string().as_str(), manager.as_str()), ("2026-11-21T10:00:00Z", "kubectl-patch"));
        assert_eq!(last_write(&json!({"metadata": {}})), None);
    }
}
