//! PURE: the plan as data. Decided from values alone, printable, comparable; every step has a reason.

mod action_effects;
pub mod adoption;
mod change_details;
pub mod crd_migration;
pub mod crd_plan;
pub mod decide;
pub mod diff_noise;
pub mod drift;
pub mod flux;
pub mod journal;
pub mod keep_annotation;
mod line_diff;
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
pub mod verdict;
pub mod writes;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::OwnerMode;
use crate::model::access_review::RequiredPermissions;
use crate::model::application::ApplyMethod;
use crate::model::chart::Digest;
use crate::model::chart_changes::NamedChange;
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
pub use verdict::PlanVerdict;

/// The apiVersion of the plan's JSON.
pub const API_VERSION: &str = "mural/v1";

/// One chart's upgrade: from the installed version to the wanted one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartUpgrade {
    /// The release's name.
    pub release: String,
    /// Its owner.
    pub owner: Owner,
    /// The installed version; none if the release is not installed, or its records cannot be read.
    pub from: Option<String>,
    /// Why it is not known whether the release is installed; none if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// The newest revision.
    pub revision: Option<u64>,
    /// The wanted version.
    pub to: String,
    /// The chart reference, as the operator gave it.
    pub chart: String,
    /// The digest of the chart's bytes.
    pub digest: Digest,
    /// What the chart's author says changed in this version, breaking changes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named_changes: Vec<NamedChange>,
    /// Why the forecast may differ from the upgrade; none if the chart was rendered as helm will render it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast_doubt: Option<String>,
}

/// The change of one object of the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// The object.
    pub object: ObjectRef,
    /// The kind of change.
    pub change: ObjectChangeKind,
    /// The differences, secrets masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// The kind of change of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectChangeKind {
    /// It does not exist yet.
    Create,
    /// It differs.
    Update,
    /// The new chart does not have it: helm deletes it.
    Delete,
}

/// One action of a step. It is data, never a closure: `run/act.rs` executes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Action {
    /// Annotates live CRDs with `helm.sh/resource-policy: keep`: they leave a release's manifest, and helm would delete them.
    AddKeepAnnotation {
        /// Their names.
        names: Vec<String>,
    },
    /// Migrates the objects of these CRDs out of the versions that the charts drop, and verifies it.
    MigrateObjects {
        /// The migrations.
        crds: Vec<CrdMigration>,
    },
    /// Applies these CRDs of the charts, in this order.
    ApplyCrds {
        /// Their names, new ones first, third-party ones last.
        names: Vec<String>,
    },
    /// Verifies that all these CRDs are established and that the API server serves the chart's schema of the changed ones.
    VerifyServedSchema {
        /// Every CRD of the charts.
        names: Vec<String>,
    },
    /// Marks a revision failed that helm left pending in an interrupted run: helm refuses every upgrade until then.
    UnlockRelease {
        /// The release.
        release: String,
        /// The revision.
        revision: u64,
    },
    /// Makes helm the owner of live objects that the vendor's upgrade guide or this program applied with kubectl: the ownership
    /// metadata that helm requires, and for a server-side helm the fields in `managedFields`. No other field changes.
    AdoptObjects {
        /// The release.
        release: String,
        /// How helm writes it.
        apply_method: ApplyMethod,
        /// The objects.
        objects: Vec<ObjectRef>,
    },
    /// Writes the release record of the CRD chart, so that helm reports the right version.
    RecordRelease {
        /// The release.
        release: String,
    },
    /// Upgrades the application and waits until it is ready.
    UpgradeRelease {
        /// The release.
        release: String,
    },
    /// Suspends the application's HelmRelease and annotates it with the run's id.
    SuspendHelmRelease {
        /// The HelmRelease.
        helm_release: FluxRef,
    },
    /// Patches a source to another version and waits until its artifact is that chart.
    UpdateSource {
        /// Whose release it is for.
        role: ReleaseRole,
        /// The object to patch.
        object: FluxRef,
        /// The merge patch.
        patch: Value,
        /// The object whose artifact is the chart.
        artifact: FluxRef,
        /// The wanted chart.
        target: flux::TargetChart,
    },
    /// Waits until a HelmRelease is Ready at the observed generation with the chart as newest revision.
    AwaitHelmRelease {
        /// Whose release it is for.
        role: ReleaseRole,
        /// Whether the step requests a reconcile; not if it only follows someone else's roll-out.
        requests_reconcile: bool,
        /// The HelmRelease.
        helm_release: FluxRef,
        /// The chart of its newest revision; none if the chart does not change.
        target: Option<flux::TargetChart>,
    },
    /// Waits until an Argo CD Application is synced to a version and healthy.
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
    /// Applies manifests of Flux, and the Secret with their values.
    ApplyManifests {
        /// Whose release they install.
        role: ReleaseRole,
        /// The objects: a plan holds no values.
        objects: Vec<FluxRef>,
    },
    /// Resumes the application's HelmRelease, with its changes.
    ResumeHelmRelease {
        /// The HelmRelease.
        helm_release: FluxRef,
        /// Whether it gets new values: a plan holds none.
        has_new_values: bool,
        /// The next `spec.dependsOn`; none if it does not change.
        depends_on: Option<Value>,
    },
    /// Rolls the application back to an earlier revision and waits until it is ready.
    RollbackRelease {
        /// The release.
        release: String,
        /// The revision that helm rolls back to; helm writes it as a new revision.
        revision: u64,
        /// Whether the step waits until everything is ready; not for a release that is only a record.
        wait: bool,
    },
    /// Applies these CRDs from the backup that was made before the run. It never deletes one.
    RestoreCrds {
        /// Their names.
        names: Vec<String>,
    },
    /// Replaces the live objects of these CRDs with those of the backup.
    RestoreObjects {
        /// The CRDs.
        names: Vec<String>,
    },
    /// Removes the annotation `helm.sh/resource-policy: keep` that a run of ours set on these CRDs.
    RemoveKeepAnnotation {
        /// Their names.
        names: Vec<String>,
    },
    /// Discards unreadable runs from the journal.
    DiscardRuns {
        /// Their ids.
        runs: Vec<String>,
    },
    /// Runs the final check.
    Validate,
}

/// A step of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which step: once in a plan.
    pub id: StepId,
    /// The title of the step, in a few words.
    pub title: String,
    /// The action.
    #[serde(flatten)]
    pub action: Action,
    /// The reason.
    pub reason: String,
    /// The exact command, secrets masked; empty if the step runs none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

/// Everything that will be done, and everything that it was decided from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// `mural/v1`
    pub api_version: &'static str,
    /// `UpgradePlan`
    pub kind: &'static str,
    /// The cluster.
    pub cluster: ClusterInfo,
    /// The required owner.
    pub mode: OwnerMode,
    /// The holders of Leases while this plan is built.
    pub locks: Observed<Vec<HeldLock>>,
    /// The charts that move, the CRD chart first.
    pub charts: Vec<ChartUpgrade>,
    /// The decision about every CRD of the charts.
    pub crds: Vec<CrdPlan>,
    /// The application's objects that change.
    pub objects: Vec<ObjectChange>,
    /// The application's values that change.
    pub values: Vec<ValueChange>,
    /// The results of the guards.
    pub guards: Vec<CheckResult>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The items that stay unchanged, with reasons.
    pub unchanged_items: Vec<UnchangedItem>,
    /// The permissions of the run; `--explain-permissions` prints them.
    #[serde(skip)]
    pub permissions: RequiredPermissions,
}

impl ChartUpgrade {
    /// The installed version, `not installed`, or `unknown`.
    #[must_use]
    pub fn format_installed(&self) -> &str {
        match (&self.from, &self.unread) {
            (Some(from), _) => from,
            (None, Some(_)) => "unknown",
            (None, None) => "not installed",
        }
    }

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

    /// The number of the step that migrates the objects of a CRD, counted from 1; none if no step does.
    #[must_use]
    pub fn find_migration_step(&self, crd: &str) -> Option<usize> {
        let migrates = |step: &Step| match &step.action {
            Action::MigrateObjects { crds } => crds.iter().any(|migration| migration.name == crd),
            _ => false,
        };
        self.steps.iter().position(migrates).map(|at| at + 1)
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

    /// Why nothing can be decided: the records of a release cannot be read. Then the plan has no steps and no changes.
    #[must_use]
    pub fn find_unread_release(&self) -> Option<&str> {
        self.charts.iter().find_map(|chart| chart.unread.as_deref())
    }

    /// Whether a guard is undetermined.
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
            | Self::AdoptObjects { .. }
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
            // If everything is requested already and nothing came of it, as after a rollback by helm-controller, the step only requests a reconcile.
            Self::AwaitHelmRelease { requests_reconcile: asks, .. } => *asks,
            Self::AwaitArgoApplication { .. } | Self::VerifyServedSchema { .. } | Self::Validate => false,
        }
    }
}
