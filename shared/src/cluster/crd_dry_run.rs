//! Dry-runs the server-side apply of each CRD: the API server merges and validates, and stores nothing.
//!
//! Callers hand in the chart's CRDs. `checks/crd_changes` and `guards/` compare the merged results with the live CRDs.
//! Input: CRDs. Output: an answer for each, in the same order.

use futures::stream::{self, StreamExt};
use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::crd::Crd;
use crate::model::managed_fields::FIELD_MANAGER;

/// Concurrent dry runs: enough to hide the latency, few enough for a busy API server.
const MAX_CONCURRENT_DRY_RUNS: usize = 8;

/// The API server's answer for one CRD.
#[derive(Debug, Clone)]
pub struct CrdForecast {
    /// The CRD's name.
    pub name: String,
    /// The merged CRD, or the server's rejection.
    pub answer: Result<Crd, ApiError>,
}

/// Dry-runs each CRD. The answers keep the order of the arguments.
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
