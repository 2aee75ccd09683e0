//! The expected state of an installation, for `kubectl mural validate`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::chart::Digest;
use crate::model::chart_version::ChartVersion;
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::secret::Hidden;

/// The expected state of an installation. A check without an expectation is skipped.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    /// The expected version of the application chart.
    pub app_version: Option<ChartVersion>,
    /// The expected version of the CRD chart.
    pub crds_version: Option<ChartVersion>,
    /// The CRDs of the chart that is expected; where none is named, the release's own record says which there should be.
    pub crds_chart_list: Option<Vec<Crd>>,
    /// The expected values of the application.
    pub values: Option<Hidden<Value>>,
    /// The expected application chart.
    pub app_chart: Option<ExpectedChart>,
    /// The expected CRD chart.
    pub crds_chart: Option<ExpectedChart>,
}

impl Expectations {
    /// The names of the CRDs of the expected charts; empty if no chart is expected.
    #[must_use]
    pub fn chart_crds(&self) -> BTreeSet<String> {
        let crds = self.crds_chart_list.iter().flatten().chain(self.crds_chart.iter().flat_map(|chart| &chart.crds));
        crds.map(|crd| crd.name().to_owned()).collect()
    }
}

/// A rendered chart that the installation is compared with.
#[derive(Debug, Clone)]
pub struct ExpectedChart {
    /// The chart reference of the flag.
    pub reference: String,
    /// The version of the chart.
    pub version: ChartVersion,
    /// The digest of the chart's bytes.
    pub digest: Digest,
    /// The objects that helm stores in the release manifest.
    pub objects: Vec<ObjectRef>,
    /// The CRDs of the chart.
    pub crds: Vec<Crd>,
}
