//! Which object: its kind and its name, as kubectl prints them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::builtin_kinds::{is_builtin_group, is_cluster_scoped};

/// An object of the cluster, named as a person would.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// `apps/v1`, `v1`, …
    pub api_version: String,
    /// `Deployment`, …
    pub kind: String,
    /// Empty for objects of the cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
}

impl ObjectRef {
    /// Names the object that a manifest describes; `None` where it is not an object (no kind or no name). A namespace of a built-in
    /// kind that has none is ignored, as the API server does.
    #[must_use]
    pub fn from_manifest(manifest: &Value) -> Option<Self> {
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str)?;
        Self::with_name(manifest, name.to_owned())
    }

    fn with_name(manifest: &Value, name: String) -> Option<Self> {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let namespace = text("/metadata/namespace").unwrap_or_default();
        let mut object = Self { api_version: text("/apiVersion")?, kind: text("/kind")?, namespace, name };
        if is_cluster_scoped(object.group(), &object.kind) {
            object.namespace.clear();
        }
        Some(object)
    }

    /// As [`Self::from_manifest`], but the API server may still choose the name: `generateName: run-` is named `run-*`.
    #[must_use]
    pub fn from_unnamed_manifest(manifest: &Value) -> Option<Self> {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let generated = || text("/metadata/generateName").map(|prefix| format!("{prefix}*"));
        let name = text("/metadata/name").or_else(generated);
        Self::with_name(manifest, name.unwrap_or_else(|| "without a name".to_owned()))
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The API version without its group.
    #[must_use]
    pub fn version(&self) -> &str {
        self.api_version.rsplit('/').next().unwrap_or(&self.api_version)
    }

    /// Whether the kind belongs to a group of Kubernetes itself.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        is_builtin_group(self.group())
    }

    /// Whether both name the same object, in whatever version each was read.
    #[must_use]
    pub fn is_same_object(&self, other: &Self) -> bool {
        (self.group(), &self.kind, &self.namespace, &self.name)
            == (other.group(), &other.kind, &other.namespace, &other.name)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// Whether an object is being deleted: it disappears as soon as its last finalizer is removed.
#[must_use]
pub fn is_terminating(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
}

/// One standard condition of an object's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition<'a> {
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
    /// One word, or empty.
    pub reason: &'a str,
    /// A sentence, or empty.
    pub message: &'a str,
}

/// The condition of that type in `status.conditions`.
#[must_use]
pub fn find_condition<'a>(object: &'a Value, kind: &str) -> Option<Condition<'a>> {
    let found = object.pointer("/status/conditions")?.as_array()?.iter().find(|entry| entry["type"] == kind)?;
    let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
    Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_named_as_kubectl_does() {
        let deployment =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "canvas", "namespace": "m"}});
        let object_ref = ObjectRef::from_manifest(&deployment).unwrap();
        assert_eq!(
            (object_ref.to_string().as_str(), object_ref.group(), object_ref.version()),
            ("Deployment m/canvas", "apps", "v1")
        );
        assert_eq!(ObjectRef::from_manifest(&json!({"kind": "List"})), None);
    }

    /// <https://github.com/VictoriaMetrics/helm-charts/issues/354>, <https://github.com/grafana/pyroscope/issues/3907>
    #[test]
    fn a_kind_without_a_namespace_ignores_one() {
        let role = |metadata: Value| {
            let role =
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata});
            ObjectRef::from_manifest(&role)
        };
        assert_eq!(role(json!({"name": "reader", "namespace": "kube-public"})), role(json!({"name": "reader"})));
    }
}
