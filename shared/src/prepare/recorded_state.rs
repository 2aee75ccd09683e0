//! What this plan is made from, as a saved plan keeps it.

use crate::ask::Ask;
use crate::model::view::{ClusterView, Looked};
use crate::plan::seal::{Seal, digest};
use crate::plan::world::{LiveCrd, Revision, World};
use crate::prepare::render::Rendered;

/// The world of a plan; `gone` are CRDs that the charts no longer name.
///
/// # Errors
/// What a saved plan must know could not be read.
pub fn world(ask: &Ask, view: &ClusterView, rendered: &Rendered, gone: &[String], salt: &str) -> Looked<World> {
    let installation = &ask.installation;
    let live = view.crds.as_ref().map_err(Clone::clone)?;
    let names = rendered.wanted.keys().chain(gone);
    let sides = [(&installation.crds_release, &rendered.crds), (&installation.app_release, &rendered.app)];
    let mut releases = std::collections::BTreeMap::new();
    for (release, _) in &sides {
        let newest = view.newest(release).map_err(Clone::clone)?;
        let kept = newest.map(|record| Revision { revision: record.revision, status: record.status.clone() });
        releases.insert((*release).clone(), kept);
    }
    let charts = sides.iter().filter_map(|(release, side)| Some(((*release).clone(), side.as_ref()?)));
    Ok(World {
        cluster: view.hub.uid.clone()?,
        owners: view.owners.iter().map(|(release, owner)| (release.clone(), owner.to_string())).collect(),
        charts: charts.map(|(release, side)| (release, side.fetched.digest.sha256.clone())).collect(),
        releases,
        crds: names.map(|name| (name.clone(), live.get(name).map(LiveCrd::of))).collect(),
        rendered: rendered.wanted.iter().map(|(name, crd)| (name.clone(), digest(crd.json()))).collect(),
        values: Seal::new(salt, ask.values.stored, rendered.config.reveal()),
    })
}
