//! The rendered charts of an upgrade: plain values, which the judge reads and the run writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::ask::{UpgradeScope, UpgradeSpec};
use crate::model::chart::ValuesSchemaError;
use crate::model::chart_lookup::LookupSource;
use crate::model::crd::{self, Crd};
use crate::model::fetched_chart::FetchedChart;
use crate::model::secret::Hidden;

/// One chart that moves: its bytes and its rendered objects.
pub struct RenderedChart {
    /// The chart's bytes.
    pub fetched: FetchedChart,
    /// The rendered objects, CRDs included.
    pub rendered: Vec<Value>,
    /// The text of it that helm stores in the release record.
    pub manifest_text: Hidden<String>,
    /// The schema violations of the values, secrets masked.
    pub schema_refusals: Vec<ValuesSchemaError>,
    /// What answered the `lookup` calls.
    pub lookups: LookupSource,
    /// Why the HelmRelease's post-renderers are not applied; none if they are, or if there are none.
    pub post_render_failure: Option<String>,
}

impl RenderedChart {
    /// The part that helm stores in the release's manifest: `crds/` is installed beside it.
    #[must_use]
    pub fn manifest_objects(&self) -> Vec<Value> {
        let chart = &self.fetched.chart;
        self.rendered.iter().filter(|document| !chart.is_folder_crd(document)).cloned().collect()
    }
}

/// Both charts, rendered.
pub struct RenderedCharts {
    /// The CRD chart, if it moves.
    pub crds: Option<RenderedChart>,
    /// The application, if it moves.
    pub app: Option<RenderedChart>,
    /// Every CRD of both, by name; the CRD chart's if both have it.
    pub desired_crds: BTreeMap<String, Crd>,
    /// The user's values of the application's next revision.
    pub config: Hidden<Value>,
    /// The user's values of the next revision of the CRD chart's release.
    pub crds_config: Hidden<Value>,
}

impl RenderedCharts {
    /// The CRDs that helm writes as templates, each with its release; this program applies those of a `crds/` folder, and
    /// all of them if no release is written.
    #[must_use]
    pub fn crds_in_templates(&self, ask: &UpgradeSpec) -> BTreeMap<String, String> {
        if ask.scope == UpgradeScope::CrdsOnly {
            return BTreeMap::new();
        }
        let installation = &ask.installation;
        let rendered_charts = [(&self.app, &installation.app_release), (&self.crds, &installation.crds_release)];
        let rendered_charts = rendered_charts
            .into_iter()
            .filter_map(|(rendered_chart, release)| Some((rendered_chart.as_ref()?, release)));
        let folder_crds = |chart: &'_ Option<RenderedChart>| -> BTreeSet<String> {
            chart.iter().flat_map(|chart| chart.fetched.chart.folder_crds.iter().cloned()).collect()
        };
        let (of_crds_chart, of_app) = (folder_crds(&self.crds), folder_crds(&self.app));
        // The CRD chart's win: it is written first.
        let all = rendered_charts.flat_map(|(rendered_chart, release)| {
            let names = crd::list_template_crds(&rendered_chart.rendered, &rendered_chart.fetched.chart.folder_crds);
            names.into_iter().map(|name| (name, release.clone()))
        });
        // If the CRD chart has a CRD as a template, helm writes it with that chart's release, even if the application's `crds/` has a
        // copy: helm skips existing CRDs of `crds/`, and refuses to import a template's CRD that someone else created.
        let is_ours = |name: &String, release: &String| {
            of_crds_chart.contains(name) || (of_app.contains(name) && *release == installation.app_release)
        };
        all.filter(|(name, release)| !is_ours(name, release)).collect()
    }

    /// The number of rendered objects, in words.
    #[must_use]
    pub fn summary(&self) -> String {
        let objects: usize =
            [&self.crds, &self.app].into_iter().flatten().map(|rendered_chart| rendered_chart.rendered.len()).sum();
        format!("{} CRDs, {} other objects", self.desired_crds.len(), objects.saturating_sub(self.desired_crds.len()))
    }
}
