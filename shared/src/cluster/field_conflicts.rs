//! Asks the API server whether a server-side apply of helm would meet fields of another field manager.
//!
//! Callers hand in the live object and what helm would apply. Nothing here writes: every request carries `dryRun=All`, and is
//! repeated as every other dry run. Input: an object. Output: the fields and their managers.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use super::Cluster;
use super::dry_run::DryRunner;
use crate::model::dry_run::{DryRunFailure, RejectionKind};
use crate::model::managed_fields::{HELM_FIELD_MANAGER, find_foreign_owners, has_foreign_owners};

/// Finds the conflicts of one forecast. The dry runs share the time for repetitions.
pub struct ConflictFinder<'a> {
    runner: DryRunner<'a>,
}

impl<'a> ConflictFinder<'a> {
    /// The conflicts on this cluster.
    #[must_use]
    pub fn new(cluster: &'a Cluster) -> Self {
        Self { runner: DryRunner::new(cluster) }
    }

    /// The fields of foreign managers, by manager, with which helm's apply of `document` to the object at `path` conflicts.
    ///
    /// # Errors
    /// Why the fields are not known: the API server did not judge the object. A rejection for another reason is no conflict.
    pub async fn find_conflicting_owners(
        &self,
        path: &str,
        live: &Value,
        document: &Value,
    ) -> Result<BTreeMap<String, Vec<String>>, String> {
        if !has_foreign_owners(live) {
            return Ok(BTreeMap::new());
        }
        match self.dry_run_apply(path, document, Conflicts::Refuse).await {
            Err(DryRunFailure::Rejected(rejection)) if rejection.kind() == RejectionKind::FieldConflict => {}
            Err(DryRunFailure::NoAnswer(reason)) => return Err(reason),
            Ok(_) | Err(DryRunFailure::Rejected(_)) => return Ok(BTreeMap::new()),
        }
        // The message names managers in words; the forced result shows which fields of whom would change.
        match self.dry_run_apply(path, document, Conflicts::Force).await {
            Ok(next) => Ok(find_foreign_owners(live, &next)),
            Err(DryRunFailure::NoAnswer(reason)) => Err(reason),
            Err(DryRunFailure::Rejected(rejection)) => {
                Err(format!("fields conflict, and the API server refuses the forced apply: {}", rejection.message))
            }
        }
    }

    async fn dry_run_apply(&self, path: &str, document: &Value, conflicts: Conflicts) -> Result<Value, DryRunFailure> {
        let force = matches!(conflicts, Conflicts::Force);
        let path = format!("{path}?dryRun=All&fieldManager={HELM_FIELD_MANAGER}&force={force}");
        let run = self.runner.send(Method::PATCH, &path, "application/apply-patch+yaml", document).await?;
        Ok(run.merged)
    }
}

/// What the server does with conflicts.
#[derive(Clone, Copy)]
enum Conflicts {
    Refuse,
    Force,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fake_api_server::{Answer, FakeApiServer};

    const PATH: &str = "/api/v1/namespaces/m/configmaps/a";

    async fn find(answers: impl IntoIterator<Item = Answer>) -> Result<BTreeMap<String, Vec<String>>, String> {
        let cluster = FakeApiServer::new().answer("PATCH", PATH, answers).start();
        let fields = json!({"f:data": {"f:b": {}}});
        let entry = json!({"manager": "gitops", "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields});
        let live = json!({"metadata": {"managedFields": [entry]}, "data": {"b": "1"}});
        ConflictFinder::new(&cluster).find_conflicting_owners(PATH, &live, &json!({"data": {"b": "2"}})).await
    }

    fn conflict() -> Answer {
        Answer::field_conflict("conflict with \"gitops\"", ".data.b")
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflict_is_found_although_the_server_was_busy_before() {
        let next = Answer::json(&json!({"data": {"b": "2"}}));
        let found =
            find([Answer::status(500, "etcdserver: leader changed"), conflict(), Answer::Disconnect, next]).await;
        assert_eq!(found, Ok(BTreeMap::from([("gitops".to_owned(), vec!["data.b".to_owned()])])));
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_answer_the_fields_are_not_known() {
        let found = find([Answer::status(503, "the hub is busy")]).await;
        assert!(found.as_ref().is_err_and(|reason| reason.contains("the hub is busy")), "{found:?}");
        let found = find([conflict(), Answer::status(500, "etcdserver: request timed out")]).await;
        assert!(found.as_ref().is_err_and(|reason| reason.contains("etcdserver")), "{found:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_for_another_reason_is_no_conflict() {
        assert_eq!(find([Answer::status(422, "invalid")]).await, Ok(BTreeMap::new()));
    }
}
