//! What the releases name: their objects, their CRDs. Read once from the records, for the reading of the cluster and for all checks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::argo_application;
use crate::model::cluster_view::{ClusterView, Observed, ReadFailure};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;

/// Groups of the product's CRDs, and of those that its chart brings along.
const PRODUCT_GROUPS: [&str; 3] = ["spectrocloud.com", "fluxcd.io", "open-cluster-management.io"];

/// Whether a CRD is in one of the product's API groups, or in a group below one.
#[must_use]
pub fn is_product_crd(crd: &Crd) -> bool {
    PRODUCT_GROUPS.iter().any(|group| crd.group() == *group || crd.group().ends_with(&format!(".{group}")))
}

/// A list that is known, does not exist here, or could not be seen.
#[derive(Debug, Clone)]
pub enum Availability<T> {
    /// Known.
    Known(T),
    /// There is none here, and why.
    Absent(String),
    /// Could not be seen.
    Unreadable(ReadFailure),
}

/// Who says which CRDs there should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrdListSource {
    /// A chart that the caller named.
    Chart,
    /// The releases' own records.
    Records,
    /// No record: the live CRDs of the product's groups, and those that the application has objects of.
    Live,
}

/// A subchart of a release. helm stores its name, but not its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlistedSubchart {
    /// The release.
    pub release: String,
    /// The subchart's name.
    pub name: String,
}

/// What the releases name.
#[derive(Debug, Clone)]
pub struct ReleaseInventory {
    /// The objects of both releases, by name.
    pub objects: Availability<Vec<ObjectRef>>,
    /// The objects of both releases' hooks.
    pub hooks: Vec<ObjectRef>,
    /// How many replicas the manifests want of a workload; one where they do not say.
    pub replicas: Vec<(ObjectRef, u64)>,
    /// Which images the manifests want in a workload, by container.
    pub images: Vec<(ObjectRef, BTreeMap<String, String>)>,
    /// The names of the CRDs that should be there.
    pub crds: Availability<BTreeSet<String>>,
    /// Who says so.
    pub crds_source: CrdListSource,
    /// Subcharts whose `crds/` folders no record holds; empty if a chart lists the CRDs.
    pub unlisted_subcharts: Vec<UnlistedSubchart>,
    /// The CRDs that each release has, by release; a release without a record has none.
    pub crds_by_release: Vec<(String, BTreeSet<String>)>,
}

impl ReleaseInventory {
    /// Reads the manifests.
    #[must_use]
    pub fn of(view: &ClusterView, releases: [&str; 2], chart_crds: BTreeSet<String>) -> Self {
        let manifests = manifests(view, &releases);
        let (crds, crds_source) = wanted(&manifests, view, chart_crds);
        let known = match &manifests {
            Availability::Known(known) => known.as_slice(),
            Availability::Absent(_) | Availability::Unreadable(_) => &[],
        };
        let hooks = known.iter().flat_map(|manifest| manifest.hooks.clone()).collect();
        let replicas = known.iter().flat_map(|manifest| manifest.replicas.clone()).collect();
        let images = known.iter().flat_map(|manifest| manifest.images.clone()).collect();
        let crds_by_release = known.iter().map(|manifest| (manifest.release.clone(), manifest.all_crds())).collect();
        let unlisted_subcharts = match crds_source {
            CrdListSource::Records => known.iter().flat_map(ReleaseManifest::list_subcharts).collect(),
            CrdListSource::Chart | CrdListSource::Live => Vec::new(),
        };
        let objects = match manifests {
            Availability::Known(known) => Availability::Known(collect_objects(known)),
            Availability::Absent(reason) => Availability::Absent(reason),
            Availability::Unreadable(failure) => Availability::Unreadable(failure),
        };
        Self { objects, hooks, replicas, images, crds, crds_source, unlisted_subcharts, crds_by_release }
    }

    /// The objects, or none where they are not known.
    #[must_use]
    pub fn known_objects(&self) -> &[ObjectRef] {
        match &self.objects {
            Availability::Known(objects) => objects,
            Availability::Absent(_) | Availability::Unreadable(_) => &[],
        }
    }

    /// The CRDs that should be there and are; none where that is not known.
    pub fn live_crds<'a>(&'a self, view: &'a ClusterView) -> impl Iterator<Item = &'a Crd> {
        let names = match &self.crds {
            Availability::Known(names) => Some(names),
            Availability::Absent(_) | Availability::Unreadable(_) => None,
        };
        names.into_iter().flatten().filter_map(|name| view.crds.as_ref().ok()?.get(name))
    }
}

/// What one record says.
struct ReleaseManifest {
    release: String,
    objects: Vec<ObjectRef>,
    hooks: Vec<ObjectRef>,
    replicas: Vec<(ObjectRef, u64)>,
    images: Vec<(ObjectRef, BTreeMap<String, String>)>,
    crds: Vec<String>,
    /// Live CRDs that Argo CD tracks: that they are all of the chart's is not known.
    tracked_crds: Vec<String>,
    subcharts: Vec<String>,
}

impl ReleaseManifest {
    fn list_subcharts(&self) -> impl Iterator<Item = UnlistedSubchart> {
        self.subcharts.iter().map(|name| UnlistedSubchart { release: self.release.clone(), name: name.clone() })
    }

    fn all_crds(&self) -> BTreeSet<String> {
        let templated = self.objects.iter().filter(|object| object.kind == "CustomResourceDefinition");
        templated.map(|object| &object.name).chain(&self.crds).cloned().collect()
    }
}

fn manifests(view: &ClusterView, releases: &[&str]) -> Availability<Vec<ReleaseManifest>> {
    let mut known = Vec::new();
    let mut missing = Vec::new();
    for release in releases {
        match view.newest_revision(release) {
            Ok(Some(record)) => match read_manifest(record) {
                Ok(manifest) => known.push(manifest),
                Err(failure) => return Availability::Unreadable(failure),
            },
            Ok(None) => match read_application_manifest(view, release) {
                Some(manifest) => known.push(manifest),
                None => missing.push(
                    view.explain_missing_record(release).unwrap_or_else(|| format!("there is no release {release}")),
                ),
            },
            Err(failure) => return Availability::Unreadable(failure.clone()),
        }
    }
    if known.is_empty() { Availability::Absent(missing.join("; ")) } else { Availability::Known(known) }
}

/// The objects of all manifests, each once: one Application can deploy both charts.
fn collect_objects(manifests: Vec<ReleaseManifest>) -> Vec<ObjectRef> {
    let mut all: Vec<ObjectRef> = Vec::new();
    let mut known = BTreeSet::new();
    for object in manifests.into_iter().flat_map(|manifest| manifest.objects) {
        let key = (object.group().to_owned(), object.kind.clone(), object.namespace.clone(), object.name.clone());
        if known.insert(key) {
            all.push(object);
        }
    }
    all
}

/// What an Argo CD Application has: the objects in its status, and the live workloads and CRDs that bear its tracking label or
/// annotation. `None` if no Application owns the release.
fn read_application_manifest(view: &ClusterView, release: &str) -> Option<ReleaseManifest> {
    let Owner::Argo { application: name } = view.owners.get(release)? else { return None };
    let namespace = &view.cluster.namespace;
    let application = argo_application::find_application(view.applications.as_ref().ok()?, release, namespace);
    let mut objects = application.map(argo_application::list_resources).unwrap_or_default();
    let live = view.workloads.all_objects().filter(|object| !has_controller(object));
    let tracked = live.filter(|object| argo_application::is_tracked(object, name, release));
    for object in tracked.filter_map(ObjectRef::from_manifest) {
        if !objects.iter().any(|known| known.is_same_object(&object)) {
            objects.push(object);
        }
    }
    let crds = view.crds.iter().flat_map(BTreeMap::values);
    let tracked_crds = crds.filter(|crd| argo_application::is_tracked(crd.json(), name, release));
    Some(ReleaseManifest {
        release: release.to_owned(),
        objects,
        tracked_crds: tracked_crds.map(|crd| crd.name().to_owned()).collect(),
        hooks: Vec::new(),
        replicas: Vec::new(),
        images: Vec::new(),
        crds: Vec::new(),
        subcharts: Vec::new(),
    })
}

fn has_controller(object: &Value) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == true))
}

fn read_manifest(record: &ReleaseRecord) -> Observed<ReleaseManifest> {
    let objects = record.manifest_objects().map_err(|error| ReadFailure {
        target: format!("the manifest of release {}, revision {}", record.name, record.revision),
        reason: error.to_string(),
    })?;
    Ok(ReleaseManifest {
        release: record.name.clone(),
        replicas: objects.iter().flat_map(list_items).filter_map(workload_replicas).collect(),
        images: objects
            .iter()
            .flat_map(list_items)
            .filter_map(|one| Some((ObjectRef::from_manifest(one)?, container_images(one))))
            .filter(|(_, images)| !images.is_empty())
            .collect(),
        objects: objects.iter().flat_map(list_items).filter_map(ObjectRef::from_manifest).collect(),
        hooks: record.hook_objects().filter_map(|hook| ObjectRef::from_manifest(&hook)).collect(),
        crds: record.crd_names.clone(),
        tracked_crds: Vec::new(),
        subcharts: record.subcharts.clone(),
    })
}

/// A workload with replicas, and how many the manifest wants.
fn workload_replicas(object: &Value) -> Option<(ObjectRef, u64)> {
    let object_ref = ObjectRef::from_manifest(object)
        .filter(|object_ref| ["Deployment", "StatefulSet"].contains(&object_ref.kind.as_str()))?;
    Some((object_ref, object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1)))
}

/// The images of a pod template, by container.
#[must_use]
pub fn container_images(object: &Value) -> BTreeMap<String, String> {
    let lists = ["/spec/template/spec/initContainers", "/spec/template/spec/containers"];
    let containers = lists.iter().filter_map(|pointer| object.pointer(pointer)?.as_array()).flatten();
    containers.filter_map(|one| Some((one["name"].as_str()?.to_owned(), one["image"].as_str()?.to_owned()))).collect()
}

/// helm takes a `List` apart before it sends it; the manifest still holds it whole.
fn list_items(document: &Value) -> Vec<&Value> {
    match document["items"].as_array() {
        Some(items) if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => items.iter().collect(),
        _ => vec![document],
    }
}

/// What a chart says comes first, then what the records say. After the page's manual path no record names a CRD: then what is
/// live of the product's groups is used, and whether one is missing is undetermined.
fn wanted(
    manifests: &Availability<Vec<ReleaseManifest>>,
    view: &ClusterView,
    chart_crds: BTreeSet<String>,
) -> (Availability<BTreeSet<String>>, CrdListSource) {
    if !chart_crds.is_empty() {
        return (Availability::Known(chart_crds), CrdListSource::Chart);
    }
    let known = match manifests {
        Availability::Known(known) => known,
        Availability::Absent(reason) => {
            return (Availability::Absent(format!("{reason}, so no list of CRDs is known")), CrdListSource::Records);
        }
        // A user who may not read Secrets still gets what the CRDs show themselves.
        Availability::Unreadable(failure) => match find_live_crds(&[], view) {
            Availability::Known(names) => return (Availability::Known(names), CrdListSource::Live),
            Availability::Absent(_) | Availability::Unreadable(_) => {
                return (Availability::Unreadable(failure.clone()), CrdListSource::Records);
            }
        },
    };
    let of_records: BTreeSet<String> = known.iter().flat_map(ReleaseManifest::all_crds).collect();
    if !of_records.is_empty() {
        return (Availability::Known(of_records), CrdListSource::Records);
    }
    (find_live_crds(known, view), CrdListSource::Live)
}

fn find_live_crds(manifests: &[ReleaseManifest], view: &ClusterView) -> Availability<BTreeSet<String>> {
    let live = match &view.crds {
        Ok(live) => live,
        Err(failure) => return Availability::Unreadable(failure.clone()),
    };
    let has_objects = |crd: &Crd| {
        let mut objects = manifests.iter().flat_map(|manifest| &manifest.objects);
        objects.any(|object| object.group() == crd.group() && object.kind == crd.kind())
    };
    let is_tracked =
        |crd: &Crd| manifests.iter().any(|manifest| manifest.tracked_crds.iter().any(|name| name == crd.name()));
    let is_expected = |crd: &&Crd| is_product_crd(crd) || has_objects(crd) || is_tracked(crd);
    let names: BTreeSet<String> = live.values().filter(is_expected).map(|crd| crd.name().to_owned()).collect();
    if names.is_empty() {
        return Availability::Absent("the releases name no CRDs, and the cluster has none of the product's".to_owned());
    }
    Availability::Known(names)
}
