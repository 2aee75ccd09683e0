//! What stands around the releases, to compare with after the upgrade.

use crate::ask::Installation;
use crate::ask::expect::Expect;
use crate::cluster::{Cluster, vitals};
use crate::model::inventory::Named;
use crate::model::view::ClusterView;
use crate::model::vitals::{Part, Vitals};

/// All but the live objects: these were judged by a guard, before anything was written.
pub(crate) async fn picture(
    cluster: &Cluster,
    installation: &Installation,
    view: &ClusterView,
    expect: &Expect,
) -> Vitals {
    let parts = Part::ALL.into_iter().filter(|part| *part != Part::Objects).collect();
    vitals::look(cluster, view, &Named::of(view, installation.releases(), expect.chart_crds()), &parts).await
}
