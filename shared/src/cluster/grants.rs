//! What we are allowed to do: one request for a whole namespace, one for the cluster, and one for each thing that is left open.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use serde_json::{Value, json};

use super::{ApiError, Cluster};
use crate::model::grants::{Grants, Need};

/// Requests under way at once.
const AT_ONCE: usize = 8;
const REVIEWS: &str = "/apis/authorization.k8s.io/v1";
/// A namespace that cannot exist, for its name is none: no RoleBinding is in it, so the rules that hold there are those of
/// ClusterRoleBindings, and they hold for what belongs to the cluster as well (`pkg/registry/rbac/validation`, `VisitRulesFor`).
const NOWHERE: &str = "cluster:";

/// Asks what of this is granted. The rules answer most of it; what they leave open is asked one by one.
pub async fn look(cluster: &Cluster, needs: &[Need]) -> Grants {
    let denied = denied(cluster, needs).await.map_err(|error| error.not_seen("what we are allowed to do"));
    Grants { asked: needs.len(), denied }
}

async fn denied(cluster: &Cluster, needs: &[Need]) -> Result<Vec<Need>, ApiError> {
    let rules = rules(cluster, needs).await?;
    let open = needs.iter().filter(|need| !rules.get(place(need)).is_some_and(|rules| need.granted_by(rules)));
    let answers = stream::iter(open)
        .map(|need| async move { Ok((need, allowed(cluster, need).await?)) })
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(answers.into_iter().filter(|(_, allowed)| !allowed).map(|(need, _)| need.clone()).collect())
}

/// Where the rules that tell of this need hold.
fn place(need: &Need) -> &str {
    need.namespace.as_deref().unwrap_or(NOWHERE)
}

/// The rules that hold in each namespace, and in none. They may be incomplete: then more is asked one by one.
async fn rules(cluster: &Cluster, needs: &[Need]) -> Result<BTreeMap<String, Value>, ApiError> {
    let namespaces: BTreeSet<&str> = needs.iter().map(place).collect();
    let path = format!("{REVIEWS}/selfsubjectrulesreviews");
    let path = &path;
    let ask = namespaces.into_iter().map(|namespace| async move {
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}});
        let answer = cluster.request(Method::POST, path, Some(("application/json", &review))).await?;
        Ok((namespace.to_owned(), answer))
    });
    Ok(futures::future::try_join_all(ask).await?.into_iter().collect())
}

async fn allowed(cluster: &Cluster, need: &Need) -> Result<bool, ApiError> {
    let path = format!("{REVIEWS}/selfsubjectaccessreviews");
    let answer = cluster.request(Method::POST, &path, Some(("application/json", &need.review()))).await?;
    Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or_default())
}
