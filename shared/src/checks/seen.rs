//! All that the checks of `validate` look at: one view of the cluster, the tools, and what is expected.

use std::collections::BTreeSet;

use jiff::Timestamp;
use semver::Version;
use serde_json::Value;

use crate::ask::Installation;
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::tools::ToolsSeen;
use crate::model::view::{ClusterView, Looked, NotSeen};

/// What the caller expects to find. What is not expected is not asked.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// The application's version.
    pub app_version: Option<Version>,
    /// The version of the CRD chart.
    pub crds_version: Option<Version>,
    /// The CRDs of the chart that is expected; where none is named, the release's own record says which there should be.
    pub crds_chart_list: Option<Vec<Crd>>,
}

/// One of the two charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The CRD chart.
    Crds,
    /// The application's chart.
    App,
}

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

/// All that the checks look at.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The cluster.
    pub view: &'a ClusterView,
    /// helm and kubectl.
    pub tools: &'a ToolsSeen,
    /// What is expected.
    pub expect: &'a Expect,
    /// When the view was taken.
    pub now: Timestamp,
    /// The name of the CRD chart's release.
    pub crds_release: &'a str,
    /// The name of the application's release.
    pub app_release: &'a str,
    /// The objects of both releases, by name.
    pub objects: Listed<Vec<ObjectRef>>,
    /// The names of the CRDs that should be there.
    pub wanted_crds: Listed<BTreeSet<String>>,
}

impl<'a> Seen<'a> {
    /// Reads the manifests once, for all checks.
    #[must_use]
    pub fn new(
        installation: &'a Installation,
        view: &'a ClusterView,
        tools: &'a ToolsSeen,
        expect: &'a Expect,
        now: Timestamp,
    ) -> Self {
        let (crds_release, app_release) = (&installation.crds_release, &installation.app_release);
        let manifests = manifests(view, &[crds_release, app_release]);
        let wanted_crds = match &expect.crds_chart_list {
            Some(list) => Listed::Known(list.iter().map(|crd| crd.name().to_owned()).collect()),
            None => crds_of(&manifests),
        };
        let objects = match manifests {
            Listed::Known(known) => Listed::Known(known.into_iter().flat_map(|manifest| manifest.objects).collect()),
            Listed::Nothing(reason) => Listed::Nothing(reason),
            Listed::NotSeen(not_seen) => Listed::NotSeen(not_seen),
        };
        Self { view, tools, expect, now, crds_release, app_release, objects, wanted_crds }
    }

    /// Both releases, in the order of an upgrade.
    #[must_use]
    pub const fn releases(&self) -> [(Role, &'a str); 2] {
        [(Role::Crds, self.crds_release), (Role::App, self.app_release)]
    }

    /// Who keeps a release.
    #[must_use]
    pub fn owner(&self, release: &str) -> Option<&'a Owner> {
        self.view.owners.get(release)
    }

    /// The installation's namespace.
    #[must_use]
    pub fn namespace(&self) -> &'a str {
        &self.view.hub.namespace
    }
}

/// Why a release has no record, told to a person; `None` where it should have one.
#[must_use]
pub fn without_record(view: &ClusterView, release: &str) -> Option<String> {
    match view.owners.get(release) {
        Some(Owner::Argo { application }) => {
            Some(format!("Argo CD (Application {application}) makes no Helm release of {release}"))
        }
        Some(Owner::Nobody) => Some(format!("{release} is not installed")),
        Some(Owner::Helm | Owner::Flux { .. } | Owner::Appliance { .. } | Owner::Undetermined { .. }) | None => None,
    }
}

/// What one record says: which objects, and which CRDs of the chart's `crds/` folder.
struct Manifest {
    objects: Vec<ObjectRef>,
    crds: Vec<String>,
}

fn manifests(view: &ClusterView, releases: &[&String]) -> Listed<Vec<Manifest>> {
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
        objects: objects.iter().flat_map(items).filter_map(ObjectRef::of).collect(),
        crds: record.crds.clone(),
    })
}

/// helm takes a `List` apart before it sends it; the manifest still holds it whole.
fn items(document: &Value) -> Vec<&Value> {
    match document["items"].as_array() {
        Some(items) if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => items.iter().collect(),
        _ => vec![document],
    }
}

fn crds_of(manifests: &Listed<Vec<Manifest>>) -> Listed<BTreeSet<String>> {
    let known = match manifests {
        Listed::Known(known) => known,
        Listed::Nothing(reason) => return Listed::Nothing(format!("{reason}, so no list of CRDs is known")),
        Listed::NotSeen(not_seen) => return Listed::NotSeen(not_seen.clone()),
    };
    let templated = known.iter().flat_map(|manifest| &manifest.objects);
    let templated = templated.filter(|object| object.kind == "CustomResourceDefinition").map(|object| &object.name);
    let all: BTreeSet<String> = known.iter().flat_map(|manifest| &manifest.crds).chain(templated).cloned().collect();
    if all.is_empty() {
        return Listed::Nothing("the releases name no CRDs".to_owned());
    }
    Listed::Known(all)
}
