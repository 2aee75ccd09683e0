//! What preparation hands over to the run: one value, [`Prepared`], in three parts. Types only.
//!
//! The [`Session`] is what every run needs, the plan is what the operator agrees to, and the [`Work`] is what only this kind
//! of run has. The stages of `prepare` build them; `run` reads them and decides nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use crate::ask::{BackupMode, Installation, UpgradeSpec};
use crate::cluster::Cluster;
use crate::model::cluster_view::{ClusterView, Observed};
use crate::model::crd::Crd;
use crate::model::health_inputs::HealthInputs;
use crate::model::known_secrets::Secrets;
use crate::model::lease::HolderIdentity;
use crate::model::secret::Hidden;
use crate::model::tool_versions::ToolVersions;
use crate::plan::Plan;
use crate::plan::flux::{FluxRoute, FluxRoutes};
use crate::plan::journal::{BackupRef, RunEntry};
use crate::plan::recorded_state::RecordedState;
use crate::plan::repair::Issue;
use crate::plan::rollback_plan::RollbackPlan;
use crate::prepare::lease_watcher::LeaseWatcher;
use crate::prepare::local_run_locks::LocalRunLocks;
use crate::prepare::rendered_charts::{RenderedChart, RenderedCharts};
use crate::problem::Exit;
use crate::report::upgrade_report::{Outcome, ReportKind, UpgradeReport};
use crate::tools::helm::Helm;
use crate::tools::kubectl::Kubectl;
use crate::tools::program_paths::Programs;

/// What the process environment gives to a run, read once at the edge.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The paths of helm and kubectl.
    pub programs: Programs,
    /// helm's own registry configuration, for a static login.
    pub helm_registry_config: Option<PathBuf>,
    /// The run's id.
    pub run_id: String,
    /// A different text in every run; keys the hashes of values.
    pub salt: String,
    /// The identity that this run writes into its Leases.
    pub identity: HolderIdentity,
    /// Whether this run writes to the cluster.
    pub mode: RunMode,
    /// Where the runs of this workstation keep their lock files; `None` without a state directory.
    pub local_locks: Option<LocalRunLocks>,
    /// Whether the run backs up before its first write: then it must be allowed to list the custom resources.
    pub backup: BackupMode,
    /// Where this workstation keeps journals and backups.
    pub state_dir: Option<PathBuf>,
    /// The program that starts helm and kubectl so that they end with this process; `None` where the kernel cannot do it.
    pub starter: Option<PathBuf>,
}

/// Whether a run writes to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// Reads, renders and dry-runs only.
    ReadOnly,
    /// Writes once the operator agrees.
    Write {
        /// The longest wait for a Lease that another run holds.
        wait_for_lock: Duration,
    },
}

impl RunMode {
    /// The mode of a run that writes if `writes` is true.
    #[must_use]
    pub const fn new(writes: bool, wait_for_lock: Duration) -> Self {
        if writes { Self::Write { wait_for_lock } } else { Self::ReadOnly }
    }

    /// Whether the run writes.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write { .. })
    }

    /// The longest wait for a Lease; `None` in a run that does not need one.
    #[must_use]
    pub const fn lock_wait(self) -> Option<Duration> {
        match self {
            Self::Write { wait_for_lock } => Some(wait_for_lock),
            Self::ReadOnly => None,
        }
    }
}

/// A plan, with all that its run needs.
pub struct Prepared {
    /// Cluster, tools and the state before the run.
    pub session: Session,
    /// The steps, their reasons and what the guards say.
    pub plan: Plan,
    /// What only this kind of run has.
    pub work: Work,
}

impl Prepared {
    /// The report of this plan without steps: its kind, and what only that kind reports, follow from the work.
    #[must_use]
    pub fn build_report(&self, outcome: Outcome, exit: Exit, seconds: f64) -> UpgradeReport {
        let run_id = self.session.env.run_id.clone();
        let report = UpgradeReport::new(run_id, self.plan.clone(), (outcome, exit), seconds, Timestamp::now());
        match &self.work {
            Work::Upgrade(_) => report,
            Work::Rollback(rollback) => UpgradeReport {
                kind: ReportKind::Rollback,
                rollback_plan: Some(rollback.target.plan.clone()),
                ..report
            },
            Work::Repair(repair) => UpgradeReport { kind: ReportKind::Repair, issues: repair.issues.clone(), ..report },
            Work::ApplyCrds(_) => UpgradeReport { kind: ReportKind::CrdApply, ..report },
        }
    }
}

/// The connection to the cluster and the tools, and the state before the first write.
pub struct Session {
    /// The installation that the run is about.
    pub installation: Installation,
    /// The API client.
    pub cluster: Cluster,
    /// The operator's helm.
    pub helm: Helm,
    /// The operator's kubectl.
    pub kubectl: Kubectl,
    /// The versions of helm and kubectl.
    pub tools: ToolVersions,
    /// The cluster before the first write.
    pub view: ClusterView,
    /// What the health checks read before the first write; `None` in a read-only run.
    pub health_inputs: Option<HealthInputs>,
    /// Texts that no output may show.
    pub secrets: Secrets,
    /// Who holds the Leases, with the identity of this run.
    pub lease_watcher: LeaseWatcher,
    /// The process environment.
    pub env: Environment,
    /// Holds the charts and value files of this run; removed on drop.
    pub(crate) private_dir: TempDir,
}

/// What only one kind of run has.
pub enum Work {
    /// Moves the charts to other versions.
    Upgrade(Box<UpgradeWork>),
    /// Rolls back to the state before a run.
    Rollback(Box<RollbackWork>),
    /// Fixes what an interrupted run or a person left behind.
    Repair(RepairWork),
    /// Applies the CRDs of a chart and writes no release.
    ApplyCrds(ApplyCrdsWork),
}

/// The work of an upgrade.
pub struct UpgradeWork {
    /// The operator's request, with charts and values from Flux where Flux owns a release.
    pub ask: UpgradeSpec,
    /// The charts as rendered, with their CRDs and the next values.
    pub charts: RenderedCharts,
    /// Live CRDs that leave the manifest of a release: helm must find the keep annotation on each.
    pub removed_crds: Vec<String>,
    /// The route of each chart through Flux; empty where Flux owns neither release.
    pub flux: FluxRoutes,
    /// Flux's manifests, if the upgrade hands the releases over to Flux.
    pub handover_manifests: Option<Hidden<Vec<Value>>>,
    /// What the plan was made from, for a saved plan and for the journal.
    pub recorded_state: Observed<RecordedState>,
    /// The interrupted run that this one continues.
    pub resumed: Option<ResumedRun>,
}

/// An interrupted run that an upgrade continues.
pub struct ResumedRun {
    /// The run as the journal has it.
    pub run: RunEntry,
    /// Whether the operator asked to resume this very run. Then no other run is an alternative.
    pub is_required: bool,
}

/// The work of a rollback.
pub struct RollbackWork {
    /// The request of the run that is rolled back.
    pub ask: UpgradeSpec,
    /// The run, and how much of it is rolled back.
    pub target: RollbackTarget,
    /// The CRDs that the steps restore.
    pub crds: BTreeMap<String, Crd>,
}

/// The run that a rollback rolls back.
pub struct RollbackTarget {
    /// The run, and those that it resumed.
    pub run_ids: Vec<String>,
    /// The state before it.
    pub recorded_state: RecordedState,
    /// Its backup, as the journal has it.
    pub backup: Option<BackupRef>,
    /// The backup's directory on this workstation.
    pub backup_dir: Option<PathBuf>,
    /// What is rolled back, what is not, and why.
    pub plan: RollbackPlan,
}

/// The work of a repair.
pub struct RepairWork {
    /// Everything found, fixable or not.
    pub issues: Vec<Issue>,
    /// The CRDs that the steps apply.
    pub crds: BTreeMap<String, Crd>,
    /// The arguments for `helm rollback`.
    pub helm_args: Vec<String>,
}

/// The work of `helm mural crds apply`.
pub struct ApplyCrdsWork {
    /// The CRDs that the steps apply.
    pub crds: BTreeMap<String, Crd>,
}

/// What the journal records of a run's beginning.
pub struct JournalBaseline<'a> {
    /// The request that a later `resume` or `rollback` starts from.
    pub ask: &'a UpgradeSpec,
    /// The state that a later `rollback` restores.
    pub recorded_state: Observed<RecordedState>,
}

impl Work {
    /// The upgrade, if it is one.
    #[must_use]
    pub fn as_upgrade(&self) -> Option<&UpgradeWork> {
        match self {
            Self::Upgrade(upgrade) => Some(upgrade),
            Self::Rollback(_) | Self::Repair(_) | Self::ApplyCrds(_) => None,
        }
    }

    /// The run that is rolled back, if any.
    #[must_use]
    pub fn rollback_target(&self) -> Option<&RollbackTarget> {
        match self {
            Self::Rollback(rollback) => Some(&rollback.target),
            Self::Upgrade(_) | Self::Repair(_) | Self::ApplyCrds(_) => None,
        }
    }

    /// The CRDs that the steps may write, by name.
    #[must_use]
    pub fn crds(&self) -> &BTreeMap<String, Crd> {
        match self {
            Self::Upgrade(upgrade) => &upgrade.charts.desired_crds,
            Self::Rollback(rollback) => &rollback.crds,
            Self::Repair(repair) => &repair.crds,
            Self::ApplyCrds(apply) => &apply.crds,
        }
    }

    /// The CRD chart, if this run moves it.
    #[must_use]
    pub fn crds_chart(&self) -> Option<&RenderedChart> {
        self.as_upgrade()?.charts.crds.as_ref()
    }

    /// The application chart, if this run moves it.
    #[must_use]
    pub fn app_chart(&self) -> Option<&RenderedChart> {
        self.as_upgrade()?.charts.app.as_ref()
    }

    /// Live CRDs that leave the manifest of a release in this run.
    #[must_use]
    pub fn removed_crds(&self) -> &[String] {
        match self {
            Self::Upgrade(upgrade) => &upgrade.removed_crds,
            Self::Rollback(rollback) => &rollback.target.plan.crds_to_annotate,
            Self::Repair(_) | Self::ApplyCrds(_) => &[],
        }
    }

    /// The routes through Flux, the CRD chart's first.
    pub fn flux_routes(&self) -> impl Iterator<Item = &FluxRoute> {
        self.as_upgrade().into_iter().flat_map(|upgrade| upgrade.flux.routes())
    }

    /// The application's route through Flux, if Flux owns it.
    #[must_use]
    pub fn app_route(&self) -> Option<&FluxRoute> {
        self.as_upgrade()?.flux.app.as_ref()
    }

    /// The operator's own arguments for helm.
    #[must_use]
    pub fn helm_args(&self) -> Vec<String> {
        match self {
            Self::Upgrade(upgrade) => upgrade.ask.helm_options.to_args(),
            Self::Rollback(rollback) => rollback.ask.helm_options.to_args(),
            Self::Repair(repair) => repair.helm_args.clone(),
            Self::ApplyCrds(_) => Vec::new(),
        }
    }

    /// What the journal records; `None` for a run without one.
    #[must_use]
    pub fn journal_baseline(&self) -> Option<JournalBaseline<'_>> {
        match self {
            Self::Upgrade(upgrade) => {
                Some(JournalBaseline { ask: &upgrade.ask, recorded_state: upgrade.recorded_state.clone() })
            }
            Self::Rollback(rollback) => {
                Some(JournalBaseline { ask: &rollback.ask, recorded_state: Ok(rollback.target.recorded_state.clone()) })
            }
            Self::Repair(_) | Self::ApplyCrds(_) => None,
        }
    }
}
