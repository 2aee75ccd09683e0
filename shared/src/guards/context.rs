//! All that admission guards look at.

use crate::model::dry_run::CrdDryRunResult;
use crate::plan::drift::DriftItem;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use semver::Version;
use serde_json::Value;

use crate::ask::{AllowedActions, OwnerMode};
use crate::checks::crd_changes::CrdVerdict;
use crate::checks::crd_changes::waivers::WaiverNote;
use crate::model::access_review::AccessReview;
use crate::model::admission_policies::AdmissionPolicies;
use crate::model::application::ApplicationState;
use crate::model::chart::{Chart, Digest, ValuesSchemaError};
use crate::model::cluster_view::{ClusterView, Observed};
use crate::model::container_images::ImageAvailability;
use crate::model::content_bundle::ContentBundle;
use crate::model::crd::Crd;
use crate::model::lease::HeldLock;
use crate::model::secret::Hidden;
use crate::model::signature::SignatureCheck;
use crate::plan::flux::FluxRoutes;
use crate::plan::journal::JournalSnapshot;

/// One chart of the plan, as a guard sees it.
#[derive(Debug, Clone)]
pub struct ChartFacts<'a> {
    /// The release's name.
    pub release: &'a str,
    /// How it was named.
    pub reference: String,
    /// What its files say.
    pub chart: &'a Chart,
    /// Which bytes it is.
    pub digest: &'a Digest,
    /// What it renders to.
    pub rendered: &'a [Value],
    /// What its schemas refuse of the values.
    pub schema_refusals: &'a [ValuesSchemaError],
    /// Why the HelmRelease's post-renderers are not in what it renders to; none where they are, or there are none.
    pub post_renderer_error: Option<&'a str>,
}

/// All that admission guards look at.
#[derive(Debug, Clone)]
pub struct GuardContext<'a> {
    /// The cluster as it was read.
    pub view: &'a ClusterView,
    /// Who is insisted on as owner.
    pub mode: OwnerMode,
    /// helm's version.
    pub helm_version: Observed<Version>,
    /// kubectl's version.
    pub kubectl_version: Observed<Version>,
    /// The uid of `kube-system` as helm sees it.
    pub helm_cluster_uid: Observed<String>,
    /// The uid of `kube-system` as kubectl sees it.
    pub kubectl_cluster_uid: Observed<String>,
    /// The release of the CRD chart.
    pub crds_release: &'a str,
    /// The release of the application.
    pub app_release: &'a str,
    /// The CRD chart, where it moves.
    pub crds_chart: Option<ChartFacts<'a>>,
    /// The application's chart, where it moves.
    pub app_chart: Option<ChartFacts<'a>>,
    /// What the server says of every CRD of the charts.
    pub forecasts: &'a BTreeMap<String, CrdDryRunResult>,
    /// What each CRD's change does, to its live objects too.
    pub verdicts: &'a BTreeMap<String, CrdVerdict>,
    /// What is wrong with the waivers.
    pub waiver_notes: &'a [WaiverNote],
    /// Who holds a lock.
    pub locks: &'a Observed<Vec<HeldLock>>,
    /// Whether the server was asked at all: not with `--dry-run=client`.
    pub server_dry_run: bool,
    /// What is allowed besides.
    pub allowed: AllowedActions,
    /// What is known of the application's objects; none where it does not move.
    pub application: Option<&'a ApplicationState>,
    /// What surrounds the installation.
    pub policies: &'a AdmissionPolicies,
    /// What registries say of the application's new images.
    pub images: Option<&'a BTreeMap<String, ImageAvailability>>,
    /// When the token of this login ends, where it says so.
    pub token_expiry: Option<Timestamp>,
    /// The moment of judging.
    pub now: Timestamp,
    /// The longest that one wait may last.
    pub timeout: Duration,
    /// The bytes of each next record, where it is large enough to matter.
    pub record_sizes: &'a [(String, Option<usize>)],
    /// What is granted.
    pub grants: &'a AccessReview,
    /// The user's values of the application's next revision.
    pub config: &'a Hidden<Value>,
    /// The journal of earlier runs.
    pub journal: &'a Observed<JournalSnapshot>,
    /// What has moved since a saved plan was made, or since a run was cut off; none where neither is followed.
    pub moved: Option<&'a Observed<Vec<DriftItem>>>,
    /// What the content bundle holds; none where none was named.
    pub bundle: Option<&'a Observed<ContentBundle>>,
    /// What was said of the charts' signatures; empty where none is asked for.
    pub signatures: &'a [SignatureCheck],
    /// The way through Flux; empty where Flux makes none of the releases.
    pub flux: &'a FluxRoutes,
}

impl<'a> GuardContext<'a> {
    /// The charts that move, the CRD chart first.
    pub fn charts(&self) -> impl Iterator<Item = &ChartFacts<'a>> {
        [&self.crds_chart, &self.app_chart].into_iter().flatten()
    }

    /// The CRDs of the charts as they will be, where the server takes them.
    pub fn planned_crds(&self) -> impl Iterator<Item = &'a Crd> + use<'a> {
        self.forecasts.values().filter_map(|answer| answer.as_ref().ok())
    }
}
