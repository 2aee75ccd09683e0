//! A plan in a file: the request, the recorded state, and the agreed steps.
//!
//! The file is never trusted: apply reads the cluster and decides again, and continues only if it comes to the same plan.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recorded_state::RecordedState;
use super::{API_VERSION, ChartUpgrade, CrdPlan, Plan, Step};
use crate::ask::waivers::Waivers;
use crate::ask::{
    AllowedActions, ApplianceAccess, ClusterAccess, FluxSourceNames, HelmOptions, Installation, OwnerMode,
    RegistryAccess, ReleaseTarget, UpgradeScope, UpgradeSpec, ValueOptions,
};
use crate::model::chart::{ChartRef, Digest, DigestKind};
use crate::model::chart_version::ChartVersion;
use crate::model::signature::SignatureRequirements;
use crate::problem::{Cause, Exit, Explain};

/// The kind of the file.
const SAVED_PLAN_KIND: &str = "SavedUpgradePlan";

/// Why a saved plan is not applied.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// The file is something else, or of another version.
    #[error("{} is not a saved plan", .file.display())]
    NotAPlan {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: Cause,
    },
    /// The new decision has another step at this place.
    #[error("the saved plan has the step {saved:?}, the new plan has {new:?}")]
    OtherStep {
        /// The title of the saved step.
        saved: String,
        /// The title of the new one.
        new: String,
    },
    /// The new decision has more or fewer steps.
    #[error("the saved plan has {saved} steps, the new plan has {new}")]
    OtherCount {
        /// The number of saved steps.
        saved: usize,
        /// The number of new steps.
        new: usize,
    },
}

impl Explain for SavedPlanError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotAPlan { .. } => Exit::Usage,
            Self::OtherStep { .. } | Self::OtherCount { .. } => Exit::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotAPlan { .. } => "make one with: kubectl mural upgrade plan … --save FILE",
            Self::OtherStep { .. } | Self::OtherCount { .. } => {
                "make a new plan and read it; another version of these plugins or an edit can be the cause"
            }
        };
        vec![hint.to_owned()]
    }
}

/// The file. Holds no values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedPlan {
    /// `mural/v1`
    pub api_version: String,
    /// `SavedUpgradePlan`
    pub kind: String,
    /// When the plan was made.
    pub created_at: jiff::Timestamp,
    /// The request.
    pub request: RecordedRequest,
    /// The recorded state.
    pub recorded_state: RecordedState,
    /// The charts that move.
    pub charts: Vec<ChartUpgrade>,
    /// The decision about each CRD.
    pub crds: Vec<CrdPlan>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// The request, without values and without access to cluster and registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedRequest {
    /// The installation's namespace.
    pub namespace: String,
    /// The CRD chart.
    pub crds: RequestedChart,
    /// The application's chart.
    pub app: RequestedChart,
    /// The required owner.
    pub mode: OwnerMode,
    /// What the operator consented to.
    pub allowed_actions: AllowedActions,
    /// Options that go to helm unchanged.
    #[serde(default)]
    pub helm: HelmOptions,
    /// The required Flux sources.
    #[serde(default, skip_serializing_if = "FluxSourceNames::is_empty")]
    pub sources: FluxSourceNames,
    /// The required chart signatures.
    #[serde(default, skip_serializing_if = "SignatureRequirements::is_empty")]
    pub signature: SignatureRequirements,
}

impl RecordedRequest {
    /// The request of an upgrade with pinned charts. Chart files are resolved relative to `folder`.
    #[must_use]
    pub fn new(ask: &UpgradeSpec, plan: &Plan, folder: &Path) -> Self {
        // Every field by name: the compiler then finds a new flag that a saved plan would lose.
        let UpgradeSpec {
            installation,
            crds,
            app,
            mode,
            allowed_actions: allowed,
            scope: _,
            values: _,
            crds_values: _,
            registry: _,
            timeout: _,
            server_dry_runs: _,
            waivers: _,
            ignored_paths: _,
            check_images: _,
            appliance: _,
            helm_options: helm,
            sources,
            signature,
        } = ask;
        let pinned = |target: &ReleaseTarget| {
            let moves = plan.charts.iter().find(|chart| chart.release == target.release);
            RequestedChart {
                release: target.release.clone(),
                chart: pin_chart(&target.chart, moves.map(|moves| &moves.digest), folder),
                version: target.version.clone(),
            }
        };
        Self {
            namespace: installation.namespace.clone(),
            crds: pinned(crds),
            app: pinned(app),
            mode: *mode,
            allowed_actions: *allowed,
            helm: helm.clone(),
            sources: sources.clone(),
            signature: signature.clone(),
        }
    }

    /// The request from then with the new inputs: access to cluster and registry, values, timeouts.
    #[must_use]
    pub fn to_upgrade_spec(&self, inputs: RuntimeInputs) -> UpgradeSpec {
        let RecordedRequest { namespace, crds, app, mode, allowed_actions: allowed, helm, sources, signature } =
            self.clone();
        let RuntimeInputs {
            cluster,
            registry,
            values,
            crds_values,
            timeout,
            server_dry_runs,
            waivers,
            check_images: images,
            appliance,
        } = inputs;
        let target = |chart: RequestedChart| ReleaseTarget {
            release: chart.release,
            chart: chart.chart,
            version: chart.version,
        };
        let installation =
            Installation { namespace, crds_release: crds.release.clone(), app_release: app.release.clone(), cluster };
        UpgradeSpec {
            installation,
            crds: target(crds),
            app: target(app),
            mode,
            scope: UpgradeScope::Releases,
            values,
            crds_values,
            registry,
            timeout,
            allowed_actions: allowed,
            server_dry_runs,
            waivers,
            ignored_paths: Vec::new(),
            check_images: images,
            helm_options: helm,
            appliance,
            sources,
            signature,
        }
    }
}

/// One chart, pinned if it moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestedChart {
    /// The release's name.
    pub release: String,
    /// The chart reference.
    pub chart: ChartRef,
    /// The wanted version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ChartVersion>,
}

/// The inputs that apply takes again.
#[derive(Debug)]
pub struct RuntimeInputs {
    /// Access to the cluster.
    pub cluster: ClusterAccess,
    /// Access to the registry.
    pub registry: RegistryAccess,
    /// The application's values.
    pub values: ValueOptions,
    /// The CRD chart's values.
    pub crds_values: ValueOptions,
    /// The longest one wait may last.
    pub timeout: Duration,
    /// Whether dry-runs are allowed.
    pub server_dry_runs: bool,
    /// Waivers of findings.
    pub waivers: Waivers,
    /// Whether registries are queried for the application's images.
    pub check_images: bool,
    /// The appliance's settings.
    pub appliance: ApplianceAccess,
}

impl SavedPlan {
    /// Saves a plan. Chart files are resolved relative to `folder`.
    #[must_use]
    pub fn new(
        ask: &UpgradeSpec,
        plan: &Plan,
        recorded_state: RecordedState,
        created_at: jiff::Timestamp,
        folder: &Path,
    ) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: SAVED_PLAN_KIND.to_owned(),
            created_at,
            request: RecordedRequest::new(ask, plan, folder),
            recorded_state,
            charts: plan.charts.clone(),
            crds: plan.crds.clone(),
            steps: plan.steps.clone(),
        }
    }

    /// Parses the text of the file.
    ///
    /// # Errors
    /// It is not a saved plan, or its version is not supported.
    pub fn read(file: &Path, text: &str) -> Result<Self, SavedPlanError> {
        let not_a_plan = |cause| SavedPlanError::NotAPlan { file: file.to_owned(), cause };
        let malformed = |error: serde_json::Error| not_a_plan(Cause::new(error));
        let document: serde_json::Value = serde_json::from_str(text).map_err(malformed)?;
        let says = |key: &str| document[key].as_str().unwrap_or("nothing").to_owned();
        let (kind, version) = (says("kind"), says("apiVersion"));
        if kind != SAVED_PLAN_KIND || version != API_VERSION {
            let text = format!("it is {kind} of {version}, not {SAVED_PLAN_KIND} of {API_VERSION}");
            return Err(not_a_plan(Cause::new(text)));
        }
        serde_json::from_value(document).map_err(malformed)
    }

    /// As [`Asked::ask`].
    #[must_use]
    pub fn to_upgrade_spec(&self, inputs: RuntimeInputs) -> UpgradeSpec {
        self.request.to_upgrade_spec(inputs)
    }

    /// Whether the new decision equals the agreed one.
    ///
    /// # Errors
    /// A refusal that names the first step that differs.
    pub fn ensure_same_steps(&self, plan: &Plan) -> Result<(), SavedPlanError> {
        let pairs = self.steps.iter().zip(&plan.steps);
        if let Some((then, now)) =
            pairs.into_iter().find(|(then, now)| (&then.id, &then.action) != (&now.id, &now.action))
        {
            return Err(SavedPlanError::OtherStep { saved: then.title.clone(), new: now.title.clone() });
        }
        if self.steps.len() != plan.steps.len() {
            return Err(SavedPlanError::OtherCount { saved: self.steps.len(), new: plan.steps.len() });
        }
        Ok(())
    }
}

/// A registry's chart by its digest, a chart file by its absolute path.
fn pin_chart(chart: &ChartRef, digest: Option<&Digest>, folder: &Path) -> ChartRef {
    let from = |path: &PathBuf| folder.join(path);
    match (chart, digest) {
        (ChartRef::Oci { repository, .. }, Some(Digest { sha256, kind: DigestKind::Manifest })) => {
            ChartRef::Oci { repository: repository.clone(), digest: Some(sha256.clone()) }
        }
        (ChartRef::Oci { .. }, _) => chart.clone(),
        (ChartRef::Folder { path }, _) => ChartRef::Folder { path: from(path) },
        (ChartRef::Archive { path }, _) => ChartRef::Archive { path: from(path) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    #[test]
    fn only_a_saved_plan_is_read() {
        let file = Path::new("plan.json");
        let cause = |text: &str| Problem::from(SavedPlan::read(file, text).unwrap_err()).causes().join(" ");
        assert!(cause("{").contains("EOF"));
        assert!(cause(r#"{"kind": "UpgradeReport", "apiVersion": "mural/v1"}"#).contains("UpgradeReport of mural/v1"));
        assert!(cause(r#"{"kind": "SavedUpgradePlan", "apiVersion": "mural/v1"}"#).contains("missing field"));
    }

    #[test]
    fn charts_are_pinned() {
        let oci = ChartRef::parse("oci://a.example/mural/mural").unwrap();
        let digest = Digest::from_bytes(b"", DigestKind::Manifest);
        let pinned_ref = pin_chart(&oci, Some(&digest), Path::new("/x")).to_string();
        assert_eq!(pinned_ref, format!("oci://a.example/mural/mural@{}", digest.sha256));
        // The registry returned no digest: the reference has its version, and the bytes are compared.
        let archive = Digest::from_bytes(b"", DigestKind::Archive);
        assert_eq!(pin_chart(&oci, Some(&archive), Path::new("/x")), oci);
        let file = ChartRef::parse("./mural.tgz").unwrap();
        assert_eq!(pin_chart(&file, Some(&archive), Path::new("/x")).to_string(), "/x/./mural.tgz");
        assert_eq!(pin_chart(&ChartRef::parse("/y").unwrap(), None, Path::new("/x")).to_string(), "/y");
    }
}
