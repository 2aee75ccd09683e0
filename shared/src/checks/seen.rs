//! All that the checks of `validate` look at: one view of the cluster, the tools, and what is expected.

use crate::ask::expect::Expect;
use crate::ask::expect::ExpectedChart;
use crate::ask::expect::Role;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ask::Installation;
use crate::model::inventory::{Listed, Named};
use crate::model::owner::Owner;
use crate::model::tools::ToolsSeen;
use crate::model::view::{ClusterView, Looked, NotSeen, Workloads};
use crate::model::vitals::Vitals;

/// All that the checks look at.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The cluster.
    pub view: &'a ClusterView,
    /// What stands around the releases.
    pub vitals: &'a Vitals,
    /// What the releases name.
    pub named: &'a Named,
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
}

impl<'a> Seen<'a> {
    /// Puts together what was read.
    #[must_use]
    pub fn new(
        installation: &'a Installation,
        (view, vitals): (&'a ClusterView, &'a Vitals),
        named: &'a Named,
        tools: &'a ToolsSeen,
        expect: &'a Expect,
        now: Timestamp,
    ) -> Self {
        let (crds_release, app_release) = (&installation.crds_release, &installation.app_release);
        Self { view, vitals, named, tools, expect, now, crds_release, app_release }
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

    /// The chart that is expected of a release.
    #[must_use]
    pub const fn expected(&self, role: Role) -> Option<&'a ExpectedChart> {
        match role {
            Role::Crds => self.expect.crds_chart.as_ref(),
            Role::App => self.expect.app_chart.as_ref(),
        }
    }

    /// What runs in a namespace.
    ///
    /// # Errors
    /// Nobody looked there.
    pub fn workloads(&self, namespace: &str) -> Looked<&'a Workloads> {
        if namespace == self.namespace() {
            return Ok(&self.view.workloads);
        }
        let unseen = || NotSeen { what: format!("what runs in {namespace}"), reason: "nobody looked there".to_owned() };
        self.vitals.elsewhere.get(namespace).ok_or_else(unseen)
    }

    /// The namespaces in which the releases have objects; the installation's own where that is not known.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<String> {
        let objects = match &self.named.objects {
            Listed::Known(objects) => objects.as_slice(),
            Listed::Nothing(_) | Listed::NotSeen(_) => &[],
        };
        crate::model::vitals::namespaces(objects, self.namespace())
    }
}
