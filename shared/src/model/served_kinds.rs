//! Which kinds the API server serves, under which plural, in a namespace or not: read from its discovery.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::object::ObjectRef;

/// How one kind is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedKind {
    /// The word in its path: `deployments`.
    pub plural: String,
    /// Whether its objects stand in namespaces.
    pub namespaced: bool,
}

/// Every kind that is served, by `apiVersion` and kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServedKinds {
    kinds: BTreeMap<(String, String), ServedKind>,
    /// Versions (`group/version`) of aggregated API servers that do not answer: their lists of kinds may be old or empty.
    stale_versions: BTreeSet<String>,
}

impl ServedKinds {
    /// Reads `APIGroupDiscoveryList` documents (apidiscovery.k8s.io/v2, KEP-3352), the answers of `/api` and `/apis`.
    ///
    /// `None` where a document is something else: an aggregator in between that knows only the older form.
    #[must_use]
    pub fn read(documents: &[Value]) -> Option<Self> {
        let mut all = Self::default();
        for document in documents {
            if document["kind"] != "APIGroupDiscoveryList" {
                return None;
            }
            for group in document["items"].as_array()? {
                let name = group.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                for version in group["versions"].as_array().into_iter().flatten() {
                    all.add_version(name, version);
                }
            }
        }
        Some(all)
    }

    /// How the kind of an object is served; `None` where it is not.
    #[must_use]
    pub fn get(&self, object: &ObjectRef) -> Option<&ServedKind> {
        self.kinds.get(&(object.api_version.clone(), object.kind.clone()))
    }

    /// Whether the list of kinds of this `group/version` may be incomplete, because its aggregated API server does not answer.
    #[must_use]
    pub fn is_stale(&self, api_version: &str) -> bool {
        self.stale_versions.contains(api_version)
    }

    /// The path of all objects of its kind, in the object's namespace or in `namespace` where it names none.
    #[must_use]
    pub fn collection_path(&self, object: &ObjectRef, namespace: &str) -> Option<String> {
        let served = self.get(object)?;
        let root = if object.group().is_empty() { "/api" } else { "/apis" };
        let place = if object.namespace.is_empty() { namespace } else { &object.namespace };
        let place = if served.namespaced { format!("/namespaces/{place}") } else { String::new() };
        Some(format!("{root}/{}{place}/{}", object.api_version, served.plural))
    }

    fn add_version(&mut self, group: &str, version: &Value) {
        let name = version["version"].as_str().unwrap_or_default();
        let api_version = if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") };
        if version["freshness"] == "Stale" {
            self.stale_versions.insert(api_version.clone());
        }
        for resource in version["resources"].as_array().into_iter().flatten() {
            let text = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let served = ServedKind { plural: text("/resource"), namespaced: text("/scope") == "Namespaced" };
            self.kinds.entry((api_version.clone(), text("/responseKind/kind"))).or_insert(served);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// Discovery of a small cluster.
    pub(crate) fn sample_kinds() -> ServedKinds {
        let kind = |plural: &str, kind: &str, scope: &str| json!({"resource": plural, "scope": scope, "responseKind": {"kind": kind}});
        let group = |name: &str, version: &str, resources: Value| json!({"metadata": {"name": name}, "versions": [{"version": version, "resources": resources}]});
        let core = json!([
            kind("secrets", "Secret", "Namespaced"),
            kind("configmaps", "ConfigMap", "Namespaced"),
            kind("services", "Service", "Namespaced")
        ]);
        let apps =
            json!([kind("deployments", "Deployment", "Namespaced"), kind("statefulsets", "StatefulSet", "Namespaced")]);
        let batch = json!([kind("jobs", "Job", "Namespaced")]);
        let crds = json!([kind("customresourcedefinitions", "CustomResourceDefinition", "Cluster")]);
        let list = |items: Value| json!({"kind": "APIGroupDiscoveryList", "items": items});
        ServedKinds::read(&[
            list(json!([group("", "v1", core)])),
            list(json!([
                group("apps", "v1", apps),
                group("batch", "v1", batch),
                group("apiextensions.k8s.io", "v1", crds)
            ])),
        ])
        .unwrap()
    }

    #[test]
    fn a_kind_is_found_where_it_is_served() {
        let object = |version: &str, kind: &str| {
            ObjectRef::from_manifest(&json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}})).unwrap()
        };
        let kinds = sample_kinds();
        let folder = |version: &str, kind: &str| kinds.collection_path(&object(version, kind), "m");
        assert_eq!(folder("apps/v1", "Deployment").as_deref(), Some("/apis/apps/v1/namespaces/m/deployments"));
        assert_eq!(folder("v1", "Secret").as_deref(), Some("/api/v1/namespaces/m/secrets"));
        assert_eq!(
            folder("apiextensions.k8s.io/v1", "CustomResourceDefinition").as_deref(),
            Some("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        );
        assert_eq!(folder("apps/v2", "Deployment"), None);
        assert_eq!(ServedKinds::read(&[json!({"kind": "APIGroupList"})]), None);
    }
}
