//! The input of all guards: everything that `prepare` observed, rendered and forecast, as borrowed values.
//!
//! `prepare` fills in a [`GuardContext`] once per plan; the guards only read it. A value that could not be read is an
//! `Observed` error here, and the guard that needs it becomes undetermined.

use crate::model::dry_run::CrdDryRunResult;
use crate::plan::adoption::{Adoption, FieldConflict};
use crate::plan::drift::DriftItem;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use semver::Version;
use serde_json::Value;

use crate::ask::{AllowedActions, BackupMode, OwnerMode};
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

/// A chart that this run upgrades: its reference, files, digest and rendered objects.
#[derive(Debug, Clone)]
pub struct ChartFacts<'a> {
    /// Name of the helm release.
    pub release: &'a str,
    /// Chart reference as given by the user or the source: `oci://…`, a `.tgz` or a folder.
    pub reference: String,
    /// Contents of the chart's files.
    pub chart: &'a Chart,
    /// Digest of the chart; absent if the registry did not return one.
    pub digest: &'a Digest,
    /// Objects of `helm template` with the values of this run.
    pub rendered: &'a [Value],
    /// Values that do not match a `values.schema.json`, subcharts included.
    pub schema_refusals: &'a [ValuesSchemaError],
    /// Why `spec.postRenderers` could not be applied to `rendered`; `None` if they were, or if there are none.
    pub post_renderer_error: Option<&'a str>,
}

/// Everything that the guards of one plan read.
#[derive(Debug, Clone)]
pub struct GuardContext<'a> {
    /// Snapshot of the cluster, read before the plan.
    pub view: &'a ClusterView,
    /// Value of `--mode`: which owner the upgrade must use.
    pub mode: OwnerMode,
    /// Version of the helm program.
    pub helm_version: Observed<Version>,
    /// Version of the kubectl program.
    pub kubectl_version: Observed<Version>,
    /// The uid of `kube-system` as helm sees it.
    pub helm_cluster_uid: Observed<String>,
    /// The uid of `kube-system` as kubectl sees it.
    pub kubectl_cluster_uid: Observed<String>,
    /// Release name of the CRD chart.
    pub crds_release: &'a str,
    /// Release name of the application chart.
    pub app_release: &'a str,
    /// The CRD chart, if this run upgrades it.
    pub crds_chart: Option<ChartFacts<'a>>,
    /// The application chart, if this run upgrades it.
    pub app_chart: Option<ChartFacts<'a>>,
    /// Dry-run result of every CRD in the charts, by name.
    pub forecasts: &'a BTreeMap<String, CrdDryRunResult>,
    /// Verdict of the CRD-change checks for each CRD, with the evidence of live objects.
    pub verdicts: &'a BTreeMap<String, CrdVerdict>,
    /// Expired and unused waivers.
    pub waiver_notes: &'a [WaiverNote],
    /// Holders of the Leases that this run needs.
    pub locks: &'a Observed<Vec<HeldLock>>,
    /// Whether dry-run requests were sent; `false` with `--dry-run=client`.
    pub server_dry_run: bool,
    /// Exceptions that the user allowed with flags such as `--allow-downgrade`.
    pub allowed: AllowedActions,
    /// Whether the run backs up before its first write: a loss is allowed only then.
    pub backup: BackupMode,
    /// Dry-run results of the application's objects; `None` if the application is not upgraded.
    pub application: Option<&'a ApplicationState>,
    /// What helm must own before it writes each release; empty if another tool writes them.
    pub adoptions: &'a [Adoption],
    /// Objects that a server-side helm would refuse to write, because another field manager owns their fields.
    pub field_conflicts: &'a Observed<Vec<FieldConflict>>,
    /// Webhooks, quotas and disruption budgets that affect a write.
    pub policies: &'a AdmissionPolicies,
    /// Availability of each new image; `None` with `--skip-images`.
    pub images: Option<&'a BTreeMap<String, ImageAvailability>>,
    /// Expiry of the kubeconfig's token, if it is known.
    pub token_expiry: Option<Timestamp>,
    /// Time at which the guards run.
    pub now: Timestamp,
    /// Limit of a single wait (`--timeout`).
    pub timeout: Duration,
    /// Estimated size in bytes of the next record of each release; large records only.
    pub record_sizes: &'a [(String, Option<usize>)],
    /// Answers of the access reviews for the requests of the plan.
    pub grants: &'a AccessReview,
    /// User values of the application's next revision.
    pub config: &'a Hidden<Value>,
    /// The journal of earlier runs.
    pub journal: &'a Observed<JournalSnapshot>,
    /// Changes since the saved plan or the interrupted run; `None` if this run follows neither.
    pub drift: Option<&'a Observed<Vec<DriftItem>>>,
    /// Contents of the content bundle; `None` without `--bundle`.
    pub bundle: Option<&'a Observed<ContentBundle>>,
    /// Results of the signature checks; empty if none is requested.
    pub signatures: &'a [SignatureCheck],
    /// HelmReleases and sources to patch; empty if Flux owns none of the releases.
    pub flux: &'a FluxRoutes,
}

impl<'a> GuardContext<'a> {
    /// The charts that this run upgrades, the CRD chart first.
    pub fn charts(&self) -> impl Iterator<Item = &ChartFacts<'a>> {
        [&self.crds_chart, &self.app_chart].into_iter().flatten()
    }

    /// The CRDs of the charts as the API server would store them; rejected ones and those without an answer are left out.
    pub fn planned_crds(&self) -> impl Iterator<Item = &'a Crd> + use<'a> {
        self.forecasts.values().filter_map(CrdDryRunResult::planned_crd)
    }
}
