//! look at Flux: the HelmReleases of an installation, their sources, the controllers. One request where there is no Flux.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ApiError, Cluster};
use crate::ask::Installation;
use crate::model::flux::{ChartFrom, FluxRef, FluxView, HELM_RELEASE, Held, HelmRelease, Source};
use crate::model::view::Looked;

const HELM: &str = "helm.toolkit.fluxcd.io";
/// The versions of each API that we read, the newest first. What is written is written in the version that was read.
const HELM_VERSIONS: [&str; 2] = ["v2", "v2beta2"];
const SOURCE_VERSIONS: [&str; 2] = ["v1", "v1beta2"];
const CONTROLLERS: [&str; 2] = ["source-controller", "helm-controller"];
/// The appliance's registry.
const REGISTRY: &str = "zot";

/// Reads what Flux has of an installation.
///
/// Never fails as a whole; each part says by itself whether it was seen.
pub async fn look(cluster: &Cluster, installation: &Installation) -> FluxView {
    let all = match helm_releases(cluster).await {
        Ok(all) => all,
        Err(error) => {
            return FluxView { helm_releases: Err(error.not_seen("HelmReleases")), ..FluxView::none() };
        }
    };
    let ours = ours(all, installation);
    if ours.is_empty() {
        return FluxView::none();
    }
    let (sources, controllers, registries) =
        tokio::join!(sources(cluster, &ours), deployments(cluster), named(cluster, "/api/v1/services", REGISTRY));
    let registries = registries.map_err(|error| error.not_seen(format!("Services named {REGISTRY}")));
    FluxView { helm_releases: Ok(ours), sources, controllers, registries }
}

/// The HelmReleases that a run of ours suspended and did not let go.
///
/// # Errors
/// HelmReleases cannot be listed.
pub async fn held(cluster: &Cluster, installation: &Installation) -> Looked<Vec<Held>> {
    let all = helm_releases(cluster).await.map_err(|error| error.not_seen("HelmReleases"))?;
    let view = FluxView { helm_releases: Ok(ours(all, installation)), ..FluxView::none() };
    Ok(view.held().collect())
}

/// Those that make a release of the installation.
fn ours(all: Vec<Value>, installation: &Installation) -> Vec<HelmRelease> {
    let releases = [&installation.crds_release, &installation.app_release];
    let ours = |one: &HelmRelease| releases.iter().any(|release| one.makes(release, &installation.namespace));
    all.into_iter().map(HelmRelease::new).filter(ours).collect()
}

/// Every HelmRelease of the cluster; not being served is the same as having none.
async fn helm_releases(cluster: &Cluster) -> Result<Vec<Value>, ApiError> {
    for version in HELM_VERSIONS {
        match cluster.list(&format!("/apis/{HELM}/{version}/helmreleases"), "").await {
            Err(error) if error.not_found() => {}
            other => return other,
        }
    }
    Ok(Vec::new())
}

/// What the HelmReleases take their charts from, and what a HelmChart is made from.
async fn sources(cluster: &Cluster, ours: &[HelmRelease]) -> BTreeMap<FluxRef, Looked<Option<Source>>> {
    let mut wanted: BTreeSet<FluxRef> = BTreeSet::new();
    for from in ours.iter().filter_map(HelmRelease::chart_from) {
        wanted.insert(from.object());
        wanted.extend(match from {
            ChartFrom::Template { source, .. } => Some(source),
            ChartFrom::Ref(_) => None,
        });
    }
    let mut found = read_all(cluster, wanted).await;
    let behind = found.values().filter_map(|source| source.as_ref().ok()?.as_ref()?.chart_source());
    let behind: BTreeSet<FluxRef> = behind.filter(|named| !found.contains_key(named)).collect();
    found.extend(read_all(cluster, behind).await);
    found
}

async fn read_all(cluster: &Cluster, wanted: BTreeSet<FluxRef>) -> BTreeMap<FluxRef, Looked<Option<Source>>> {
    let read = wanted.into_iter().map(|named| async move {
        let found = read(cluster, &named).await.map_err(|error| error.not_seen(named.to_string()));
        (named, found.map(|found| found.map(Source::new)))
    });
    futures::future::join_all(read).await.into_iter().collect()
}

/// Reads one of Flux's objects again; none where it is not there.
///
/// # Errors
/// The server refuses or does not answer.
pub async fn read(cluster: &Cluster, named: &FluxRef) -> Result<Option<Value>, ApiError> {
    for path in paths(named) {
        match cluster.get(&path).await {
            Err(error) if error.not_found() => {}
            other => return other.map(Some),
        }
    }
    Ok(None)
}

/// Where an object of Flux is served in that `apiVersion`; in the newest where none is known.
#[must_use]
pub fn path_of(named: &FluxRef, api_version: &str) -> String {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let mut all = paths(named);
    let newest = all.next().unwrap_or_default();
    if version.is_empty() {
        return newest;
    }
    all.find(|path| path.contains(&format!("/{version}/"))).unwrap_or(newest)
}

/// Where an object of Flux may be served, the newest version first.
pub fn paths(named: &FluxRef) -> impl Iterator<Item = String> {
    let versions = if named.kind == HELM_RELEASE { HELM_VERSIONS } else { SOURCE_VERSIONS };
    let ((group, plural), namespace, name) = (named.resource(), named.namespace.clone(), named.name.clone());
    versions.into_iter().map(move |version| format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}"))
}

async fn deployments(cluster: &Cluster) -> Looked<Vec<Value>> {
    let lists = CONTROLLERS.map(|name| named(cluster, "/apis/apps/v1/deployments", name));
    let lists = futures::future::try_join_all(lists).await;
    lists.map(|lists| lists.concat()).map_err(|error| error.not_seen("Flux's Deployments"))
}

/// Objects of that name in any namespace.
async fn named(cluster: &Cluster, path: &str, name: &str) -> Result<Vec<Value>, ApiError> {
    cluster.list(path, &format!("fieldSelector=metadata.name%3D{name}")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_looked_for_where_it_is_served() {
        let of = |kind: &str| paths(&FluxRef::new(kind, "m", "a")).next().unwrap();
        assert_eq!(of("OCIRepository"), "/apis/source.toolkit.fluxcd.io/v1/namespaces/m/ocirepositories/a");
        assert_eq!(of("HelmChart"), "/apis/source.toolkit.fluxcd.io/v1/namespaces/m/helmcharts/a");
        assert_eq!(of("HelmRelease"), "/apis/helm.toolkit.fluxcd.io/v2/namespaces/m/helmreleases/a");
    }
}
