//! All that the checks of `validate` look at: one view of the cluster, the tools, and what is expected.

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

/// All that the checks look at.
#[derive(Debug)]
pub struct CheckContext<'a> {
    /// The cluster.
    pub view: &'a ClusterView,
    /// What stands around the releases.
    pub health_inputs: &'a HealthInputs,
    /// What the releases name.
    pub inventory: &'a ReleaseInventory,
    /// helm and kubectl.
    pub tools: &'a ToolVersions,
    /// What is expected.
    pub expectations: &'a Expectations,
    /// When the view was taken.
    pub now: Timestamp,
    /// The name of the CRD chart's release.
    pub crds_release: &'a str,
    /// The name of the application's release.
    pub app_release: &'a str,
}

impl<'a> CheckContext<'a> {
    /// Puts together what was read.
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
        Self { view, health_inputs, inventory: inventory, tools, expectations, now, crds_release, app_release }
    }

    /// Both releases, in the order of an upgrade.
    #[must_use]
    pub const fn releases(&self) -> [(ReleaseRole, &'a str); 2] {
        [(ReleaseRole::Crds, self.crds_release), (ReleaseRole::App, self.app_release)]
    }

    /// Who keeps a release.
    #[must_use]
    pub fn owner(&self, release: &str) -> Option<&'a Owner> {
        self.view.owners.get(release)
    }

    /// The installation's namespace.
    #[must_use]
    pub fn namespace(&self) -> &'a str {
        &self.view.cluster.namespace
    }

    /// The chart that is expected of a release.
    #[must_use]
    pub const fn expected_chart(&self, role: ReleaseRole) -> Option<&'a ExpectedChart> {
        match role {
            ReleaseRole::Crds => self.expectations.crds_chart.as_ref(),
            ReleaseRole::App => self.expectations.app_chart.as_ref(),
        }
    }

    /// What runs in a namespace.
    ///
    /// # Errors
    /// Nobody looked there.
    pub fn workloads(&self, namespace: &str) -> Observed<&'a Workloads> {
        if namespace == self.namespace() {
            return Ok(&self.view.workloads);
        }
        let unseen =
            || ReadFailure { target: format!("what runs in {namespace}"), reason: "nobody looked there".to_owned() };
        self.health_inputs.other_namespaces.get(namespace).ok_or_else(unseen)
    }

    /// The namespaces in which the releases have objects; the installation's own where that is not known.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<String> {
        let objects = match &self.inventory.objects {
            Availability::Known(objects) => objects.as_slice(),
            Availability::Absent(_) | Availability::Unreadable(_) => &[],
        };
        crate::model::health_inputs::collect_namespaces(objects, self.namespace())
    }
}
