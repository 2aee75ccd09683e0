//! Writes the result of a run: the ConfigMap `mural-result`.
//!
//! Input: the ConfigMap as `report/run_result.rs` builds it. Output: none; the ConfigMap of the run before is replaced.
//! `cli/run_result.rs` decides when a result is written.

use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster};

/// The field manager of the ConfigMap. Every run replaces all keys of the one before.
const FIELD_MANAGER: &str = "mural-result";

/// Creates or replaces the ConfigMap by server-side apply.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn apply_config_map(cluster: &Cluster, namespace: &str, name: &str, map: &Value) -> Result<(), ApiError> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}?fieldManager={FIELD_MANAGER}&force=true");
    cluster.request(Method::PATCH, &path, Some(("application/apply-patch+yaml", map))).await.map(drop)
}
