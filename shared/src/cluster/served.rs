//! Which schema the API server serves: the OpenAPI v3 documents, asked for by hash and read once each.

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
/// # Errors
/// The server refuses or does not answer.
pub async fn documents(cluster: &Cluster, wanted: &BTreeSet<String>) -> Result<Documents, ApiError> {
    let root = cluster.get("/openapi/v3").await?;
    let url =
        |path: &String| root["paths"][path]["serverRelativeURL"].as_str().map(|url| (path.clone(), url.to_owned()));
    let known: Vec<(String, String)> = wanted.iter().filter_map(url).collect();
    let read =
        known.iter().map(|(path, url)| async move { cluster.get(url).await.map(|document| (path.clone(), document)) });
    futures::future::try_join_all(read).await.map(|all| all.into_iter().collect())
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
