//! Reads Flux: the HelmReleases of an installation, their sources and the controllers.
//!
//! It owns which API versions are tried, newest first. The result is a `FluxView` for `guards/`, `checks/flux` and `prepare/flux`.
//! A cluster without Flux costs one request. Writes to Flux objects are made by `run/flux`, in the version that was read here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ApiError, Cluster};
use crate::ask::Installation;
use crate::model::cluster_view::Observed;
use crate::model::flux::{
    ChartOrigin, FluxRef, FluxSource, FluxView, HELM_RELEASE_KIND, HelmRelease, SuspendedHelmRelease,
};

const HELM_GROUP: &str = "helm.toolkit.fluxcd.io";
/// The supported versions of each API, newest first. Writes use the version that was read.
const HELM_API_VERSIONS: [&str; 2] = ["v2", "v2beta2"];
const SOURCE_API_VERSIONS: [&str; 2] = ["v1", "v1beta2"];
const CONTROLLER_NAMES: [&str; 2] = ["source-controller", "helm-controller"];
/// The registry inside the appliance.
const REGISTRY_SERVICE_NAME: &str = "zot";

/// Reads the Flux objects of an installation.
///
/// Never fails as a whole: a part that cannot be read holds its reason.
pub async fn read_flux_view(cluster: &Cluster, installation: &Installation) -> FluxView {
    let all = match list_helm_releases(cluster).await {
        Ok(all) => all,
        Err(error) => {
            return FluxView { helm_releases: Err(error.to_read_failure("HelmReleases")), ..FluxView::empty() };
        }
    };
    let ours = select_for_installation(all, installation);
    if ours.is_empty() {
        return FluxView::empty();
    }
    let (sources, controllers, registries) = tokio::join!(
        read_sources(cluster, &ours),
        list_controllers(cluster),
        list_by_name(cluster, "/api/v1/services", REGISTRY_SERVICE_NAME)
    );
    let registries =
        registries.map_err(|error| error.to_read_failure(format!("Services named {REGISTRY_SERVICE_NAME}")));
    FluxView { helm_releases: Ok(ours), sources, controllers, registries }
}

/// The HelmReleases that one of our runs suspended and did not resume.
///
/// # Errors
/// The HelmReleases cannot be listed.
pub async fn read_suspended_by_run(
    cluster: &Cluster,
    installation: &Installation,
) -> Observed<Vec<SuspendedHelmRelease>> {
    let all = list_helm_releases(cluster).await.map_err(|error| error.to_read_failure("HelmReleases"))?;
    let view = FluxView { helm_releases: Ok(select_for_installation(all, installation)), ..FluxView::empty() };
    Ok(view.suspended_helm_releases().collect())
}

/// The HelmReleases that manage a release of the installation.
fn select_for_installation(all: Vec<Value>, installation: &Installation) -> Vec<HelmRelease> {
    let releases = [&installation.crds_release, &installation.app_release];
    let ours = |one: &HelmRelease| releases.iter().any(|release| one.manages_release(release, &installation.namespace));
    all.into_iter().map(HelmRelease::new).filter(ours).collect()
}

/// Every HelmRelease of the cluster. Empty if the kind is not served.
async fn list_helm_releases(cluster: &Cluster) -> Result<Vec<Value>, ApiError> {
    for version in HELM_API_VERSIONS {
        match cluster.list(&format!("/apis/{HELM_GROUP}/{version}/helmreleases"), "").await {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
    }
    Ok(Vec::new())
}

/// The sources of the HelmReleases, and the sources behind their HelmCharts.
async fn read_sources(cluster: &Cluster, ours: &[HelmRelease]) -> BTreeMap<FluxRef, Observed<Option<FluxSource>>> {
    let mut wanted: BTreeSet<FluxRef> = BTreeSet::new();
    for from in ours.iter().filter_map(HelmRelease::chart_origin) {
        wanted.insert(from.artifact_ref());
        wanted.extend(match from {
            ChartOrigin::Template { source, .. } => Some(source),
            ChartOrigin::Ref(_) => None,
        });
    }
    let mut found = read_all(cluster, wanted).await;
    let chart_sources = found.values().filter_map(|source| source.as_ref().ok()?.as_ref()?.chart_source());
    let chart_sources: BTreeSet<FluxRef> = chart_sources.filter(|named| !found.contains_key(named)).collect();
    found.extend(read_all(cluster, chart_sources).await);
    found
}

async fn read_all(cluster: &Cluster, wanted: BTreeSet<FluxRef>) -> BTreeMap<FluxRef, Observed<Option<FluxSource>>> {
    let read = wanted.into_iter().map(|reference| async move {
        let found =
            read_object(cluster, &reference).await.map_err(|error| error.to_read_failure(reference.to_string()));
        (reference, found.map(|found| found.map(FluxSource::new)))
    });
    futures::future::join_all(read).await.into_iter().collect()
}

/// Reads one Flux object again. `None`: it does not exist.
///
/// # Errors
/// The API server rejects the request or does not answer.
pub async fn read_object(cluster: &Cluster, reference: &FluxRef) -> Result<Option<Value>, ApiError> {
    for path in api_paths(reference) {
        match cluster.get(&path).await {
            Err(error) if error.is_not_found() => {}
            other => return other.map(Some),
        }
    }
    Ok(None)
}

/// The path of a Flux object in its `apiVersion`, or in the newest supported version if it has none.
#[must_use]
pub fn api_path(reference: &FluxRef, api_version: &str) -> String {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let mut all = api_paths(reference);
    let newest = all.next().unwrap_or_default();
    if version.is_empty() {
        return newest;
    }
    all.find(|path| path.contains(&format!("/{version}/"))).unwrap_or(newest)
}

/// The paths at which a Flux object may be served, newest version first.
pub fn api_paths(reference: &FluxRef) -> impl Iterator<Item = String> {
    let versions = if reference.kind == HELM_RELEASE_KIND { HELM_API_VERSIONS } else { SOURCE_API_VERSIONS };
    let ((group, plural), namespace, name) =
        (reference.group_and_plural(), reference.namespace.clone(), reference.name.clone());
    versions.into_iter().map(move |version| format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}"))
}

async fn list_controllers(cluster: &Cluster) -> Observed<Vec<Value>> {
    let lists = CONTROLLER_NAMES.map(|name| list_by_name(cluster, "/apis/apps/v1/deployments", name));
    let lists = futures::future::try_join_all(lists).await;
    lists.map(|lists| lists.concat()).map_err(|error| error.to_read_failure("Flux's Deployments"))
}

/// Objects of that name in any namespace.
async fn list_by_name(cluster: &Cluster, path: &str, name: &str) -> Result<Vec<Value>, ApiError> {
    cluster.list(path, &format!("fieldSelector=metadata.name%3D{name}")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_in_the_served_version() {
        let of = |kind: &str| api_paths(&FluxRef::new(kind, "m", "a")).next().unwrap();
        assert_eq!(of("OCIRepository"), "/apis/source.toolkit.fluxcd.io/v1/namespaces/m/ocirepositories/a");
        assert_eq!(of("HelmChart"), "/apis/source.toolkit.fluxcd.io/v1/namespaces/m/helmcharts/a");
        assert_eq!(of("HelmRelease"), "/apis/helm.toolkit.fluxcd.io/v2/namespaces/m/helmreleases/a");
    }
}
