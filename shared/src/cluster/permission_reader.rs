//! Reads the permissions of the current user.
//!
//! One SelfSubjectRulesReview covers a namespace and one the cluster; what their rules leave open is queried with one
//! SelfSubjectAccessReview each. `guards/permissions` compares the answer with what the plan needs.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use serde_json::{Value, json};

use super::{ApiError, Cluster};
use crate::model::access_review::{AccessReview, Permission, RequiredPermissions};

/// Concurrent requests.
const MAX_CONCURRENT_REQUESTS: usize = 8;
const AUTHORIZATION_API: &str = "/apis/authorization.k8s.io/v1";
/// A namespace name that is not valid, so no RoleBinding exists in it: the rules that apply there come from
/// ClusterRoleBindings and apply to cluster-scoped resources too (Kubernetes `pkg/registry/rbac/validation`, `VisitRulesFor`).
const CLUSTER_SCOPE_NAMESPACE: &str = "cluster:";

/// Reads which of the required permissions are granted. The rules decide most; the others are queried one by one.
pub async fn review_permissions(cluster: &Cluster, permissions: RequiredPermissions) -> AccessReview {
    let denied = list_denied(cluster, &permissions.required).await;
    let denied = denied.map_err(|error| error.to_read_failure("the permissions of the current user"));
    AccessReview { permissions, denied }
}

async fn list_denied(cluster: &Cluster, needs: &[Permission]) -> Result<Vec<Permission>, ApiError> {
    let rules = review_rules(cluster, needs).await?;
    let open =
        needs.iter().filter(|need| !rules.get(rules_namespace(need)).is_some_and(|rules| need.is_granted_by(rules)));
    let answers = stream::iter(open)
        .map(|need| async move { Ok((need, is_allowed(cluster, need).await?)) })
        .buffered(MAX_CONCURRENT_REQUESTS)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(answers.into_iter().filter(|(_, allowed)| !allowed).map(|(need, _)| need.clone()).collect())
}

/// The namespace whose rules decide this permission.
fn rules_namespace(need: &Permission) -> &str {
    need.namespace.as_deref().unwrap_or(CLUSTER_SCOPE_NAMESPACE)
}

/// The rules of each namespace and of the cluster. They may be incomplete: then more is queried one by one.
async fn review_rules(cluster: &Cluster, needs: &[Permission]) -> Result<BTreeMap<String, Value>, ApiError> {
    let namespaces: BTreeSet<&str> = needs.iter().map(rules_namespace).collect();
    let path = format!("{AUTHORIZATION_API}/selfsubjectrulesreviews");
    let path = &path;
    let ask = namespaces.into_iter().map(|namespace| async move {
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}});
        let answer = cluster.request(Method::POST, path, Some(("application/json", &review))).await?;
        Ok((namespace.to_owned(), answer))
    });
    Ok(futures::future::try_join_all(ask).await?.into_iter().collect())
}

async fn is_allowed(cluster: &Cluster, need: &Permission) -> Result<bool, ApiError> {
    let path = format!("{AUTHORIZATION_API}/selfsubjectaccessreviews");
    let answer = cluster.request(Method::POST, &path, Some(("application/json", &need.to_access_review()))).await?;
    Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or_default())
}
