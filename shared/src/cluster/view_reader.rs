//! Reads the `ClusterView`: what guards, plan and checks need to know of an installation.
//!
//! All parts are read at once with a fixed number of requests. A part that cannot be read holds its reason, and only a server that
//! does not answer at all is an error. Judging is done by `checks/` and `guards/`; Flux is read by `flux_reader.rs`.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};

use super::pages::{Page, Pages};
use super::{ApiError, Cluster, flux_reader};
use crate::ask::Installation;
use crate::model::argo_application;
use crate::model::cluster_view::{ClusterInfo, ClusterView, Observed, ReadFailure, Workloads};
use crate::model::crd::Crd;
use crate::model::flux::{FluxObject, FluxRef, FluxView, HelmRelease, find_appliance_registry};
use crate::model::object::find_condition;
use crate::model::owner::Owner;
use crate::model::pod_creation::{self, CreationFailures};
use crate::model::release::{ReleaseRecord, read_crds, read_record};
use crate::problem::Problem;

/// Nodes that are read to explain pods that are not ready.
const MAX_NODE_READS: usize = 5;

/// Reads the view of an installation, Flux included.
///
/// # Errors
/// The cluster cannot be read at all. A part that cannot be read is not an error: it holds its reason.
pub async fn read_cluster_view(cluster: &Cluster, installation: &Installation) -> Result<ClusterView, Problem> {
    read_cluster_view_with(cluster, installation, flux_reader::read_flux_view(cluster, installation)).await
}

/// As [`read_cluster_view`], with the result of a Flux read that is done or in progress.
///
/// # Errors
/// As [`read_cluster_view`].
pub async fn read_cluster_view_with(
    cluster: &Cluster,
    installation: &Installation,
    flux: impl Future<Output = FluxView>,
) -> Result<ClusterView, Problem> {
    // First alone: if this request fails, all others would too.
    let version = cluster.get("/version").await.map_err(|error| error.in_context(&cluster.context))?;
    let namespace = &installation.namespace;
    let releases_and_flux = async {
        let flux = flux.await;
        (read_all_release_records(cluster, installation, &flux).await, flux)
    };
    let (hub, (releases, flux), crds, workloads, applications) = tokio::join!(
        read_cluster_info(cluster, namespace, &version),
        releases_and_flux,
        read_live_crds(cluster),
        read_workloads(cluster, namespace),
        list_optional_kind(cluster, "/apis/argoproj.io/v1alpha1/applications", "Argo CD Applications"),
    );
    let owner = |release: &String| {
        (release.clone(), determine_owner(release, namespace, releases.get(release), &flux, &applications))
    };
    let owners = [&installation.crds_release, &installation.app_release].map(owner).into_iter().collect();
    Ok(ClusterView { cluster: hub, releases, owners, crds, workloads, flux, applications })
}

async fn read_cluster_info(cluster: &Cluster, namespace: &str, version: &Value) -> ClusterInfo {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = format!("/api/v1/namespaces/{namespace}");
    let (system, namespace_answer, user) = tokio::join!(
        cluster.get("/api/v1/namespaces/kube-system"),
        cluster.get(&path),
        cluster.request(
            Method::POST,
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            Some(("application/json", &review))
        ),
    );
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    ClusterInfo {
        context: cluster.context.clone(),
        server: cluster.server.clone(),
        version: text(version, "/gitVersion"),
        uid: system
            .map(|namespace| text(&namespace, "/metadata/uid"))
            .map_err(|error| error.to_read_failure("namespace kube-system")),
        user: user
            .map(|review| text(&review, "/status/userInfo/username"))
            .map_err(|error| error.to_read_failure("who we are")),
        namespace_exists: to_existence(namespace_answer)
            .map_err(|error| error.to_read_failure(format!("namespace {namespace}"))),
        namespace: namespace.to_owned(),
    }
}

fn to_existence(answer: Result<Value, ApiError>) -> Result<bool, ApiError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The records of one release, oldest first. helm stores them as Secrets, by default in the release's namespace.
///
/// # Errors
/// The Secrets cannot be read, or one of them is not a release record.
pub async fn read_release_records(cluster: &Cluster, namespace: &str, release: &str) -> Observed<Vec<ReleaseRecord>> {
    let secrets = list_record_secrets(cluster, namespace, release).await?;
    let mut records = Vec::with_capacity(secrets.len());
    for secret in &secrets {
        let name = secret.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let unreadable =
            |error| ReadFailure { target: format!("Secret {namespace}/{name}"), reason: format!("{error}") };
        records.push(read_record(secret).map_err(unreadable)?);
    }
    records.sort_by_key(|record| record.revision);
    Ok(records)
}

/// The newest revision of a release, from the labels of its records: a record may have 1 MiB.
///
/// # Errors
/// The Secrets cannot be read.
pub async fn read_newest_revision(cluster: &Cluster, namespace: &str, release: &str) -> Result<Option<u64>, ApiError> {
    let query = format!("labelSelector=owner%3Dhelm%2Cname%3D{release}");
    let path = format!("/api/v1/namespaces/{namespace}/secrets?{query}");
    let list = cluster.get_as(&path, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").await?;
    let revision = |one: &Value| one.pointer("/metadata/labels/version")?.as_str()?.parse().ok();
    Ok(list["items"].as_array().into_iter().flatten().filter_map(revision).max())
}

/// Releases of these names in other namespaces, as `mural in ai-prod`, from the labels of their records.
///
/// # Errors
/// The Secrets of all namespaces cannot be listed.
pub async fn find_installed_anywhere(cluster: &Cluster, releases: &[&str]) -> Result<BTreeSet<String>, ApiError> {
    let query = format!("labelSelector=owner%3Dhelm%2Cname%20in%20%28{}%29", releases.join("%2C"));
    let records = cluster.list_metadata("/api/v1/secrets", &query).await?;
    let describe =
        |one: &Value| format!("{} in {}", get_str(one, "/metadata/labels/name"), get_str(one, "/metadata/namespace"));
    Ok(records.iter().map(describe).collect())
}

async fn list_record_secrets(cluster: &Cluster, namespace: &str, release: &str) -> Observed<Vec<Value>> {
    let what = format!("the records of release {release} (Secrets in {namespace})");
    let path = format!("/api/v1/namespaces/{namespace}/secrets");
    // `=` and `,` in a query value must be percent-encoded.
    let query = format!("labelSelector=owner%3Dhelm%2Cname%3D{release}&fieldSelector=type%3Dhelm.sh%2Frelease.v1");
    cluster.list(&path, &query).await.map_err(|error| error.to_read_failure(&what))
}

/// The CRDs of a release's newest record, by name. Empty if the release does not exist.
///
/// # Errors
/// As [`read_release_records`].
pub async fn read_released_crds(cluster: &Cluster, namespace: &str, release: &str) -> Observed<BTreeMap<String, Crd>> {
    let secrets = list_record_secrets(cluster, namespace, release).await?;
    let revision = |secret: &&Value| -> u64 { get_str(secret, "/metadata/labels/version").parse().unwrap_or_default() };
    let Some(newest) = secrets.iter().max_by_key(revision) else { return Ok(BTreeMap::new()) };
    let name = get_str(newest, "/metadata/name");
    let unreadable = |error| ReadFailure { target: format!("Secret {namespace}/{name}"), reason: format!("{error}") };
    let crds = read_crds(newest).map_err(unreadable)?;
    Ok(crds.into_iter().map(|crd| (crd.name().to_owned(), crd)).collect())
}

/// Every CRD of the cluster by name.
///
/// # Errors
/// They cannot be listed.
pub async fn read_live_crds(cluster: &Cluster) -> Observed<BTreeMap<String, Crd>> {
    let items = cluster.list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "").await;
    let items = items.map_err(|error| error.to_read_failure("CustomResourceDefinitions"))?;
    Ok(items.into_iter().filter_map(|item| Crd::new(item).ok()).map(|crd| (crd.name().to_owned(), crd)).collect())
}

/// Workloads and pods of the namespace: once for the view, and again while a step waits.
///
/// Never fails as a whole: a half that cannot be read holds its reason.
pub async fn read_workloads(cluster: &Cluster, namespace: &str) -> Workloads {
    let kinds = [
        "/apis/apps/v1/namespaces/{}/deployments",
        "/apis/apps/v1/namespaces/{}/statefulsets",
        "/apis/apps/v1/namespaces/{}/daemonsets",
        "/apis/batch/v1/namespaces/{}/jobs",
        "/api/v1/namespaces/{}/persistentvolumeclaims",
    ];
    let paths = kinds.map(|path| path.replace("{}", namespace));
    let lists = futures::future::join_all(paths.iter().map(|path| cluster.list(path, ""))).await;
    let mut owners: Observed<Vec<Value>> = Ok(Vec::new());
    for (path, list) in paths.iter().zip(lists) {
        match (list, &mut owners) {
            (Ok(items), Ok(all)) => all.extend(items),
            (Err(error), _) => {
                let kind = path.rsplit('/').next().unwrap_or(path);
                owners = Err(error.to_read_failure(format!("{kind} in {namespace}")));
                break;
            }
            (Ok(_), Err(_)) => {}
        }
    }
    let pods = list_pods(cluster, namespace).await;
    let pods = pods.map_err(|error| error.to_read_failure(format!("pods in {namespace}")));
    let mut workloads = Workloads::new(owners, pods);
    let (creation_failures, unready_nodes) =
        tokio::join!(read_creation_failures(cluster, namespace, &workloads), read_unready_nodes(cluster, &workloads));
    (workloads.creation_failures, workloads.unready_nodes) = (creation_failures, unready_nodes);
    workloads
}

/// The rejected creations of pods. Empty if no object lacks pods, or if events cannot be read: the object itself says that it
/// lacks pods, and this is only the reason.
async fn read_creation_failures(cluster: &Cluster, namespace: &str, workloads: &Workloads) -> CreationFailures {
    if !workloads.objects.iter().flatten().any(pod_creation::lacks_pods) {
        return CreationFailures::new();
    }
    let query = format!("fieldSelector=reason%3D{}", pod_creation::FAILED_CREATE);
    let events = cluster.list(&format!("/api/v1/namespaces/{namespace}/events"), &query).await;
    pod_creation::collect_creation_failures(&events.unwrap_or_default())
}

/// The nodes of pods that run without being ready, as far as a node is not ready. A node that cannot be read is left out: this is
/// only a reason.
async fn read_unready_nodes(cluster: &Cluster, workloads: &Workloads) -> BTreeMap<String, String> {
    let unready = |pod: &&Value| {
        let condition = find_condition(pod, "Ready");
        get_str(pod, "/status/phase") == "Running" && condition.is_none_or(|ready| ready.status != "True")
    };
    let names = workloads.pods.iter().flatten().filter(unready).map(|pod| get_str(pod, "/spec/nodeName"));
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).take(MAX_NODE_READS).collect();
    let read = names.into_iter().map(|name| async move {
        let node = cluster.get(&format!("/api/v1/nodes/{name}")).await.ok()?;
        let ready = find_condition(&node, "Ready").filter(|ready| ready.status != "True")?;
        Some((name.to_owned(), format!("{}: {}", ready.reason, ready.message)))
    });
    futures::future::join_all(read).await.into_iter().flatten().collect()
}

/// Drops the managed fields: there may be thousands of pods.
async fn list_pods(cluster: &Cluster, namespace: &str) -> Result<Vec<Value>, ApiError> {
    let (mut pages, mut all) = (Pages::new(cluster, format!("/api/v1/namespaces/{namespace}/pods")), Vec::new());
    while let Some(Page { mut items, .. }) = pages.next().await? {
        for metadata in items.iter_mut().filter_map(|pod| pod.get_mut("metadata")?.as_object_mut()) {
            metadata.remove("managedFields");
        }
        all.append(&mut items);
    }
    Ok(all)
}

/// All objects of a kind. Empty if the kind is not served.
async fn list_optional_kind(cluster: &Cluster, path: &str, what: &str) -> Observed<Vec<Value>> {
    match cluster.list(path, "").await {
        Ok(items) => Ok(items),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error.to_read_failure(what)),
    }
}

/// The records of every release, from their namespaces: helm-controller stores them in the HelmRelease's `storageNamespace`.
async fn read_all_release_records(
    cluster: &Cluster,
    installation: &Installation,
    flux: &FluxView,
) -> BTreeMap<String, Observed<Vec<ReleaseRecord>>> {
    let read = [&installation.crds_release, &installation.app_release].map(|release| async move {
        let namespace = &installation.namespace;
        let storage =
            flux.sole_helm_release(release, namespace).map_or(namespace.as_str(), HelmRelease::storage_namespace);
        (release.clone(), read_release_records(cluster, storage, release).await)
    });
    futures::future::join_all(read).await.into_iter().collect()
}

/// The owner of a release, from evidence: what would revert a change comes before what created the release.
fn determine_owner(
    release: &str,
    namespace: &str,
    records: Option<&Observed<Vec<ReleaseRecord>>>,
    flux: &FluxView,
    argo: &Observed<Vec<Value>>,
) -> Owner {
    let undetermined = |not_seen: &ReadFailure| Owner::Undetermined { reason: not_seen.to_string() };
    let argo = match (&flux.helm_releases, argo) {
        (Ok(_), Ok(argo)) => argo,
        (Err(not_seen), _) | (_, Err(not_seen)) => return undetermined(not_seen),
    };
    if let Some(helm_release) = flux.helm_releases_of(release, namespace).next() {
        return determine_flux_owner(helm_release, flux);
    }
    if let Some(application) = argo_application::find_application(argo, release, namespace) {
        return Owner::Argo { application: get_str(application, "/metadata/name").to_owned() };
    }
    match records {
        Some(Ok(records)) if records.is_empty() => Owner::NotInstalled,
        Some(Ok(_)) => Owner::Helm,
        Some(Err(not_seen)) => undetermined(not_seen),
        None => Owner::NotInstalled,
    }
}

fn get_str<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn determine_flux_owner(helm_release: &HelmRelease, flux: &FluxView) -> Owner {
    let FluxRef { namespace, name, .. } = helm_release.object_ref();
    let qualified_name = format!("{namespace}/{name}");
    let source = flux.helm_release_source(helm_release);
    let managed_by_git =
        helm_release.kustomization().is_some() || source.is_some_and(|source| source.kustomization().is_some());
    let registries = flux.registries.as_ref().map_or(&[][..], Vec::as_slice);
    match source.and_then(|source| find_appliance_registry(source.url(), registries)) {
        Some(registry) if !managed_by_git => Owner::Appliance { helm_release: qualified_name, registry },
        _ => Owner::Flux { helm_release: qualified_name, managed_in_git: managed_by_git },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helm_release(spec: &Value) -> Value {
        json!({"metadata": {"name": "mural", "namespace": "flux-system"}, "spec": spec})
    }

    #[test]
    fn a_helm_release_owns_the_release_that_it_creates() {
        let here = helm_release(&json!({"targetNamespace": "mural-system", "releaseName": "mural"}));
        let there = helm_release(&json!({}));
        let owned = |object: &Value| {
            let flux = FluxView { helm_releases: Ok(vec![HelmRelease::new(object.clone())]), ..FluxView::empty() };
            determine_owner("mural", "mural-system", Some(&Ok(Vec::new())), &flux, &Ok(Vec::new()))
        };
        assert_eq!(owned(&here), Owner::Flux { helm_release: "flux-system/mural".into(), managed_in_git: false });
        assert_eq!(owned(&there), Owner::NotInstalled);
    }

    #[test]
    fn an_unreadable_owner_is_undetermined() {
        let forbidden = ReadFailure { target: "HelmReleases".into(), reason: "forbidden".into() };
        let flux = FluxView { helm_releases: Err(forbidden), ..FluxView::empty() };
        let found = determine_owner("mural", "mural-system", Some(&Ok(Vec::new())), &flux, &Ok(Vec::new()));
        assert!(matches!(found, Owner::Undetermined { .. }));
    }
}
