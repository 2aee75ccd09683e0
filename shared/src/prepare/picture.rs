//! What stands around the releases, to compare with after the upgrade.

use crate::ask::Installation;
use crate::ask::expect::Expectations;
use crate::cluster::{Cluster, vitals};
use crate::model::inventory::ReleaseInventory;
use crate::model::view::ClusterView;
use crate::model::vitals::{HealthInputs, ReadScope};

/// All but the live objects: these were judged by a guard, before anything was written.
pub(crate) async fn read_health_inputs(
    cluster: &Cluster,
    installation: &Installation,
    view: &ClusterView,
    expect: &Expectations,
) -> HealthInputs {
    let parts = ReadScope::ALL.into_iter().filter(|part| *part != ReadScope::CustomResources).collect();
    vitals::read_health_inputs(
        cluster,
        view,
        &ReleaseInventory::of(view, installation.releases(), expect.chart_crds()),
        &parts,
    )
    .await
}
