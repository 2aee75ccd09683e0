//! Reads what the health checks need beyond the `ClusterView`, in every namespace of the releases' objects.
//!
//! It owns which kinds are read and in which form. All parts are read at once; the number of requests does not grow with the
//! number of pods, except for paging. A part that cannot be read holds its reason. `checks/` judge the result.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use serde_json::Value;

use super::openapi_documents::OpenApiDocument;
use super::pages::Pages;
use super::{ApiError, Cluster, admission_reader, application_objects, journal_secret, openapi_documents, view_reader};
use crate::checks::crd_health::live_object_validator::LiveObjectValidator;
use crate::checks::releases::release_objects_present::is_expected_object;
use crate::checks::tenants::tenant_role_drift::ROLE_TEMPLATE_PREFIX;
use crate::checks::workloads::is_workload_object;
use crate::diff;
use crate::model::admission_policies::{ServiceRef, webhooks};
use crate::model::cluster_view::{ClusterView, Observed, Workloads};
use crate::model::crd::Crd;
use crate::model::health_inputs::{
    HealthInputs, ManagedClusters, ObjectScan, OptionalKind, PublishedSchema, ReadScope, WebhookBackend,
    collect_namespaces, config_maps_path, secrets_path,
};
use crate::model::last_run::LastRun;
use crate::model::object::ObjectRef;
use crate::model::release_inventory::ReleaseInventory;
use crate::plan::journal::summarize_last_run;
use crate::schema::ServerVersion;

/// Concurrent requests of each part.
const MAX_CONCURRENT_REQUESTS: usize = 8;
/// Up to this many objects of a kind are read one by one: a list could be long.
const MAX_SINGLE_READS: usize = 2;
/// Secrets include helm's release records: only metadata is read, and there may be many.
const EXCLUDE_RELEASE_SECRETS: &str = "fieldSelector=type%21%3Dhelm.sh%2Frelease.v1";
/// The project roles of the chart, used if the release does not list them.
const DEFAULT_PROJECT_ROLES: [&str; 3] = ["viewer", "editor", "admin"];

/// The parts to read, and their subjects.
struct HealthReader<'a> {
    cluster: &'a Cluster,
    view: &'a ClusterView,
    inventory: &'a ReleaseInventory,
    scopes: &'a BTreeSet<ReadScope>,
}

/// Reads these parts.
///
/// Never fails as a whole: a part that cannot be read holds its reason.
pub async fn read_health_inputs(
    cluster: &Cluster,
    view: &ClusterView,
    inventory: &ReleaseInventory,
    scopes: &BTreeSet<ReadScope>,
) -> HealthInputs {
    let reader = HealthReader { cluster, view, inventory, scopes };
    let unread = HealthInputs::unavailable("no check requested it");
    let (other_workloads, kinds_and_names, webhooks, published, validated, spokes, templates, last_run) = tokio::join!(
        reader.read_if_wanted(ReadScope::OtherNamespaces, reader.read_other_workloads()),
        reader.read_if_wanted(ReadScope::ObjectMetadata, reader.read_kinds_and_names()),
        reader.read_if_wanted(ReadScope::Webhooks, reader.read_webhooks()),
        reader.read_if_wanted(ReadScope::ServedSchemas, reader.compare_published_schemas()),
        reader.read_if_wanted(ReadScope::CustomResources, reader.validate_live_objects()),
        reader.read_if_wanted(ReadScope::ManagedClusters, reader.read_spokes()),
        reader.read_if_wanted(ReadScope::RoleTemplates, reader.read_role_templates()),
        reader.read_if_wanted(ReadScope::Journal, reader.read_last_run()),
    );
    let (kinds, names) = kinds_and_names.unwrap_or((unread.kinds, unread.object_metadata));
    let (webhooks, backends, labels) = webhooks.unwrap_or((unread.webhooks, unread.backends, unread.namespace_labels));
    HealthInputs {
        kinds,
        other_namespaces: other_workloads.unwrap_or(unread.other_namespaces),
        object_metadata: names,
        webhooks,
        backends,
        namespace_labels: labels,
        published_schemas: published.unwrap_or(unread.published_schemas),
        object_scans: Ok(validated),
        managed_clusters: spokes.unwrap_or(unread.managed_clusters),
        role_templates: templates.unwrap_or(unread.role_templates),
        last_run: last_run.unwrap_or(unread.last_run),
    }
}

type WebhookInputs =
    (Observed<Vec<Value>>, BTreeMap<ServiceRef, Observed<WebhookBackend>>, Observed<BTreeMap<String, String>>);
type NameInputs = (Observed<crate::model::served_kinds::ServedKinds>, BTreeMap<String, Observed<Vec<Value>>>);

impl HealthReader<'_> {
    async fn read_if_wanted<T>(&self, scope: ReadScope, read: impl Future<Output = T>) -> Option<T> {
        if self.scopes.contains(&scope) { Some(read.await) } else { None }
    }

    fn namespace(&self) -> &str {
        &self.view.cluster.namespace
    }

    /// The other namespaces in which pods of the releases run.
    fn list_other_namespaces(&self) -> BTreeSet<String> {
        let running: Vec<ObjectRef> =
            self.inventory.known_objects().iter().filter(|object| is_workload_object(object)).cloned().collect();
        let mut all = collect_namespaces(&running, self.namespace());
        all.remove(self.namespace());
        all
    }

    async fn read_last_run(&self) -> Observed<Option<LastRun>> {
        let journal = journal_secret::read_journal(self.cluster, self.namespace()).await?;
        Ok(summarize_last_run(&journal, self.view.crds.as_ref().ok()))
    }

    async fn read_other_workloads(&self) -> BTreeMap<String, Workloads> {
        let read = self.list_other_namespaces().into_iter().map(|namespace| async move {
            let workloads = view_reader::read_workloads(self.cluster, &namespace).await;
            (namespace, workloads)
        });
        futures::future::join_all(read).await.into_iter().collect()
    }

    async fn read_kinds_and_names(&self) -> NameInputs {
        let kinds = application_objects::read_served_kinds(self.cluster).await;
        let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for object in self.inventory.known_objects().iter().filter(|object| is_expected_object(object)) {
            if let Some(folder) = kinds.as_ref().ok().and_then(|kinds| kinds.collection_path(object, self.namespace()))
            {
                folders.entry(folder).or_default().insert(object.name.clone());
            }
        }
        // Pods use these even if no release contains them.
        for namespace in self.list_other_namespaces().into_iter().chain([self.namespace().to_owned()]) {
            for folder in [secrets_path(&namespace), config_maps_path(&namespace)] {
                folders.insert(folder, BTreeSet::new());
            }
        }
        let read = stream::iter(folders).map(|(folder, names)| async move {
            let read = self.list_metadata(&folder, &names).await;
            let read = read.map_err(|error| error.to_read_failure(describe_collection(&folder)));
            (folder, read)
        });
        let names = read.buffer_unordered(MAX_CONCURRENT_REQUESTS).collect().await;
        (kinds, names)
    }

    /// The metadata of these objects, or of all objects of the kind if these are many.
    async fn list_metadata(&self, folder: &str, names: &BTreeSet<String>) -> Result<Vec<Value>, ApiError> {
        if names.is_empty() || names.len() > MAX_SINGLE_READS {
            let query = if folder.ends_with("/secrets") { EXCLUDE_RELEASE_SECRETS } else { "" };
            return self.cluster.list_metadata(folder, query).await;
        }
        let mut found = Vec::new();
        for name in names {
            match self.cluster.get_metadata(&format!("{folder}/{name}")).await {
                Ok(one) => found.push(one),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn read_webhooks(&self) -> WebhookInputs {
        let conversions = self.inventory.live_crds(self.view).filter_map(ServiceRef::from_conversion).collect();
        let path = format!("/api/v1/namespaces/{}", self.namespace());
        let ((configurations, ready), namespace_object) = tokio::join!(
            admission_reader::read_webhooks_and_backends(self.cluster, &conversions),
            self.cluster.get(&path)
        );
        let labels =
            namespace_object.map(|namespace_object| crate::model::admission_policies::read_labels(&namespace_object));
        let labels = labels.map_err(|error| error.to_read_failure(format!("namespace {}", self.namespace())));
        let configured = configurations.iter().flatten().flat_map(webhooks);
        let services: BTreeSet<ServiceRef> = configured
            .filter_map(|webhook| ServiceRef::from_client_config(&webhook["clientConfig"]))
            .chain(conversions.iter().cloned())
            .collect();
        let existing_services = self.list_services(&services).await;
        let backends = services.into_iter().map(|service| {
            let ready = ready.get(&service).cloned().unwrap_or(Ok(0));
            let exists = existing_services.get(&service.namespace).cloned().unwrap_or_else(|| Ok(BTreeSet::new()));
            let backend = exists.and_then(|names| {
                Ok(WebhookBackend { exists: names.contains(&service.name), ready_endpoints: ready? })
            });
            (service, backend)
        });
        let backends = backends.collect();
        (configurations, backends, labels)
    }

    /// The names of the Services in each of these Services' namespaces.
    async fn list_services(&self, services: &BTreeSet<ServiceRef>) -> BTreeMap<String, Observed<BTreeSet<String>>> {
        let namespaces: BTreeSet<&String> = services.iter().map(|service| &service.namespace).collect();
        let read = namespaces.into_iter().map(|namespace| async move {
            let found = self.cluster.list_metadata(&format!("/api/v1/namespaces/{namespace}/services"), "").await;
            let names = found.map(|all| all.iter().filter_map(read_name).collect());
            (namespace.clone(), names.map_err(|error| error.to_read_failure(format!("services in {namespace}"))))
        });
        futures::future::join_all(read).await.into_iter().collect()
    }

    /// Each document is compared and dropped: together they may have many megabytes.
    async fn compare_published_schemas(&self) -> Observed<BTreeMap<(String, String), PublishedSchema>> {
        let mut wanted: BTreeMap<String, Vec<(&Crd, &str)>> = BTreeMap::new();
        for crd in self.inventory.live_crds(self.view).filter(|crd| crd.has_condition("Established")) {
            for version in crd.versions().filter(|version| version.served) {
                wanted.entry(format!("apis/{}/{}", crd.group(), version.name)).or_default().push((crd, version.name));
            }
        }
        let read = stream::iter(wanted).map(|(path, wanted)| async move {
            let documents = openapi_documents::read_documents(self.cluster, &BTreeSet::from([path.clone()])).await;
            let documents =
                documents.map_err(|error| error.to_read_failure(format!("the served schema /openapi/v3/{path}")))?;
            let document = documents.get(&path);
            Ok(wanted
                .into_iter()
                .map(|(crd, version)| compare_published_version(document, crd, version))
                .collect::<Vec<_>>())
        });
        let all: Vec<Observed<Vec<_>>> = read.buffer_unordered(MAX_CONCURRENT_REQUESTS / 2).collect().await;
        all.into_iter().collect::<Observed<Vec<_>>>().map(|all| all.into_iter().flatten().collect())
    }

    async fn validate_live_objects(&self) -> BTreeMap<String, ObjectScan> {
        let server = self.view.cluster.version.parse().unwrap_or(ServerVersion::NEWEST);
        let crds: Vec<&Crd> = self.inventory.live_crds(self.view).collect();
        let read = stream::iter(crds).filter_map(|crd| async move {
            let version = crd.reading_version().filter(|_| crd.has_condition("Established"))?;
            Some(async move { (crd.name().to_owned(), self.validate_objects_of(crd, version, server).await) })
        });
        read.buffer_unordered(MAX_CONCURRENT_REQUESTS).collect().await
    }

    async fn validate_objects_of(&self, crd: &Crd, version: &str, server: ServerVersion) -> ObjectScan {
        let mut validator = LiveObjectValidator::new(crd, version, server);
        let mut pages = Pages::new(self.cluster, crd.collection_path(version));
        loop {
            match pages.next().await {
                Ok(Some(page)) => page.items.iter().for_each(|object| validator.validate(object)),
                Ok(None) => return validator.finish(None),
                Err(error) => return validator.finish(Some(error.to_read_failure(format!("{} objects", crd.name())))),
            }
        }
    }

    async fn read_spokes(&self) -> ManagedClusters {
        let (clusters, hubs, spokes) = tokio::join!(
            self.list_optional_kind("managedclusters.cluster.open-cluster-management.io"),
            self.list_optional_kind("hubs.fleetconfig.open-cluster-management.io"),
            self.list_optional_kind("spokes.fleetconfig.open-cluster-management.io"),
        );
        let leases = match &clusters {
            Ok(Some(clusters)) if !clusters.is_empty() => {
                let query = "fieldSelector=metadata.name%3Dmanaged-cluster-lease";
                let leases = self.cluster.list("/apis/coordination.k8s.io/v1/leases", query).await;
                leases.map(Some).map_err(|error| error.to_read_failure("leases of all namespaces"))
            }
            Ok(_) | Err(_) => Ok(None),
        };
        ManagedClusters { clusters, hubs, spokes, leases }
    }

    /// All objects of a CRD. Empty if the cluster does not have the CRD.
    async fn list_optional_kind(&self, crd: &str) -> OptionalKind {
        let Some(crd) = self.view.crds.as_ref().map_err(Clone::clone)?.get(crd) else { return Ok(None) };
        let Some(version) = crd.reading_version() else { return Ok(None) };
        match self.cluster.list(&crd.collection_path(version), "").await {
            Ok(items) => Ok(Some(items)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.to_read_failure(crd.name())),
        }
    }

    async fn read_role_templates(&self) -> Observed<Vec<Value>> {
        let config_maps = self
            .inventory
            .known_objects()
            .iter()
            .filter(|object| object.kind == "ConfigMap" && object.name.starts_with(ROLE_TEMPLATE_PREFIX));
        let mut names: BTreeSet<String> = config_maps.map(|object| object.name.clone()).collect();
        if self.inventory.known_objects().is_empty() {
            names = DEFAULT_PROJECT_ROLES.iter().map(|role| format!("{ROLE_TEMPLATE_PREFIX}{role}")).collect();
        }
        let read = names.into_iter().map(|name| async move {
            let found = self.cluster.list("/api/v1/configmaps", &format!("fieldSelector=metadata.name%3D{name}")).await;
            found.map_err(|error| error.to_read_failure(format!("configmaps {name} of all namespaces")))
        });
        futures::future::try_join_all(read).await.map(|all| all.into_iter().flatten().collect())
    }
}

fn compare_published_version(
    document: Option<&OpenApiDocument>,
    crd: &Crd,
    version: &str,
) -> ((String, String), PublishedSchema) {
    let schema = crd.versions().find(|one| one.name == version).and_then(|one| one.schema);
    let definition = document.and_then(|document| document.definition(crd.group(), version, crd.kind()));
    let found = match (document, definition, schema) {
        (None, _, _) => PublishedSchema::Missing,
        // A kind without a schema in the document is new or not published: that is not a finding.
        (Some(_), None, _) | (Some(_), Some(_), None) => PublishedSchema::Same,
        (Some(_), Some(definition), Some(schema)) => match diff::compare_served_schema(schema, definition) {
            Ok(()) => PublishedSchema::Same,
            Err(paths) => PublishedSchema::Differs(paths.first().map_or_else(String::new, ToString::to_string)),
        },
    };
    ((crd.name().to_owned(), version.to_owned()), found)
}

fn read_name(object: &Value) -> Option<String> {
    object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned)
}

/// `secrets in mural-system`, from the path.
fn describe_collection(folder: &str) -> String {
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
    fn a_path_becomes_kind_and_namespace() {
        assert_eq!(describe_collection("/api/v1/namespaces/m/secrets"), "secrets in m");
        assert_eq!(describe_collection("/apis/x.io/v1/tenants"), "tenants");
    }
}
