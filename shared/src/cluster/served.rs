//! Which schema the API server serves: the OpenAPI v3 documents, one for each group and version, read once each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::crd::Crd;

/// The served documents, by `apis/<group>/<version>`.
pub type Documents = BTreeMap<String, Value>;

/// `apis/<group>/<version>` of each served version of these CRDs.
#[must_use]
pub fn paths(crds: &[&Crd]) -> BTreeSet<String> {
    crds.iter()
        .flat_map(|crd| {
            crd.versions()
                .filter(|version| version.served)
                .map(|version| format!("apis/{}/{}", crd.group(), version.name))
        })
        .collect()
}

/// Reads the documents at these paths; one that is not served is left out.
///
/// They are asked for without the hash that `/openapi/v3` tells: just after a change the server answers an old hash with a
/// redirect and an empty body (k8s.io/kube-openapi `handler3`).
///
/// # Errors
/// The server refuses or does not answer.
pub async fn documents(cluster: &Cluster, wanted: &BTreeSet<String>) -> Result<Documents, ApiError> {
    let read = wanted.iter().map(|path| async move {
        match cluster.get(&format!("/openapi/v3/{path}")).await {
            Ok(document) => Ok(Some((path.clone(), document))),
            Err(error) if error.not_found() => Ok(None),
            Err(error) => Err(error),
        }
    });
    futures::future::try_join_all(read).await.map(|all| all.into_iter().flatten().collect())
}

/// The definition of a kind inside a document, found by its group, version and kind.
#[must_use]
pub fn definition<'a>(document: &'a Value, group: &str, version: &str, kind: &str) -> Option<&'a Value> {
    let names_it = |schema: &&Value| {
        schema["x-kubernetes-group-version-kind"].as_array().is_some_and(|all| {
            all.iter().any(|gvk| gvk["group"] == group && gvk["version"] == version && gvk["kind"] == kind)
        })
    };
    document.pointer("/components/schemas")?.as_object()?.values().find(names_it)
}
