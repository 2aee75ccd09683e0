//! The state around the releases, for the comparison after the upgrade.

use crate::ask::Installation;
use crate::ask::expect::Expectations;
use crate::cluster::{Cluster, health_reader};
use crate::model::cluster_view::ClusterView;
use crate::model::health_inputs::{HealthInputs, ReadScope};
use crate::model::release_inventory::ReleaseInventory;

/// Everything except the live objects, which a guard judges before the first write.
pub(crate) async fn read_health_inputs(
    cluster: &Cluster,
    installation: &Installation,
    view: &ClusterView,
    expect: &Expectations,
) -> HealthInputs {
    let parts = ReadScope::ALL.into_iter().filter(|part| *part != ReadScope::CustomResources).collect();
    health_reader::read_health_inputs(
        cluster,
        view,
        &ReleaseInventory::of(view, installation.releases(), expect.chart_crds()),
        &parts,
    )
    .await
}
