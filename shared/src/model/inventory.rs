//! What the releases name: their objects, their CRDs. Read once from the records, for the reading of the cluster and for all checks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::owner::without_record;
use crate::model::release::ReleaseRecord;
use crate::model::view::{ClusterView, Looked, NotSeen};

/// Groups of the product's CRDs, and of those that its chart brings along.
pub const PRODUCT_GROUPS: [&str; 3] = ["spectrocloud.com", "fluxcd.io", "open-cluster-management.io"];

/// A list that is known, does not exist here, or could not be seen.
#[derive(Debug, Clone)]
pub enum Listed<T> {
    /// Known.
    Known(T),
    /// There is none here, and why.
    Nothing(String),
    /// Could not be seen.
    NotSeen(NotSeen),
}

/// Who says which CRDs there should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// A chart that the caller named.
    Chart,
    /// The releases' own records.
    Records,
    /// Nobody: these are the live CRDs of the product's groups, and those that the application has objects of.
    Live,
}

/// What the releases name.
#[derive(Debug, Clone)]
pub struct Named {
    /// The objects of both releases, by name.
    pub objects: Listed<Vec<ObjectRef>>,
    /// The objects of both releases' hooks.
    pub hooks: Vec<ObjectRef>,
    /// How many replicas the manifests want of a workload; one where they do not say.
    pub replicas: Vec<(ObjectRef, u64)>,
    /// Which images the manifests want in a workload, by container.
    pub images: Vec<(ObjectRef, BTreeMap<String, String>)>,
    /// The names of the CRDs that should be there.
    pub crds: Listed<BTreeSet<String>>,
    /// Who says so.
    pub crds_from: From,
    /// The CRDs that each release has, by release; a release without a record has none.
    pub crds_of: Vec<(String, BTreeSet<String>)>,
}

impl Named {
    /// Reads the manifests.
    #[must_use]
    pub fn of(view: &ClusterView, releases: [&str; 2], chart_crds: BTreeSet<String>) -> Self {
        let manifests = manifests(view, &releases);
        let (crds, crds_from) = wanted(&manifests, view, chart_crds);
        let known = match &manifests {
            Listed::Known(known) => known.as_slice(),
            Listed::Nothing(_) | Listed::NotSeen(_) => &[],
        };
        let hooks = known.iter().flat_map(|manifest| manifest.hooks.clone()).collect();
        let replicas = known.iter().flat_map(|manifest| manifest.replicas.clone()).collect();
        let images = known.iter().flat_map(|manifest| manifest.images.clone()).collect();
        let crds_of = known.iter().map(|manifest| (manifest.release.clone(), manifest.all_crds())).collect();
        let objects = match manifests {
            Listed::Known(known) => Listed::Known(known.into_iter().flat_map(|manifest| manifest.objects).collect()),
            Listed::Nothing(reason) => Listed::Nothing(reason),
            Listed::NotSeen(not_seen) => Listed::NotSeen(not_seen),
        };
        Self { objects, hooks, replicas, images, crds, crds_from, crds_of }
    }

    /// The objects, or none where they are not known.
    #[must_use]
    pub fn known(&self) -> &[ObjectRef] {
        match &self.objects {
            Listed::Known(objects) => objects,
            Listed::Nothing(_) | Listed::NotSeen(_) => &[],
        }
    }

    /// The CRDs that should be there and are; none where that is not known.
    pub fn live_crds<'a>(&'a self, view: &'a ClusterView) -> impl Iterator<Item = &'a Crd> {
        let names = match &self.crds {
            Listed::Known(names) => Some(names),
            Listed::Nothing(_) | Listed::NotSeen(_) => None,
        };
        names.into_iter().flatten().filter_map(|name| view.crds.as_ref().ok()?.get(name))
    }
}

/// What one record says.
struct Manifest {
    release: String,
    objects: Vec<ObjectRef>,
    hooks: Vec<ObjectRef>,
    replicas: Vec<(ObjectRef, u64)>,
    images: Vec<(ObjectRef, BTreeMap<String, String>)>,
    crds: Vec<String>,
}

impl Manifest {
    fn all_crds(&self) -> BTreeSet<String> {
        let templated = self.objects.iter().filter(|object| object.kind == "CustomResourceDefinition");
        templated.map(|object| &object.name).chain(&self.crds).cloned().collect()
    }
}

fn manifests(view: &ClusterView, releases: &[&str]) -> Listed<Vec<Manifest>> {
    let mut known = Vec::new();
    let mut missing = Vec::new();
    for release in releases {
        match view.newest(release) {
            Ok(Some(record)) => match read(record) {
                Ok(manifest) => known.push(manifest),
                Err(not_seen) => return Listed::NotSeen(not_seen),
            },
            Ok(None) => {
                missing.push(without_record(view, release).unwrap_or_else(|| format!("there is no release {release}")));
            }
            Err(not_seen) => return Listed::NotSeen(not_seen.clone()),
        }
    }
    if known.is_empty() { Listed::Nothing(missing.join("; ")) } else { Listed::Known(known) }
}

fn read(record: &ReleaseRecord) -> Looked<Manifest> {
    let objects = record.objects().map_err(|error| NotSeen {
        what: format!("the manifest of release {}, revision {}", record.name, record.revision),
        reason: error.to_string(),
    })?;
    Ok(Manifest {
        release: record.name.clone(),
        replicas: objects.iter().flat_map(items).filter_map(scaled).collect(),
        images: objects
            .iter()
            .flat_map(items)
            .filter_map(|one| Some((ObjectRef::of(one)?, images(one))))
            .filter(|(_, images)| !images.is_empty())
            .collect(),
        objects: objects.iter().flat_map(items).filter_map(ObjectRef::of).collect(),
        hooks: record.hook_objects().filter_map(|hook| ObjectRef::of(&hook)).collect(),
        crds: record.crds.clone(),
    })
}

/// A workload with replicas, and how many the manifest wants.
fn scaled(object: &Value) -> Option<(ObjectRef, u64)> {
    let named = ObjectRef::of(object).filter(|named| ["Deployment", "StatefulSet"].contains(&named.kind.as_str()))?;
    Some((named, object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1)))
}

/// The images of a pod template, by container.
#[must_use]
pub fn images(object: &Value) -> BTreeMap<String, String> {
    let lists = ["/spec/template/spec/initContainers", "/spec/template/spec/containers"];
    let containers = lists.iter().filter_map(|pointer| object.pointer(pointer)?.as_array()).flatten();
    containers.filter_map(|one| Some((one["name"].as_str()?.to_owned(), one["image"].as_str()?.to_owned()))).collect()
}

/// helm takes a `List` apart before it sends it; the manifest still holds it whole.
fn items(document: &Value) -> Vec<&Value> {
    match document["items"].as_array() {
        Some(items) if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => items.iter().collect(),
        _ => vec![document],
    }
}

/// What a chart says comes first, then what the records say. After the page's manual path no record names a CRD: then what is
/// live of the product's groups is looked at, and whether one is missing cannot be told.
fn wanted(
    manifests: &Listed<Vec<Manifest>>,
    view: &ClusterView,
    chart_crds: BTreeSet<String>,
) -> (Listed<BTreeSet<String>>, From) {
    if !chart_crds.is_empty() {
        return (Listed::Known(chart_crds), From::Chart);
    }
    let known = match manifests {
        Listed::Known(known) => known,
        Listed::Nothing(reason) => {
            return (Listed::Nothing(format!("{reason}, so no list of CRDs is known")), From::Records);
        }
        // Who may not read Secrets can still be told what the CRDs say of themselves.
        Listed::NotSeen(not_seen) => match of_live(&[], view) {
            Listed::Known(names) => return (Listed::Known(names), From::Live),
            Listed::Nothing(_) | Listed::NotSeen(_) => return (Listed::NotSeen(not_seen.clone()), From::Records),
        },
    };
    let of_records: BTreeSet<String> = known.iter().flat_map(Manifest::all_crds).collect();
    if !of_records.is_empty() {
        return (Listed::Known(of_records), From::Records);
    }
    (of_live(known, view), From::Live)
}

fn of_live(manifests: &[Manifest], view: &ClusterView) -> Listed<BTreeSet<String>> {
    let live = match &view.crds {
        Ok(live) => live,
        Err(not_seen) => return Listed::NotSeen(not_seen.clone()),
    };
    let product = |crd: &Crd| {
        PRODUCT_GROUPS.iter().any(|group| crd.group() == *group || crd.group().ends_with(&format!(".{group}")))
    };
    let has_objects = |crd: &Crd| {
        let mut objects = manifests.iter().flat_map(|manifest| &manifest.objects);
        objects.any(|object| object.group() == crd.group() && object.kind == crd.kind())
    };
    let names: BTreeSet<String> =
        live.values().filter(|crd| product(crd) || has_objects(crd)).map(|crd| crd.name().to_owned()).collect();
    if names.is_empty() {
        return Listed::Nothing("the releases name no CRDs, and the cluster has none of the product's".to_owned());
    }
    Listed::Known(names)
}
