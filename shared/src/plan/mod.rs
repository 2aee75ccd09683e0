//! PURE: what is to be done, as data. Decided from values alone, printable, comparable; every step says why.

mod action_effects;
pub mod crd_migration;
pub mod crd_plan;
pub mod decide;
pub mod drift;
pub mod flux;
pub mod journal;
pub mod keep_annotation;
mod masked_plan;
pub mod object_changes;
pub mod order;
pub mod recorded_state;
pub mod repair;
pub mod required_permissions;
pub mod rollback_limit;
pub mod rollback_plan;
pub mod saved_plan;
pub mod step_id;
mod strategic_patch;
pub mod unchanged;
pub mod value_hash;
pub mod writes;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::OwnerMode;
use crate::model::chart::Digest;
use crate::model::check::CheckResult;
use crate::model::cluster_view::{ClusterInfo, Observed};
use crate::model::flux::FluxRef;
use crate::model::lease::HeldLock;
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::model::release_role::ReleaseRole;

pub use crate::diff::value_changes::ValueChange;
pub use crd_migration::CrdMigration;
pub use crd_plan::{CrdDecision, CrdPlan};
pub use rollback_limit::RollbackLimit;
pub use step_id::StepId;
pub use unchanged::{UnchangedItem, UnchangedSubject};

/// The version of the plan's JSON.
pub const API_VERSION: &str = "mural/v1";

/// One chart's way from where it is to where it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartUpgrade {
    /// The release's name.
    pub release: String,
    /// Who keeps it.
    pub owner: Owner,
    /// The version that is there; none where no release is.
    pub from: Option<String>,
    /// The newest revision that is there.
    pub revision: Option<u64>,
    /// The version wanted.
    pub to: String,
    /// How the chart was named.
    pub chart: String,
    /// Which bytes it is.
    pub digest: Digest,
}

/// What happens to one object of the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// Which object.
    pub object: ObjectRef,
    /// What happens to it.
    pub change: ObjectChangeKind,
    /// What differs, secrets masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectChangeKind {
    /// It is not there yet.
    Create,
    /// It differs.
    Update,
    /// The new chart has it no more: helm deletes it.
    Delete,
}

/// One thing to do. Data, never a closure: `run/act.rs` gives it its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Action {
    /// Mark these live CRDs `helm.sh/resource-policy: keep`: they leave a release's manifest, and helm would delete them.
    AddKeepAnnotation {
        /// Their names.
        names: Vec<String>,
    },
    /// Move the objects of these CRDs out of the versions that the charts drop, and prove it.
    MigrateObjects {
        /// What is moved where.
        crds: Vec<CrdMigration>,
    },
    /// Apply these CRDs of the charts, in this order.
    ApplyCrds {
        /// Their names, new ones first, foreign ones last.
        names: Vec<String>,
    },
    /// Prove that all these CRDs are established and the changed ones serve the chart's schema.
    VerifyServedSchema {
        /// Every CRD of the charts.
        names: Vec<String>,
    },
    /// Mark a revision failed in which helm was cut off, in a run of ours: helm refuses every upgrade until then.
    UnlockRelease {
        /// The release.
        release: String,
        /// The revision.
        revision: u64,
    },
    /// Write the release record of the CRD chart, so that helm tells the truth about it.
    RecordRelease {
        /// The release.
        release: String,
    },
    /// Upgrade the application and wait until it is ready.
    UpgradeRelease {
        /// The release.
        release: String,
    },
    /// Suspend the application's HelmRelease, with a note that says which run did it.
    SuspendHelmRelease {
        /// The HelmRelease.
        helm_release: FluxRef,
    },
    /// Tell a source which version it holds, and wait until its artifact is that chart.
    UpdateSource {
        /// Whose release it is for.
        role: ReleaseRole,
        /// The object that is patched.
        object: FluxRef,
        /// The merge patch.
        patch: Value,
        /// The object whose artifact is the chart.
        artifact: FluxRef,
        /// What it shall be.
        target: flux::TargetChart,
    },
    /// Wait until a HelmRelease is Ready at the observed generation, and its newest revision is the chart.
    AwaitHelmRelease {
        /// Whose release it is for.
        role: ReleaseRole,
        /// Whether a reconcile is asked for; not where only somebody else's roll-out is followed.
        requests_reconcile: bool,
        /// The HelmRelease.
        helm_release: FluxRef,
        /// What its newest revision shall be; none where its chart stays.
        target: Option<flux::TargetChart>,
    },
    /// Wait until an Argo CD Application is synced to a version and healthy.
    AwaitArgoApplication {
        /// Whose release it is for.
        role: ReleaseRole,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The chart's version.
        version: String,
    },
    /// Apply manifests of Flux, and the Secret that they take values from.
    ApplyManifests {
        /// Whose release they make.
        role: ReleaseRole,
        /// Which objects: values are not in a plan.
        objects: Vec<FluxRef>,
    },
    /// Take the hold from the application's HelmRelease, with what is new in it.
    ResumeHelmRelease {
        /// The HelmRelease.
        helm_release: FluxRef,
        /// Whether it gets new values: they are not in a plan.
        has_new_values: bool,
        /// `spec.dependsOn` as it shall be; none where it stays.
        depends_on: Option<Value>,
    },
    /// Bring the application back to a revision that stood, and wait until it is ready.
    RollbackRelease {
        /// The release.
        release: String,
        /// The revision that helm goes back to; it becomes the newest one anew.
        revision: u64,
        /// Whether it is waited for until everything is ready: not where the release is a record alone.
        wait: bool,
    },
    /// Apply these CRDs as they were saved before the run that is undone. None is ever deleted.
    RestoreCrds {
        /// Their names.
        names: Vec<String>,
    },
    /// Put the saved objects of these CRDs in place of those that are there.
    RestoreObjects {
        /// The CRDs.
        names: Vec<String>,
    },
    /// Take the mark `helm.sh/resource-policy: keep` from these CRDs, which a run of ours left behind.
    RemoveKeepAnnotation {
        /// Their names.
        names: Vec<String>,
    },
    /// Set aside runs in the journal that nobody can read.
    DiscardRuns {
        /// Their ids.
        runs: Vec<String>,
    },
    /// Look at everything again.
    Validate,
}

/// A step of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which step: once in a plan.
    pub id: StepId,
    /// What it does, in a few words.
    pub title: String,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// Why.
    pub reason: String,
    /// The exact command, secrets masked; empty where none is run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

/// All that is to be done, and all that it was decided from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `UpgradePlan`
    pub kind: &'static str,
    /// Which cluster.
    pub cluster: ClusterInfo,
    /// Who is insisted on as owner.
    pub mode: OwnerMode,
    /// Who holds a lock while this plan is made.
    pub locks: Observed<Vec<HeldLock>>,
    /// The charts that move, the CRD chart first.
    pub charts: Vec<ChartUpgrade>,
    /// Every CRD of the charts, and what becomes of it.
    pub crds: Vec<CrdPlan>,
    /// The application's objects that change.
    pub objects: Vec<ObjectChange>,
    /// The application's values that change.
    pub values: Vec<ValueChange>,
    /// What the guards say.
    pub guards: Vec<CheckResult>,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// What is left alone.
    pub unchanged_items: Vec<UnchangedItem>,
}

impl ChartUpgrade {
    /// Whether the release keeps its version.
    ///
    /// helm-controller appends the chart's digest to the version if the chart comes from a registry: `0.7.4+f759e0fff3da`.
    #[must_use]
    pub fn keeps_version(&self) -> bool {
        let digest = self.digest.sha256.trim_start_matches("sha256:");
        self.from.as_deref().is_some_and(|from| match from.split_once('+') {
            Some((version, suffix)) if !suffix.is_empty() && digest.starts_with(suffix) => version == self.to,
            _ => from == self.to,
        })
    }
}

impl Plan {
    /// Whether anything is to be written.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.steps.iter().any(|step| step.action.is_write())
    }

    /// Whether a guard refuses.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.guards.iter().any(CheckResult::has_error)
    }

    /// The point of no return: the step from which a rollback is only partial.
    #[must_use]
    pub fn rollback_limit(&self) -> Option<RollbackLimit> {
        rollback_limit::find_rollback_limit(&self.steps)
    }

    /// Whether a guard could not look.
    #[must_use]
    pub fn is_undetermined(&self) -> bool {
        self.guards.iter().any(CheckResult::is_undetermined)
    }
}

impl Action {
    /// Whether it writes to the cluster.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        match self {
            Self::AddKeepAnnotation { .. }
            | Self::MigrateObjects { .. }
            | Self::ApplyCrds { .. }
            | Self::UnlockRelease { .. }
            | Self::RecordRelease { .. }
            | Self::UpgradeRelease { .. }
            | Self::SuspendHelmRelease { .. }
            | Self::UpdateSource { .. }
            | Self::ApplyManifests { .. }
            | Self::ResumeHelmRelease { .. }
            | Self::RollbackRelease { .. }
            | Self::RestoreCrds { .. }
            | Self::RestoreObjects { .. }
            | Self::RemoveKeepAnnotation { .. }
            | Self::DiscardRuns { .. } => true,
            // Where all is told already and nothing came of it, as after a rollback by helm-controller, the request is what is left to do.
            Self::AwaitHelmRelease { requests_reconcile: asks, .. } => *asks,
            Self::AwaitArgoApplication { .. } | Self::VerifyServedSchema { .. } | Self::Validate => false,
        }
    }
}
