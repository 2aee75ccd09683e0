//! The application's objects: as they live, and what the server says of what helm would write. Dry-runs only.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster};
use crate::model::application::{Answer, Foreseen, Live};
use crate::model::kinds::Kinds;
use crate::model::object::ObjectRef;
use crate::model::view::{ClusterView, Looked, NotSeen};
use crate::plan::writes::{How, Write};

/// Requests under way at once.
const AT_ONCE: usize = 8;
/// A kind with so few objects in the charts is read one by one, a list could be long.
const ONE_BY_ONE: usize = 2;
/// helm's own records stand among the Secrets, each up to a megabyte.
const WITHOUT_RECORDS: &str = "fieldSelector=type%21%3Dhelm.sh%2Frelease.v1";
/// Kinds that the view of the cluster holds already.
const WORKLOADS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "PersistentVolumeClaim"];

/// The kinds that the server serves: two requests (KEP-3352, since Kubernetes 1.30).
///
/// # Errors
/// The server cannot be asked, or something between us and it answers in the older form.
pub async fn kinds(cluster: &Cluster) -> Looked<Kinds> {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let (core, groups) = tokio::join!(cluster.get_as("/api", accept), cluster.get_as("/apis", accept));
    let what = "the kinds that are served";
    let documents = [core, groups].into_iter().collect::<Result<Vec<Value>, ApiError>>();
    let documents = documents.map_err(|error| error.not_seen(what))?;
    let reason = || "the server does not answer with aggregated discovery".to_owned();
    Kinds::read(&documents).ok_or_else(|| NotSeen { what: what.to_owned(), reason: reason() })
}

/// Reads the objects of these manifests as they live: what the view holds already, then each kind once.
pub async fn live(cluster: &Cluster, view: &ClusterView, kinds: &Kinds, namespace: &str, wanted: &[ObjectRef]) -> Live {
    let mut live = Live::default();
    let of_view = |object: &ObjectRef| WORKLOADS.contains(&object.kind.as_str()) && object.namespace == namespace;
    let mut folders: BTreeMap<String, BTreeSet<&ObjectRef>> = BTreeMap::new();
    for object in wanted.iter().filter(|object| object.kind != "CustomResourceDefinition") {
        if view.workloads.owners.is_ok() && of_view(object) {
            continue;
        }
        if let Some(folder) = kinds.folder(object, namespace) {
            folders.entry(folder).or_default().insert(object);
        }
    }
    for object in view.workloads.owners.iter().flatten() {
        live.keep(object.clone(), namespace);
    }
    let answers: Vec<_> = stream::iter(folders)
        .map(|(folder, objects)| async move {
            let first = objects.iter().next().map(|object| (*object).clone());
            (first, read(cluster, &folder, &objects).await)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    for (first, answer) in answers {
        match (answer, first) {
            (Ok(objects), _) => objects.into_iter().for_each(|object| live.keep(object, namespace)),
            (Err(error), Some(first)) => live.keep_unread(&first, error.not_seen(format!("{} objects", first.kind))),
            (Err(_), None) => {}
        }
    }
    live
}

async fn read(cluster: &Cluster, folder: &str, objects: &BTreeSet<&ObjectRef>) -> Result<Vec<Value>, ApiError> {
    if objects.len() > ONE_BY_ONE {
        let query = if folder.ends_with("/secrets") { WITHOUT_RECORDS } else { "" };
        return cluster.list(folder, query).await;
    }
    let mut found = Vec::new();
    for object in objects {
        match cluster.get(&format!("{folder}/{}", object.name)).await {
            Ok(object) => found.push(object),
            Err(error) if error.not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Asks the server what it would say of each write.
///
/// `force` is helm's `--force-conflicts`. `waits` tells why an object must not be asked about yet. `mask` takes secrets out of
/// the server's words.
pub async fn foresee(
    cluster: &Cluster,
    kinds: &Kinds,
    namespace: &str,
    writes: &[Write],
    (manager, force): (&str, bool),
    waits: impl Fn(&ObjectRef) -> Option<&'static str>,
    mask: impl Fn(&str) -> String,
) -> Vec<Foreseen> {
    let (waits, mask) = (&waits, &mask);
    stream::iter(writes)
        .map(|write| async move {
            let object = write.object.clone();
            let answer = match (waits(&object), kinds.folder(&object, namespace)) {
                (Some(reason), _) => Answer::NotAsked(reason),
                (None, None) => Answer::NotAsked("its kind comes with the new CRDs"),
                (None, Some(folder)) => answer(dry_run(cluster, &folder, write, manager, force).await, mask),
            };
            Foreseen { object, answer }
        })
        .buffered(AT_ONCE)
        .collect()
        .await
}

async fn dry_run(
    cluster: &Cluster,
    folder: &str,
    write: &Write,
    manager: &str,
    force: bool,
) -> Result<Value, ApiError> {
    let query = format!("dryRun=All&fieldManager={manager}");
    let one = format!("{folder}/{}?{query}", write.object.name);
    match &write.how {
        How::Create(object) => {
            cluster.request(Method::POST, &format!("{folder}?{query}"), Some(("application/json", object))).await
        }
        How::Merge(patch) => cluster.request(Method::PATCH, &one, Some(("application/merge-patch+json", patch))).await,
        How::Apply(object) => {
            let one = format!("{one}&force={force}");
            cluster.request(Method::PATCH, &one, Some(("application/apply-patch+yaml", object))).await
        }
    }
}

/// A dry-run that the server could not do says nothing about the object: a webhook that has side effects, a server in trouble.
fn answer(answered: Result<Value, ApiError>, mask: impl Fn(&str) -> String) -> Answer {
    match answered {
        Ok(_) => Answer::Accepted,
        Err(ApiError::Refused { code, message, .. }) => {
            let no_dry_run = message.contains("does not support dry run");
            let webhook_down = message.contains("failed calling webhook");
            if no_dry_run || code == 401 || code == 429 || (code >= 500 && !webhook_down) {
                Answer::Unknown(mask(&message))
            } else {
                Answer::Refused { code, words: mask(&message) }
            }
        }
        Err(error) => Answer::Unknown(error.to_string()),
    }
}
