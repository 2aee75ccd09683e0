//! The secrets of an upgrade, a rollback or a repair: from the values and Secrets of stored revisions and of the new render.
//!
//! Pure. Everything that a plan or a run shows is searched for them.

use serde_json::Value;

use crate::ask::UpgradeSpec;
use crate::model::cluster_view::ClusterView;
use crate::model::known_secrets::{SecretSources, Secrets};
use crate::model::release::ReleaseRecord;
use crate::prepare::rendered_charts::{RenderedChart, RenderedCharts};

/// The secrets of the stored revisions of both releases and of what the charts render to.
#[must_use]
pub fn collect_upgrade_secrets(ask: &UpgradeSpec, view: &ClusterView, charts: &RenderedCharts) -> Secrets {
    let installation = &ask.installation;
    let newest = [&installation.crds_release, &installation.app_release]
        .into_iter()
        .flat_map(|release| [view.newest_revision(release), view.current_revision(release)])
        .filter_map(|record| record.ok().flatten());
    let rendered = [&charts.crds, &charts.app].into_iter().flatten();
    collect(newest, [charts.config.reveal(), charts.crds_config.reveal()], rendered)
}

/// The secrets of every stored revision.
#[must_use]
pub fn collect_stored_secrets(view: &ClusterView) -> Secrets {
    collect(view.releases.values().filter_map(|records| records.as_ref().ok()).flatten(), [], [])
}

fn collect<'a>(
    records: impl IntoIterator<Item = &'a ReleaseRecord>,
    next_values: impl IntoIterator<Item = &'a Value>,
    charts: impl IntoIterator<Item = &'a RenderedChart>,
) -> Secrets {
    let records: Vec<&ReleaseRecord> = records.into_iter().collect();
    let charts: Vec<&RenderedChart> = charts.into_iter().collect();
    // A manifest that is no YAML ends the plan elsewhere.
    let stored: Vec<Value> = records
        .iter()
        .flat_map(|record| record.manifest_objects().unwrap_or_default().into_iter().chain(record.hook_objects()))
        .collect();
    let of_records = records.iter().map(|record| record.chart_values.reveal());
    Secrets::collect(&SecretSources {
        values: records.iter().map(|record| record.config.reveal()).chain(next_values).collect(),
        chart_values: of_records.chain(charts.iter().map(|chart| &chart.fetched.chart.values)).collect(),
        objects: stored.iter().chain(charts.iter().flat_map(|chart| &chart.rendered)).collect(),
    })
}
