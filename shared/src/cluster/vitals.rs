//! look further: what stands around the releases, in every namespace that they name. Few requests, all at once; their number
//! does not grow with the number of pods but for paging.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use serde_json::Value;

use super::pages::Pages;
use super::served::Document;
use super::{ApiError, Cluster, application, around, look, served};
use crate::checks::crd_health::live::Looker;
use crate::checks::releases::release_objects_present::looked_for;
use crate::checks::tenants::tenant_role_copy::TEMPLATE;
use crate::checks::workloads::runs;
use crate::diff;
use crate::model::around::{Service, webhooks};
use crate::model::crd::Crd;
use crate::model::inventory::Named;
use crate::model::object::ObjectRef;
use crate::model::view::{ClusterView, Looked, Workloads};
use crate::model::vitals::{
    Backend, Part, Perhaps, Published, Spokes, Streamed, Vitals, config_maps_of, namespaces, secrets_of,
};
use crate::schema::ServerVersion;

/// Requests under way at once, in each part.
const AT_ONCE: usize = 8;
/// A kind with so few objects in the releases is read one by one, a list could be long.
const ONE_BY_ONE: usize = 2;
/// helm's own records stand among the Secrets: their metadata alone, and still many.
const WITHOUT_RECORDS: &str = "fieldSelector=type%21%3Dhelm.sh%2Frelease.v1";
/// The project roles that the chart is known to bring, where the release does not say.
const KNOWN_ROLES: [&str; 3] = ["viewer", "editor", "admin"];

/// What is read, and of what.
struct Reading<'a> {
    cluster: &'a Cluster,
    view: &'a ClusterView,
    named: &'a Named,
    parts: &'a BTreeSet<Part>,
}

/// Reads these parts.
///
/// Never fails as a whole; each part says by itself whether it was seen.
pub async fn look(cluster: &Cluster, view: &ClusterView, named: &Named, parts: &BTreeSet<Part>) -> Vitals {
    let reading = Reading { cluster, view, named, parts };
    let unread = Vitals::unread("nobody asked for it");
    let (elsewhere, kinds_and_names, webhooks, published, streamed, spokes, templates) = tokio::join!(
        reading.wanted(Part::Elsewhere, reading.elsewhere()),
        reading.wanted(Part::Names, reading.kinds_and_names()),
        reading.wanted(Part::Webhooks, reading.webhooks()),
        reading.wanted(Part::Served, reading.published()),
        reading.wanted(Part::Objects, reading.streamed()),
        reading.wanted(Part::Spokes, reading.spokes()),
        reading.wanted(Part::Tenants, reading.templates()),
    );
    let (kinds, names) = kinds_and_names.unwrap_or((unread.kinds, unread.names));
    let (webhooks, backends, labels) = webhooks.unwrap_or((unread.webhooks, unread.backends, unread.labels));
    Vitals {
        kinds,
        elsewhere: elsewhere.unwrap_or(unread.elsewhere),
        names,
        webhooks,
        backends,
        labels,
        published: published.unwrap_or(unread.published),
        streamed: Ok(streamed),
        spokes: spokes.unwrap_or(unread.spokes),
        templates: templates.unwrap_or(unread.templates),
    }
}

type Webhooks = (Looked<Vec<Value>>, BTreeMap<Service, Looked<Backend>>, Looked<BTreeMap<String, String>>);
type Names = (Looked<crate::model::kinds::Kinds>, BTreeMap<String, Looked<Vec<Value>>>);

impl Reading<'_> {
    async fn wanted<T>(&self, part: Part, read: impl Future<Output = T>) -> Option<T> {
        if self.parts.contains(&part) { Some(read.await) } else { None }
    }

    fn namespace(&self) -> &str {
        &self.view.hub.namespace
    }

    /// The namespaces besides our own in which pods of the releases run.
    fn others(&self) -> BTreeSet<String> {
        let running: Vec<ObjectRef> = self.named.known().iter().filter(|object| runs(object)).cloned().collect();
        let mut all = namespaces(&running, self.namespace());
        all.remove(self.namespace());
        all
    }

    async fn elsewhere(&self) -> BTreeMap<String, Workloads> {
        let read = self.others().into_iter().map(|namespace| async move {
            let workloads = look::workloads(self.cluster, &namespace).await;
            (namespace, workloads)
        });
        futures::future::join_all(read).await.into_iter().collect()
    }

    async fn kinds_and_names(&self) -> Names {
        let kinds = application::kinds(self.cluster).await;
        let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for object in self.named.known().iter().filter(|object| looked_for(object)) {
            if let Some(folder) = kinds.as_ref().ok().and_then(|kinds| kinds.folder(object, self.namespace())) {
                folders.entry(folder).or_default().insert(object.name.clone());
            }
        }
        // Pods use these whether a release names them or not.
        for namespace in self.others().into_iter().chain([self.namespace().to_owned()]) {
            for folder in [secrets_of(&namespace), config_maps_of(&namespace)] {
                folders.insert(folder, BTreeSet::new());
            }
        }
        let read = stream::iter(folders).map(|(folder, names)| async move {
            let read = self.metadata(&folder, &names).await;
            let read = read.map_err(|error| error.not_seen(told(&folder)));
            (folder, read)
        });
        let names = read.buffer_unordered(AT_ONCE).collect().await;
        (kinds, names)
    }

    /// These objects, or all of them where there are more than a few; their metadata alone.
    async fn metadata(&self, folder: &str, names: &BTreeSet<String>) -> Result<Vec<Value>, ApiError> {
        if names.is_empty() || names.len() > ONE_BY_ONE {
            let query = if folder.ends_with("/secrets") { WITHOUT_RECORDS } else { "" };
            return self.cluster.list_metadata(folder, query).await;
        }
        let mut found = Vec::new();
        for name in names {
            match self.cluster.get_metadata(&format!("{folder}/{name}")).await {
                Ok(one) => found.push(one),
                Err(error) if error.not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn webhooks(&self) -> Webhooks {
        let conversions = self.named.live_crds(self.view).filter_map(Service::converts).collect();
        let path = format!("/api/v1/namespaces/{}", self.namespace());
        let ((configurations, ready), own) =
            tokio::join!(around::webhooks_and_backends(self.cluster, &conversions), self.cluster.get(&path));
        let labels = own.map(|own| crate::model::around::labels(&own));
        let labels = labels.map_err(|error| error.not_seen(format!("namespace {}", self.namespace())));
        let configured = configurations.iter().flatten().flat_map(webhooks);
        let services: BTreeSet<Service> = configured
            .filter_map(|webhook| Service::of(&webhook["clientConfig"]))
            .chain(conversions.iter().cloned())
            .collect();
        let there = self.services(&services).await;
        let backends = services.into_iter().map(|service| {
            let ready = ready.get(&service).cloned().unwrap_or(Ok(0));
            let exists = there.get(&service.namespace).cloned().unwrap_or_else(|| Ok(BTreeSet::new()));
            let backend = exists.and_then(|names| Ok(Backend { exists: names.contains(&service.name), ready: ready? }));
            (service, backend)
        });
        let backends = backends.collect();
        (configurations, backends, labels)
    }

    /// The names of the Services in each of these Services' namespaces.
    async fn services(&self, services: &BTreeSet<Service>) -> BTreeMap<String, Looked<BTreeSet<String>>> {
        let namespaces: BTreeSet<&String> = services.iter().map(|service| &service.namespace).collect();
        let read = namespaces.into_iter().map(|namespace| async move {
            let found = self.cluster.list_metadata(&format!("/api/v1/namespaces/{namespace}/services"), "").await;
            let names = found.map(|all| all.iter().filter_map(name).collect());
            (namespace.clone(), names.map_err(|error| error.not_seen(format!("services in {namespace}"))))
        });
        futures::future::join_all(read).await.into_iter().collect()
    }

    /// Each document is compared and dropped: all of them together may weigh many megabytes.
    async fn published(&self) -> Looked<BTreeMap<(String, String), Published>> {
        let mut wanted: BTreeMap<String, Vec<(&Crd, &str)>> = BTreeMap::new();
        for crd in self.named.live_crds(self.view).filter(|crd| crd.has("Established")) {
            for version in crd.versions().filter(|version| version.served) {
                wanted.entry(format!("apis/{}/{}", crd.group(), version.name)).or_default().push((crd, version.name));
            }
        }
        let read = stream::iter(wanted).map(|(path, wanted)| async move {
            let documents = served::documents(self.cluster, &BTreeSet::from([path.clone()])).await;
            let documents =
                documents.map_err(|error| error.not_seen(format!("the served schema /openapi/v3/{path}")))?;
            let document = documents.get(&path);
            Ok(wanted.into_iter().map(|(crd, version)| published(document, crd, version)).collect::<Vec<_>>())
        });
        let all: Vec<Looked<Vec<_>>> = read.buffer_unordered(AT_ONCE / 2).collect().await;
        all.into_iter().collect::<Looked<Vec<_>>>().map(|all| all.into_iter().flatten().collect())
    }

    async fn streamed(&self) -> BTreeMap<String, Streamed> {
        let server = self.view.hub.version.parse().unwrap_or(ServerVersion::NEWEST);
        let crds: Vec<&Crd> = self.named.live_crds(self.view).collect();
        let read = stream::iter(crds).filter_map(|crd| async move {
            let version = crd.reading_version().filter(|_| crd.has("Established"))?;
            Some(async move { (crd.name().to_owned(), self.objects_of(crd, version, server).await) })
        });
        read.buffer_unordered(AT_ONCE).collect().await
    }

    async fn objects_of(&self, crd: &Crd, version: &str, server: ServerVersion) -> Streamed {
        let mut looker = Looker::new(crd, version, server);
        let mut pages = Pages::of(self.cluster, crd.collection(version));
        loop {
            match pages.next().await {
                Ok(Some(page)) => page.items.iter().for_each(|object| looker.look(object)),
                Ok(None) => return looker.done(None),
                Err(error) => return looker.done(Some(error.not_seen(format!("{} objects", crd.name())))),
            }
        }
    }

    async fn spokes(&self) -> Spokes {
        let (clusters, hubs, spokes) = tokio::join!(
            self.perhaps("managedclusters.cluster.open-cluster-management.io"),
            self.perhaps("hubs.fleetconfig.open-cluster-management.io"),
            self.perhaps("spokes.fleetconfig.open-cluster-management.io"),
        );
        let leases = match &clusters {
            Ok(Some(clusters)) if !clusters.is_empty() => {
                let query = "fieldSelector=metadata.name%3Dmanaged-cluster-lease";
                let leases = self.cluster.list("/apis/coordination.k8s.io/v1/leases", query).await;
                leases.map(Some).map_err(|error| error.not_seen("leases of all namespaces"))
            }
            Ok(_) | Err(_) => Ok(None),
        };
        Spokes { clusters, hubs, spokes, leases }
    }

    /// All objects of a CRD that the cluster may not have.
    async fn perhaps(&self, crd: &str) -> Perhaps {
        let Some(crd) = self.view.crds.as_ref().map_err(Clone::clone)?.get(crd) else { return Ok(None) };
        let Some(version) = crd.reading_version() else { return Ok(None) };
        match self.cluster.list(&crd.collection(version), "").await {
            Ok(items) => Ok(Some(items)),
            Err(error) if error.not_found() => Ok(None),
            Err(error) => Err(error.not_seen(crd.name())),
        }
    }

    async fn templates(&self) -> Looked<Vec<Value>> {
        let named =
            self.named.known().iter().filter(|object| object.kind == "ConfigMap" && object.name.starts_with(TEMPLATE));
        let mut names: BTreeSet<String> = named.map(|object| object.name.clone()).collect();
        if self.named.known().is_empty() {
            names = KNOWN_ROLES.iter().map(|role| format!("{TEMPLATE}{role}")).collect();
        }
        let read = names.into_iter().map(|name| async move {
            let found = self.cluster.list("/api/v1/configmaps", &format!("fieldSelector=metadata.name%3D{name}")).await;
            found.map_err(|error| error.not_seen(format!("configmaps {name} of all namespaces")))
        });
        futures::future::try_join_all(read).await.map(|all| all.into_iter().flatten().collect())
    }
}

fn published(document: Option<&Document>, crd: &Crd, version: &str) -> ((String, String), Published) {
    let schema = crd.versions().find(|one| one.name == version).and_then(|one| one.schema);
    let definition = document.and_then(|document| document.definition(crd.group(), version, crd.kind()));
    let found = match (document, definition, schema) {
        (None, _, _) => Published::Missing,
        // A kind that the document leaves out is new, or published nowhere: nothing is said against it.
        (Some(_), None, _) | (Some(_), Some(_), None) => Published::Same,
        (Some(_), Some(definition), Some(schema)) => match diff::served_schema_matches(schema, definition) {
            Ok(()) => Published::Same,
            Err(paths) => Published::Differs(paths.first().map_or_else(String::new, ToString::to_string)),
        },
    };
    ((crd.name().to_owned(), version.to_owned()), found)
}

fn name(object: &Value) -> Option<String> {
    object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned)
}

/// `secrets in mural-system`, from the path.
fn told(folder: &str) -> String {
    let mut parts = folder.rsplit('/');
    let plural = parts.next().unwrap_or(folder);
    match (parts.next(), parts.next()) {
        (Some(namespace), Some("namespaces")) => format!("{plural} in {namespace}"),
        _ => plural.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_as_a_person_would() {
        assert_eq!(told("/api/v1/namespaces/m/secrets"), "secrets in m");
        assert_eq!(told("/apis/x.io/v1/tenants"), "tenants");
    }
}
