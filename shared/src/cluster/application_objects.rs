//! Reads the application's live objects, and asks the API server for a dry run of each write that helm would make.
//!
//! Callers hand in the rendered manifests. The answers are `DryRunAnswer` values that `guards/` and `prepare/forecast` read.
//! Nothing here writes: every request is a read or carries `dryRun=All`.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use http::Method;
use serde_json::Value;

use super::dry_run::{DryRunOutput, DryRunner};
use super::{ApiError, Cluster};
use crate::model::application::{DryRunAnswer, LiveObjects, ObjectForecast};
use crate::model::cluster_view::{ClusterView, Observed, ReadFailure};
use crate::model::dry_run::{DryRunFailure, DryRunRejection};
use crate::model::object::ObjectRef;
use crate::model::rejection::Rejection;
use crate::model::served_kinds::ServedKinds;
use crate::plan::writes::{ObjectWrite, WriteOperation};

/// Concurrent requests.
const MAX_CONCURRENT_REQUESTS: usize = 8;
/// Up to this many objects of a kind are read one by one: a list could be long.
const MAX_SINGLE_READS: usize = 2;
/// Secrets include helm's release records of up to 1 MiB each.
const EXCLUDE_RELEASE_SECRETS: &str = "fieldSelector=type%21%3Dhelm.sh%2Frelease.v1";
/// Kinds that the `ClusterView` already holds.
const KINDS_IN_VIEW: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "PersistentVolumeClaim"];

/// Reads the served kinds with two requests: aggregated discovery (KEP-3352, GA in Kubernetes 1.30).
///
/// # Errors
/// The API server does not answer, or a proxy answers in the unaggregated form.
pub async fn read_served_kinds(cluster: &Cluster) -> Observed<ServedKinds> {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let (core, groups) = tokio::join!(cluster.get_as("/api", accept), cluster.get_as("/apis", accept));
    let what = "the kinds that are served";
    let documents = [core, groups].into_iter().collect::<Result<Vec<Value>, ApiError>>();
    let documents = documents.map_err(|error| error.to_read_failure(what))?;
    let reason = || "the server does not answer with aggregated discovery".to_owned();
    ServedKinds::read(&documents).ok_or_else(|| ReadFailure { target: what.to_owned(), reason: reason() })
}

/// Reads the live objects of these manifests: from the view where it has them, otherwise with one request per kind.
pub async fn read_live_objects(
    cluster: &Cluster,
    view: &ClusterView,
    kinds: &ServedKinds,
    namespace: &str,
    wanted: &[ObjectRef],
) -> LiveObjects {
    let mut live = LiveObjects::default();
    let of_view = |object: &ObjectRef| KINDS_IN_VIEW.contains(&object.kind.as_str()) && object.namespace == namespace;
    let mut folders: BTreeMap<String, BTreeSet<&ObjectRef>> = BTreeMap::new();
    for object in wanted.iter().filter(|object| object.kind != "CustomResourceDefinition") {
        if view.workloads.objects.is_ok() && of_view(object) {
            continue;
        }
        if let Some(folder) = kinds.collection_path(object, namespace) {
            folders.entry(folder).or_default().insert(object);
        }
    }
    for object in view.workloads.objects.iter().flatten() {
        live.insert(object.clone(), namespace);
    }
    let answers: Vec<_> = stream::iter(folders)
        .map(|(folder, objects)| async move {
            let first = objects.iter().next().map(|object| (*object).clone());
            (first, read_collection(cluster, &folder, &objects).await)
        })
        .buffered(MAX_CONCURRENT_REQUESTS)
        .collect()
        .await;
    for (first, answer) in answers {
        match (answer, first) {
            (Ok(objects), _) => objects.into_iter().for_each(|object| live.insert(object, namespace)),
            (Err(error), Some(first)) => {
                live.insert_failure(&first, error.to_read_failure(format!("{} objects", first.kind)));
            }
            (Err(_), None) => {}
        }
    }
    live
}

async fn read_collection(
    cluster: &Cluster,
    folder: &str,
    objects: &BTreeSet<&ObjectRef>,
) -> Result<Vec<Value>, ApiError> {
    if objects.len() > MAX_SINGLE_READS {
        let query = if folder.ends_with("/secrets") { EXCLUDE_RELEASE_SECRETS } else { "" };
        return cluster.list(folder, query).await;
    }
    let mut found = Vec::new();
    for object in objects {
        match cluster.get(&format!("{folder}/{}", object.name)).await {
            Ok(object) => found.push(object),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Dry-runs each write.
///
/// `force` is helm's `--force-conflicts`. `waits` returns why an object cannot be dry-run yet. `mask` removes secrets from
/// the server's message.
pub async fn dry_run_writes(
    cluster: &Cluster,
    kinds: &ServedKinds,
    namespace: &str,
    writes: &[ObjectWrite],
    (manager, force): (&str, bool),
    defer_reason: impl Fn(&ObjectRef) -> Option<&'static str>,
    mask: impl Fn(&str) -> String,
) -> Vec<ObjectForecast> {
    let (defer_reason, mask, runner) = (&defer_reason, &mask, &DryRunner::new(cluster));
    stream::iter(writes)
        .map(|write| async move {
            let (object, mut warnings) = (write.object.clone(), Vec::new());
            let answer = match (defer_reason(&object), kinds.collection_path(&object, namespace)) {
                (Some(reason), _) => DryRunAnswer::NotAsked(reason),
                (None, None) => DryRunAnswer::NotAsked("its kind comes with the new CRDs"),
                (None, Some(folder)) => {
                    let response = dry_run(runner, &folder, write, manager, force).await;
                    warnings = response.iter().flat_map(|run| &run.warnings).map(|text| mask(text)).collect();
                    to_dry_run_answer(response, mask)
                }
            };
            ObjectForecast { object, answer, warnings }
        })
        .buffered(MAX_CONCURRENT_REQUESTS)
        .collect()
        .await
}

async fn dry_run(
    runner: &DryRunner<'_>,
    folder: &str,
    write: &ObjectWrite,
    manager: &str,
    force: bool,
) -> Result<DryRunOutput, DryRunFailure> {
    let query = format!("dryRun=All&fieldManager={manager}");
    let one = format!("{folder}/{}?{query}", write.object.name);
    match &write.operation {
        WriteOperation::Create(object) => {
            runner.send(Method::POST, &format!("{folder}?{query}"), "application/json", object).await
        }
        WriteOperation::Merge(patch) => runner.send(Method::PATCH, &one, "application/merge-patch+json", patch).await,
        WriteOperation::StrategicMerge(patch) => {
            runner.send(Method::PATCH, &one, "application/strategic-merge-patch+json", patch).await
        }
        WriteOperation::Apply(object) => {
            let one = format!("{one}&force={force}");
            runner.send(Method::PATCH, &one, "application/apply-patch+yaml", object).await
        }
    }
}

fn to_dry_run_answer(response: Result<DryRunOutput, DryRunFailure>, mask: impl Fn(&str) -> String) -> DryRunAnswer {
    match response {
        Ok(_) => DryRunAnswer::Accepted,
        Err(DryRunFailure::NoAnswer(reason)) => DryRunAnswer::NoAnswer(mask(&reason)),
        Err(DryRunFailure::Rejected(rejection)) => {
            let causes = rejection.causes.iter().map(|cause| Rejection::new(&cause.field, mask(&cause.message)));
            let (message, causes) = (mask(&rejection.message), causes.collect());
            DryRunAnswer::Rejected(DryRunRejection { message, causes, ..rejection })
        }
    }
}
