//! What `look` saw: one value that every guard, check and plan is made from.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

use super::argo_application;
use super::crd::Crd;
use super::flux::FluxView;
pub use super::observed::{Observed, ReadFailure};
use super::owner::Owner;
use super::pod_creation::CreationFailures;
use super::release::ReleaseRecord;
use super::release_status::ReleaseStatus;

/// Which cluster it is and who we are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterInfo {
    /// The kubeconfig context in use.
    pub context: String,
    /// The API server's address.
    pub server: String,
    /// `v1.37.2`
    pub version: String,
    /// `metadata.uid` of the namespace `kube-system`: what tells clusters apart.
    pub uid: Observed<String>,
    /// The user name that the API server sees.
    pub user: Observed<String>,
    /// Whether the installation's namespace exists.
    pub namespace_exists: Observed<bool>,
    /// The installation's namespace.
    pub namespace: String,
}

/// `prod-hub · Kubernetes v1.37.2 · namespace mural-system`: the head of every screen.
impl fmt::Display for ClusterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · Kubernetes {} · namespace {}", self.context, self.version, self.namespace)
    }
}

impl ClusterInfo {
    /// The API server's major and minor version; vendors add to the rest (`v1.33.4-eks-1a2b`, `v1.33+`).
    #[must_use]
    pub fn minor_version(&self) -> Option<(u64, u64)> {
        let mut parts = self.version.trim_start_matches('v').split('.');
        let major = parts.next()?.parse().ok()?;
        let digits: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
        Some((major, digits.parse().ok()?))
    }
}

/// The workload objects of the installation's namespace, raw.
#[derive(Debug, Clone)]
pub struct Workloads {
    /// Deployments, StatefulSets, DaemonSets, Jobs and claims.
    pub objects: Observed<Vec<Value>>,
    /// Pods.
    pub pods: Observed<Vec<Value>>,
    /// Rejected creations of pods; read only if a StatefulSet, DaemonSet or Job lacks pods.
    pub creation_failures: CreationFailures,
    /// Nodes that are not ready, each with its reason; read only for pods that run and are not ready.
    pub unready_nodes: BTreeMap<String, String>,
}

impl Workloads {
    /// Workloads and pods, without anything that explains why one is not ready.
    #[must_use]
    pub const fn new(objects: Observed<Vec<Value>>, pods: Observed<Vec<Value>>) -> Self {
        Self { objects, pods, creation_failures: BTreeMap::new(), unready_nodes: BTreeMap::new() }
    }

    /// Everything that could be read, pods last.
    pub fn all_objects(&self) -> impl Iterator<Item = &Value> {
        [&self.objects, &self.pods].into_iter().filter_map(|part| part.as_ref().ok()).flatten()
    }

    /// The node of a pod if it is not ready: `node edge-1, which is not ready: NodeStatusUnknown`.
    #[must_use]
    pub fn find_unready_node(&self, pod: &Value) -> Option<String> {
        let name = pod.pointer("/spec/nodeName")?.as_str()?;
        let reason = self.unready_nodes.get(name)?;
        Some(format!("node {name}, which is not ready: {reason}"))
    }
}

/// One reading of a cluster.
#[derive(Debug, Clone)]
pub struct ClusterView {
    /// Which cluster.
    pub cluster: ClusterInfo,
    /// The release records by release name, oldest revision first. A name that was looked for and has none is an empty list.
    pub releases: BTreeMap<String, Observed<Vec<ReleaseRecord>>>,
    /// Who keeps each release, by release name.
    pub owners: BTreeMap<String, Owner>,
    /// Every CRD of the cluster by name.
    pub crds: Observed<BTreeMap<String, Crd>>,
    /// What runs in the namespace.
    pub workloads: Workloads,
    /// What Flux has of the installation.
    pub flux: FluxView,
    /// Argo CD's Applications, raw.
    pub applications: Observed<Vec<Value>>,
}

impl ClusterView {
    /// The newest revision of a release; `Ok(None)` where there is none.
    ///
    /// # Errors
    /// The records could not be read.
    pub fn newest_revision(&self, release: &str) -> Result<Option<&ReleaseRecord>, &ReadFailure> {
        match self.releases.get(release) {
            Some(Ok(records)) => Ok(records.last()),
            Some(Err(failure)) => Err(failure),
            None => Ok(None),
        }
    }

    /// The chart version of a release: of its newest revision, or of the last sync of its Argo CD Application.
    #[must_use]
    pub fn installed_version(&self, release: &str) -> Option<String> {
        if let Some(record) = self.newest_revision(release).ok()? {
            return Some(record.chart_version.clone());
        }
        let applications = self.applications.as_ref().ok()?;
        let application = argo_application::find_application(applications, release, &self.cluster.namespace)?;
        argo_application::read_version(application, release)?.synced
    }

    /// The revision that helm compares the next manifest with: the deployed one, and without one the newest (helm `pkg/action/upgrade.go`, `prepareUpgrade`).
    ///
    /// # Errors
    /// The records could not be read.
    pub fn current_revision(&self, release: &str) -> Result<Option<&ReleaseRecord>, &ReadFailure> {
        match self.releases.get(release) {
            Some(Ok(records)) => Ok(current_record(records)),
            Some(Err(failure)) => Err(failure),
            None => Ok(None),
        }
    }

    /// Why a release has no record, for a person; `None` if it should have one.
    #[must_use]
    pub fn explain_missing_record(&self, release: &str) -> Option<String> {
        match self.owners.get(release) {
            Some(Owner::Argo { application }) => {
                Some(format!("Argo CD (Application {application}) makes no Helm release of {release}"))
            }
            Some(Owner::NotInstalled) => Some(format!("{release} is not installed")),
            Some(Owner::Helm | Owner::Flux { .. } | Owner::Appliance { .. } | Owner::Undetermined { .. }) | None => {
                None
            }
        }
    }

    /// The command that rolls a release back to the last revision that was deployed; without one, the release must be installed again.
    #[must_use]
    pub fn rollback_command(&self, release: &str) -> String {
        let namespace = &self.cluster.namespace;
        let records = self.releases.get(release).and_then(|records| records.as_ref().ok());
        let older = records.and_then(|records| records.split_last()).map_or(&[][..], |(_, older)| older);
        match older.iter().rev().find(|record| record.status.has_been_deployed()) {
            Some(record) => format!("helm rollback {release} {} --namespace {namespace}", record.revision),
            None => format!(
                "no revision was ever deployed: helm uninstall {release} --namespace {namespace}, then install it again"
            ),
        }
    }
}

/// As [`ClusterView::current_revision`], of the records of one release, oldest first.
#[must_use]
pub fn current_record(records: &[ReleaseRecord]) -> Option<&ReleaseRecord> {
    let deployed = records.iter().rev().find(|record| record.status == ReleaseStatus::Deployed);
    deployed.or_else(|| records.last())
}
