//! What the user expects to find.

use std::collections::BTreeSet;

use semver::Version;
use serde_json::Value;

use crate::model::chart::Digest;
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::secret::Hidden;

/// What the caller expects to find. What is not expected is not asked.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    /// The application's version.
    pub app_version: Option<Version>,
    /// The version of the CRD chart.
    pub crds_version: Option<Version>,
    /// The CRDs of the chart that is expected; where none is named, the release's own record says which there should be.
    pub crds_chart_list: Option<Vec<Crd>>,
    /// The values that the application should run with.
    pub values: Option<Hidden<Value>>,
    /// The chart that the application should be.
    pub app_chart: Option<ExpectedChart>,
    /// The CRD chart that should be there.
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

/// A chart that the caller named, rendered.
#[derive(Debug, Clone)]
pub struct ExpectedChart {
    /// How it was named.
    pub reference: String,
    /// Its version.
    pub version: Version,
    /// Which bytes it is.
    pub digest: Digest,
    /// What helm would keep in the release's manifest.
    pub objects: Vec<ObjectRef>,
    /// Its CRDs.
    pub crds: Vec<Crd>,
}
