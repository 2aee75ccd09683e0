//! The recorded state of a plan, as a saved plan stores it.

use crate::ask::UpgradeSpec;
use crate::model::cluster_view::{ClusterView, Observed};
use crate::plan::recorded_state::{RecordedCrd, RecordedRevision, RecordedState};
use crate::plan::value_hash::{ValueHash, digest_json};
use crate::prepare::rendered_charts::RenderedCharts;

/// The recorded state of a plan; `gone` are CRDs that the charts no longer have.
///
/// # Errors
/// A part of the recorded state could not be read.
pub fn record_state(
    ask: &UpgradeSpec,
    view: &ClusterView,
    rendered: &RenderedCharts,
    dropped_crds: &[String],
    salt: &str,
) -> Observed<RecordedState> {
    let installation = &ask.installation;
    let live = view.crds.as_ref().map_err(Clone::clone)?;
    let names = rendered.desired_crds.keys().chain(dropped_crds);
    let rendered_charts = [(&installation.crds_release, &rendered.crds), (&installation.app_release, &rendered.app)];
    let mut releases = std::collections::BTreeMap::new();
    for (release, _) in &rendered_charts {
        let newest = view.newest_revision(release).map_err(Clone::clone)?;
        let revision =
            newest.map(|record| RecordedRevision { revision: record.revision, status: record.status.clone() });
        releases.insert((*release).clone(), revision);
    }
    let charts = rendered_charts
        .iter()
        .filter_map(|(release, rendered_chart)| Some(((*release).clone(), rendered_chart.as_ref()?)));
    Ok(RecordedState {
        cluster_uid: view.cluster.uid.clone()?,
        owners: view.owners.iter().map(|(release, owner)| (release.clone(), owner.to_string())).collect(),
        chart_digests: charts
            .map(|(release, rendered_chart)| (release, rendered_chart.fetched.digest.sha256.clone()))
            .collect(),
        releases,
        crds: names.map(|name| (name.clone(), live.get(name).map(RecordedCrd::from_crd))).collect(),
        rendered_crd_digests: rendered
            .desired_crds
            .iter()
            .map(|(name, crd)| (name.clone(), digest_json(crd.json())))
            .collect(),
        values: ValueHash::new(salt, ask.values.stored, rendered.config.reveal()),
    })
}
