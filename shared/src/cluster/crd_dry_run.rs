//! Dry-runs the server-side apply of each CRD: the API server merges and validates, and stores nothing.
//!
//! Callers hand in the chart's CRDs. `checks/crd_changes` and `guards/` compare the merged results with the live CRDs.
//! Input: CRDs. Output: an answer for each, in the same order.

use futures::stream::{self, StreamExt};
use http::Method;
use serde_json::Value;

use super::Cluster;
use super::dry_run::DryRunner;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::managed_fields::FIELD_MANAGER;

/// Concurrent dry runs: enough to hide the latency, few enough for a busy API server.
const MAX_CONCURRENT_DRY_RUNS: usize = 8;

/// The API server's answer for one CRD.
#[derive(Debug, Clone)]
pub struct CrdForecast {
    /// The CRD's name.
    pub name: String,
    /// The merged CRD, the server's rejection, or the reason why there is neither.
    pub answer: CrdDryRunResult,
}

/// Dry-runs each CRD. The answers keep the order of the arguments.
pub async fn dry_run_crds(cluster: &Cluster, wanted: &[Crd]) -> Vec<CrdForecast> {
    let runner = &DryRunner::new(cluster);
    stream::iter(wanted)
        .map(|crd| async move { CrdForecast { name: crd.name().to_owned(), answer: dry_run_crd(runner, crd).await } })
        .buffered(MAX_CONCURRENT_DRY_RUNS)
        .collect()
        .await
}

async fn dry_run_crd(runner: &DryRunner<'_>, crd: &Crd) -> CrdDryRunResult {
    let folder = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let query = format!("dryRun=All&force=true&fieldManager={FIELD_MANAGER}&fieldValidation=Strict");
    let path = format!("{folder}/{}?{query}", crd.name());
    match runner.send(Method::PATCH, &path, "application/apply-patch+yaml", crd.json()).await {
        Ok(run) => to_accepted(run.merged),
        Err(failure) => failure.into(),
    }
}

fn to_accepted(merged: Value) -> CrdDryRunResult {
    let other = |_| CrdDryRunResult::NoAnswer("the server answered with something else than a CRD".to_owned());
    Crd::new(merged).map_or_else(other, CrdDryRunResult::Accepted)
}
