//! The server's own answer to a write, without the write: a dry-run of a server-side apply.

use futures::stream::{self, StreamExt};
use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::managed_fields::FIELD_MANAGER;

/// Dry-runs under way at once: enough to hide the way there and back, few enough for a busy API server.
const MAX_CONCURRENT_DRY_RUNS: usize = 8;

/// What the server would make of one CRD.
#[derive(Debug, Clone)]
pub struct CrdForecast {
    /// The CRD's name.
    pub name: String,
    /// The merged result, or the server's refusal.
    pub answer: Result<Crd, ApiError>,
}

/// Asks the server what it would make of each CRD, in the order given.
pub async fn dry_run_crds(cluster: &Cluster, wanted: &[Crd]) -> Vec<CrdForecast> {
    stream::iter(wanted)
        .map(|crd| async move {
            let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}", crd.name());
            let answer = dry_run_apply(cluster, &path, crd.json()).await;
            let answer = answer.and_then(|merged| {
                Crd::new(merged).map_err(|_| ApiError::Rejected {
                    code: 200,
                    reason: "Unreadable".to_owned(),
                    message: "the server answered with something else than a CRD".to_owned(),
                })
            });
            CrdForecast { name: crd.name().to_owned(), answer }
        })
        .buffered(MAX_CONCURRENT_DRY_RUNS)
        .collect()
        .await
}

async fn dry_run_apply(cluster: &Cluster, path: &str, object: &Value) -> Result<Value, ApiError> {
    let query = format!("{path}?dryRun=All&force=true&fieldManager={FIELD_MANAGER}&fieldValidation=Strict");
    cluster.request(Method::PATCH, &query, Some(("application/apply-patch+yaml", object))).await
}
