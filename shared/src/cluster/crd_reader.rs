//! EFFECTS: reads again just what a wait needs.

use super::{ApiError, Cluster};
use crate::model::crd::Crd;

/// Reads every CRD of the cluster again; the caller picks those it waits for. One list costs less than forty reads.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn list_crds(cluster: &Cluster) -> Result<Vec<Crd>, ApiError> {
    let items = cluster.list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "").await?;
    Ok(items.into_iter().filter_map(|item| Crd::new(item).ok()).collect())
}
