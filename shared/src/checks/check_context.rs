//! The input of all health checks: one snapshot of the cluster, the tool versions, and the expectations of the user.
//!
//! `prepare` reads the snapshot; the checks only borrow it. A value that could not be read is an `Observed` error, and the check
//! that needs it becomes undetermined.

use crate::ask::expect::Expectations;
use crate::ask::expect::ExpectedChart;
use crate::model::release_role::ReleaseRole;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ask::Installation;
use crate::model::cluster_view::{ClusterView, Observed, ReadFailure, Workloads};
use crate::model::health_inputs::HealthInputs;
use crate::model::owner::Owner;
use crate::model::release_inventory::{Availability, ReleaseInventory};
use crate::model::tool_versions::ToolVersions;

/// Everything that the health checks of one installation read.
#[derive(Debug)]
pub struct CheckContext<'a> {
    /// Releases, CRDs, owners, workloads and Flux objects.
    pub view: &'a ClusterView,
    /// Further reads that only some checks need: webhooks, spokes, live objects, metadata.
    pub health_inputs: &'a HealthInputs,
    /// Objects and CRDs in the manifests of the releases.
    pub inventory: &'a ReleaseInventory,
    /// Versions of helm and kubectl.
    pub tools: &'a ToolVersions,
    /// Versions, charts and values that the user expects.
    pub expectations: &'a Expectations,
    /// Time of the snapshot.
    pub now: Timestamp,
    /// Release name of the CRD chart.
    pub crds_release: &'a str,
    /// Release name of the application chart.
    pub app_release: &'a str,
}

impl<'a> CheckContext<'a> {
    /// Combines the reads with the release names of the installation.
    #[must_use]
    pub fn new(
        installation: &'a Installation,
        (view, health_inputs): (&'a ClusterView, &'a HealthInputs),
        inventory: &'a ReleaseInventory,
        tools: &'a ToolVersions,
        expectations: &'a Expectations,
        now: Timestamp,
    ) -> Self {
        let (crds_release, app_release) = (&installation.crds_release, &installation.app_release);
        Self { view, health_inputs, inventory, tools, expectations, now, crds_release, app_release }
    }

    /// Both releases, in the order of an upgrade.
    #[must_use]
    pub const fn releases(&self) -> [(ReleaseRole, &'a str); 2] {
        [(ReleaseRole::Crds, self.crds_release), (ReleaseRole::App, self.app_release)]
    }

    /// The owner of a release; `None` if it was not read.
    #[must_use]
    pub fn owner(&self, release: &str) -> Option<&'a Owner> {
        self.view.owners.get(release)
    }

    /// Namespace of the installation.
    #[must_use]
    pub fn namespace(&self) -> &'a str {
        &self.view.cluster.namespace
    }

    /// The chart that a release is compared with.
    #[must_use]
    pub const fn expected_chart(&self, role: ReleaseRole) -> Option<&'a ExpectedChart> {
        match role {
            ReleaseRole::Crds => self.expectations.crds_chart.as_ref(),
            ReleaseRole::App => self.expectations.app_chart.as_ref(),
        }
    }

    /// The workloads of a namespace.
    ///
    /// # Errors
    /// The namespace was not read, or could not be read.
    pub fn workloads(&self, namespace: &str) -> Observed<&'a Workloads> {
        if namespace == self.namespace() {
            return Ok(&self.view.workloads);
        }
        let unseen = || ReadFailure {
            target: format!("the workloads in {namespace}"),
            reason: "the namespace was not read".to_owned(),
        };
        self.health_inputs.other_namespaces.get(namespace).ok_or_else(unseen)
    }

    /// The namespaces in which the releases have objects; only that of the installation if the manifests are unknown.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<String> {
        let objects = match &self.inventory.objects {
            Availability::Known(objects) => objects.as_slice(),
            Availability::Absent(_) | Availability::Unreadable(_) => &[],
        };
        crate::model::health_inputs::collect_namespaces(objects, self.namespace())
    }
}
