//! Reads what a support request needs: the objects of an installation, its events and the last lines of its logs.
//!
//! It owns the list of kinds and the limits on logs. Secrets are listed as metadata only. The result is a set of files for
//! `kubectl mural validate bundle`; a part that cannot be read becomes a file with the reason. Reads only.

use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::{ApiError, Cluster};
use crate::model::cluster_view::ClusterView;
use crate::model::flux::FluxObject;
use crate::model::health_inputs::{HealthInputs, collect_namespaces};
use crate::model::known_secrets::Secrets;
use crate::model::object::ObjectRef;
use crate::model::release_inventory::ReleaseInventory;
use crate::model::support_bundle::{BundleFile, mask_object, sanitize_file_name};
use crate::model::yaml;

/// Concurrent requests.
const MAX_CONCURRENT_REQUESTS: usize = 8;
/// Log lines per container.
const MAX_LOG_LINES: usize = 200;
/// Log bytes per container.
const MAX_LOG_BYTES: usize = 256 * 1024;
/// Kinds that are read in every namespace with objects of the releases.
const BUNDLED_KINDS: [(&str, &str); 12] = [
    ("/apis/apps/v1", "deployments"),
    ("/apis/apps/v1", "statefulsets"),
    ("/apis/apps/v1", "daemonsets"),
    ("/apis/apps/v1", "replicasets"),
    ("/apis/batch/v1", "jobs"),
    ("/apis/batch/v1", "cronjobs"),
    ("/api/v1", "pods"),
    ("/api/v1", "services"),
    ("/api/v1", "persistentvolumeclaims"),
    ("/api/v1", "configmaps"),
    ("/apis/discovery.k8s.io/v1", "endpointslices"),
    ("/apis/networking.k8s.io/v1", "ingresses"),
];

/// Reads all parts as files. A part that cannot be read becomes a file with the reason.
pub async fn read_bundle(
    cluster: &Cluster,
    view: &ClusterView,
    vitals: &HealthInputs,
    inventory: &ReleaseInventory,
    secrets: &Secrets,
) -> Vec<BundleFile> {
    let release_namespaces: Vec<String> =
        collect_namespaces(inventory.known_objects(), &view.cluster.namespace).into_iter().collect();
    let bundle = BundleReader { cluster, secrets };
    let lists = release_namespaces
        .iter()
        .flat_map(|space| BUNDLED_KINDS.iter().map(move |(group, plural)| (space, group, plural)));
    let lists = stream::iter(lists).map(|(space, group, plural)| bundle.read_objects(space, group, plural));
    let lists = lists.buffered(MAX_CONCURRENT_REQUESTS).collect::<Vec<_>>();
    let events = stream::iter(&release_namespaces)
        .map(|space| bundle.read_events(space))
        .buffered(MAX_CONCURRENT_REQUESTS)
        .collect::<Vec<_>>();
    let logs = stream::iter(list_containers(view))
        .map(|one| bundle.read_log(one))
        .buffered(MAX_CONCURRENT_REQUESTS)
        .collect::<Vec<_>>();
    let (lists, events, logs) = tokio::join!(lists, events, logs);
    let mut all: Vec<BundleFile> = lists.into_iter().flatten().chain(events).chain(logs).collect();
    all.extend(inventory.live_crds(view).map(|crd| bundle.build_object_entry("crds", crd.json())));
    all.extend(vitals.webhooks.iter().flatten().map(|one| bundle.build_object_entry("webhooks", one)));
    all.extend(view.flux.helm_releases.iter().flatten().map(|one| bundle.build_object_entry("flux", one.json())));
    all.extend(
        view.flux
            .sources
            .values()
            .filter_map(|one| one.as_ref().ok()?.as_ref())
            .map(|one| bundle.build_object_entry("flux", one.json())),
    );
    all.extend(vitals.object_metadata.iter().map(|(folder, list)| build_names_entry(folder, list)));
    all
}

/// Reads metadata only: names and field managers. The only form in which Secrets are read.
fn build_names_entry(folder: &str, list: &crate::model::cluster_view::Observed<Vec<Value>>) -> BundleFile {
    let path = format!("names/{}.yaml", sanitize_file_name(folder.trim_start_matches('/')));
    match list {
        Ok(list) => BundleFile::new(path, yaml::write(list).unwrap_or_default()),
        Err(not_seen) => BundleFile::new(path, format!("# {not_seen}\n")),
    }
}

struct BundleReader<'a> {
    cluster: &'a Cluster,
    secrets: &'a Secrets,
}

/// A log to read: namespace, pod, container, and whether it is the log of the previous run.
type ContainerLog = (String, String, String, bool);

impl BundleReader<'_> {
    async fn read_objects(&self, space: &str, group: &str, plural: &str) -> Vec<BundleFile> {
        let path = format!("{group}/namespaces/{space}/{plural}");
        match self.cluster.list(&path, "").await {
            Ok(items) => items.iter().map(|item| self.build_object_entry(&format!("objects/{space}"), item)).collect(),
            Err(error) => vec![build_unread_entry(&format!("objects/{space}/{plural}"), &error)],
        }
    }

    fn build_object_entry(&self, folder: &str, object: &Value) -> BundleFile {
        let name = ObjectRef::from_manifest(object)
            .map_or_else(|| "unnamed".to_owned(), |one| format!("{}-{}", one.kind.to_lowercase(), one.name));
        let text = yaml::write(&mask_object(object)).unwrap_or_default();
        BundleFile::new(format!("{folder}/{}.yaml", sanitize_file_name(&name)), self.secrets.mask(&text))
    }

    async fn read_events(&self, space: &str) -> BundleFile {
        let path = format!("events/{}.yaml", sanitize_file_name(space));
        match self.cluster.list(&format!("/api/v1/namespaces/{space}/events"), "").await {
            Ok(mut events) => {
                let at = |event: &Value| {
                    event["lastTimestamp"]
                        .as_str()
                        .or_else(|| event["eventTime"].as_str())
                        .unwrap_or_default()
                        .to_owned()
                };
                events.sort_by_key(at);
                let event_rows: Vec<Value> = events.iter().map(|event| {
                    let object = &event["involvedObject"];
                    json!({"at": at(event), "type": event["type"], "reason": event["reason"], "message": event["message"], "count": event["count"],
                        "object": format!("{} {}", object["kind"].as_str().unwrap_or_default(), object["name"].as_str().unwrap_or_default())})
                }).collect();
                BundleFile::new(path, self.secrets.mask(&yaml::write(&event_rows).unwrap_or_default()))
            }
            Err(error) => build_unread_entry(path.trim_end_matches(".yaml"), &error),
        }
    }

    async fn read_log(&self, (space, pod, container, previous): ContainerLog) -> BundleFile {
        let query = format!(
            "container={container}&previous={previous}&tailLines={MAX_LOG_LINES}&limitBytes={MAX_LOG_BYTES}&timestamps=true"
        );
        let before = if previous { "-previous" } else { "" };
        let path = format!("logs/{space}/{}/{}{before}", sanitize_file_name(&pod), sanitize_file_name(&container));
        match self.cluster.get_text(&format!("/api/v1/namespaces/{space}/pods/{pod}/log?{query}")).await {
            Ok(text) => BundleFile::new(format!("{path}.log"), self.secrets.mask(&text)),
            Err(error) => build_unread_entry(&path, &error),
        }
    }
}

fn build_unread_entry(path: &str, error: &ApiError) -> BundleFile {
    BundleFile::new(format!("{path}.unread.txt"), format!("{error}\n"))
}

/// Every container of the namespace's pods, and the previous run of a container that restarted at least twice.
fn list_containers(view: &ClusterView) -> Vec<ContainerLog> {
    let mut all = Vec::new();
    for pod in view.workloads.pods.iter().flatten() {
        let Some(pod_ref) = ObjectRef::from_manifest(pod) else { continue };
        let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
        for status in statuses.iter().filter_map(|pointer| pod.pointer(pointer)?.as_array()).flatten() {
            let name = status["name"].as_str().unwrap_or_default().to_owned();
            let runs =
                if status["restartCount"].as_u64().unwrap_or_default() > 0 { &[false, true][..] } else { &[false] };
            all.extend(
                runs.iter().map(|previous| (pod_ref.namespace.clone(), pod_ref.name.clone(), name.clone(), *previous)),
            );
        }
    }
    all
}
