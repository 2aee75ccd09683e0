//! What support asks for first: the objects around an installation, its events and the last lines of its logs. Reads only.

use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::{ApiError, Cluster};
use crate::model::bundle::{Entry, file_name, masked_object};
use crate::model::flux::FluxObject;
use crate::model::inventory::Named;
use crate::model::object::ObjectRef;
use crate::model::secret::Secrets;
use crate::model::view::ClusterView;
use crate::model::vitals::{Vitals, namespaces};
use crate::model::yaml;

/// Requests under way at once.
const AT_ONCE: usize = 8;
/// Lines of each container's log.
const LINES: usize = 200;
/// Bytes of each container's log.
const LOG_BYTES: usize = 256 * 1024;
/// Kinds that are read in every namespace of the releases.
const KINDS: [(&str, &str); 12] = [
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

/// Everything that was read, as files. What could not be read is a file that says why.
pub async fn read(
    cluster: &Cluster,
    view: &ClusterView,
    vitals: &Vitals,
    named: &Named,
    secrets: &Secrets,
) -> Vec<Entry> {
    let spaces: Vec<String> = namespaces(named.known(), &view.hub.namespace).into_iter().collect();
    let bundle = Bundle { cluster, secrets };
    let lists = spaces.iter().flat_map(|space| KINDS.iter().map(move |(group, plural)| (space, group, plural)));
    let lists = stream::iter(lists).map(|(space, group, plural)| bundle.objects(space, group, plural));
    let lists = lists.buffered(AT_ONCE).collect::<Vec<_>>();
    let events = stream::iter(&spaces).map(|space| bundle.events(space)).buffered(AT_ONCE).collect::<Vec<_>>();
    let logs = stream::iter(containers(view)).map(|one| bundle.log(one)).buffered(AT_ONCE).collect::<Vec<_>>();
    let (lists, events, logs) = tokio::join!(lists, events, logs);
    let mut all: Vec<Entry> = lists.into_iter().flatten().chain(events).chain(logs).collect();
    all.extend(named.live_crds(view).map(|crd| bundle.object("crds", crd.json())));
    all.extend(vitals.webhooks.iter().flatten().map(|one| bundle.object("webhooks", one)));
    all.extend(view.flux.helm_releases.iter().flatten().map(|one| bundle.object("flux", one.json())));
    all.extend(
        view.flux
            .sources
            .values()
            .filter_map(|one| one.as_ref().ok()?.as_ref())
            .map(|one| bundle.object("flux", one.json())),
    );
    all.extend(vitals.names.iter().map(|(folder, list)| names(folder, list)));
    all
}

/// Names and writers of objects, Secrets among them: of these nothing else is read.
fn names(folder: &str, list: &crate::model::view::Looked<Vec<Value>>) -> Entry {
    let path = format!("names/{}.yaml", file_name(folder.trim_start_matches('/')));
    match list {
        Ok(list) => Entry::new(path, yaml::write(list).unwrap_or_default()),
        Err(not_seen) => Entry::new(path, format!("# {not_seen}\n")),
    }
}

struct Bundle<'a> {
    cluster: &'a Cluster,
    secrets: &'a Secrets,
}

/// A container whose log is wanted: namespace, pod, container, and whether the run before is meant.
type Container = (String, String, String, bool);

impl Bundle<'_> {
    async fn objects(&self, space: &str, group: &str, plural: &str) -> Vec<Entry> {
        let path = format!("{group}/namespaces/{space}/{plural}");
        match self.cluster.list(&path, "").await {
            Ok(items) => items.iter().map(|item| self.object(&format!("objects/{space}"), item)).collect(),
            Err(error) => vec![unread(&format!("objects/{space}/{plural}"), &error)],
        }
    }

    fn object(&self, folder: &str, object: &Value) -> Entry {
        let name = ObjectRef::of(object)
            .map_or_else(|| "unnamed".to_owned(), |one| format!("{}-{}", one.kind.to_lowercase(), one.name));
        let text = yaml::write(&masked_object(object)).unwrap_or_default();
        Entry::new(format!("{folder}/{}.yaml", file_name(&name)), self.secrets.mask(&text))
    }

    async fn events(&self, space: &str) -> Entry {
        let path = format!("events/{}.yaml", file_name(space));
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
                let told: Vec<Value> = events.iter().map(|event| {
                    let object = &event["involvedObject"];
                    json!({"at": at(event), "type": event["type"], "reason": event["reason"], "message": event["message"], "count": event["count"],
                        "object": format!("{} {}", object["kind"].as_str().unwrap_or_default(), object["name"].as_str().unwrap_or_default())})
                }).collect();
                Entry::new(path, self.secrets.mask(&yaml::write(&told).unwrap_or_default()))
            }
            Err(error) => unread(path.trim_end_matches(".yaml"), &error),
        }
    }

    async fn log(&self, (space, pod, container, previous): Container) -> Entry {
        let query = format!(
            "container={container}&previous={previous}&tailLines={LINES}&limitBytes={LOG_BYTES}&timestamps=true"
        );
        let before = if previous { "-previous" } else { "" };
        let path = format!("logs/{space}/{}/{}{before}", file_name(&pod), file_name(&container));
        match self.cluster.get_text(&format!("/api/v1/namespaces/{space}/pods/{pod}/log?{query}")).await {
            Ok(text) => Entry::new(format!("{path}.log"), self.secrets.mask(&text)),
            Err(error) => unread(&path, &error),
        }
    }
}

fn unread(path: &str, error: &ApiError) -> Entry {
    Entry::new(format!("{path}.unread.txt"), format!("{error}\n"))
}

/// Every container of the namespace's pods; one that was restarted twice, with its run before.
fn containers(view: &ClusterView) -> Vec<Container> {
    let mut all = Vec::new();
    for pod in view.workloads.pods.iter().flatten() {
        let Some(named) = ObjectRef::of(pod) else { continue };
        let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
        for status in statuses.iter().filter_map(|pointer| pod.pointer(pointer)?.as_array()).flatten() {
            let name = status["name"].as_str().unwrap_or_default().to_owned();
            let runs =
                if status["restartCount"].as_u64().unwrap_or_default() > 0 { &[false, true][..] } else { &[false] };
            all.extend(
                runs.iter().map(|previous| (named.namespace.clone(), named.name.clone(), name.clone(), *previous)),
            );
        }
    }
    all
}
