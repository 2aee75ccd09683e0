//! Reads the CRDs again while a step waits for them.
//!
//! The full picture of the cluster is read by `view_reader.rs`; this is the cheap repetition that `run/` polls.
//! Input: a connection. Output: every CRD; the caller selects.

use super::{ApiError, Cluster};
use crate::model::crd::Crd;

/// Reads every CRD of the cluster; the caller selects. One list costs less than forty reads.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn list_crds(cluster: &Cluster) -> Result<Vec<Crd>, ApiError> {
    let items = cluster.list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "").await?;
    Ok(items.into_iter().filter_map(|item| Crd::new(item).ok()).collect())
}
