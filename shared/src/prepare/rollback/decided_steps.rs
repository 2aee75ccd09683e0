//! The plan of steps that need no chart: their commands, and the results of their guards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::ask::expect::Expectations;
use crate::ask::{AllowedActions, BackupMode, Installation, OwnerMode};
use crate::cluster::{admission_reader, application_objects, permission_reader};
use crate::guards;
use crate::guards::context::GuardContext;
use crate::model::access_review::AccessReview;
use crate::model::application::ApplyMethod;
use crate::model::check::CheckResult;
use crate::model::cluster_view::ClusterView;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::health_inputs::HealthInputs;
use crate::model::secret::Hidden;
use crate::model::task::Task;
use crate::plan::flux::FluxRoutes;
use crate::plan::order::{self, PlanDefect};
use crate::plan::required_permissions::{CrdWrites, HelmWait, PermissionScope, ReleaseWrites, collect_permissions};
use crate::plan::{API_VERSION, Action, Plan, Step};
use crate::prepare::inventory::ClusterReading;
use crate::prepare::picture;
use crate::prepare::session::Connection;
use crate::tools::helm::RollbackArgs;

/// What a rollback and a repair share: no chart moves, so no chart is rendered or forecast.
pub(crate) struct RecoveryContext<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) reading: &'a ClusterReading,
    pub(crate) installation: &'a Installation,
    pub(crate) mode: OwnerMode,
    pub(crate) timeout: Duration,
    /// The operator's own arguments for `helm rollback`.
    pub(crate) helm_args: Vec<String>,
    pub(crate) now: Timestamp,
}

/// The decided steps, with the input of their guards.
pub(crate) struct DecidedSteps<'a> {
    pub(crate) steps: Vec<Step>,
    pub(crate) crd_answers: &'a BTreeMap<String, CrdDryRunResult>,
    /// Selects the guards.
    pub(crate) task: Task,
}

impl RecoveryContext<'_> {
    /// The plan of the decided steps, with their commands and guard results.
    ///
    /// # Errors
    /// The steps break an order rule, which is a defect of this program.
    pub(crate) async fn build_plan(&self, decided: DecidedSteps<'_>) -> Result<Plan, PlanDefect> {
        order::check_order(&decided.steps).map_err(PlanDefect)?;
        let grants = self.read_grants(&decided).await;
        let guards = self.check_guards(&decided, &grants).await;
        let steps = decided.steps.into_iter().map(|step| Step { command: self.build_command(&step.action), ..step });
        Ok(Plan {
            api_version: API_VERSION,
            kind: "UpgradePlan",
            cluster: self.reading.view.cluster.clone(),
            mode: self.mode,
            locks: self.connection.locks.clone(),
            charts: Vec::new(),
            crds: Vec::new(),
            objects: Vec::new(),
            values: Vec::new(),
            guards,
            steps: steps.collect(),
            unchanged_items: Vec::new(),
            permissions: grants.permissions,
        })
    }

    /// What the health checks read before the first write.
    pub(crate) async fn read_health_inputs(&self) -> HealthInputs {
        let (cluster, view) = (&self.connection.cluster, &self.reading.view);
        picture::read_health_inputs(cluster, self.installation, view, &Expectations::default()).await
    }

    #[expect(clippy::too_many_lines, reason = "one field of the context a line, and nothing else")]
    async fn check_guards(&self, decided: &DecidedSteps<'_>, grants: &AccessReview) -> Vec<CheckResult> {
        let (cluster, tools, uids) = (&self.connection.cluster, &self.connection.tools, &self.reading.cluster_uids);
        let Installation { namespace, crds_release, app_release, .. } = self.installation;
        let policies = admission_reader::read_admission_policies(cluster, namespace, &BTreeSet::new(), &[]).await;
        let no_values = Hidden::new(Value::Object(Map::new()));
        let context = GuardContext {
            view: &self.reading.view,
            mode: self.mode,
            helm_version: tools.helm.clone(),
            kubectl_version: tools.kubectl.clone(),
            helm_cluster_uid: uids.helm.clone(),
            kubectl_cluster_uid: uids.kubectl.clone(),
            crds_release,
            app_release,
            crds_chart: None,
            app_chart: None,
            forecasts: decided.crd_answers,
            verdicts: &BTreeMap::new(),
            waiver_notes: &[],
            locks: &self.connection.locks,
            application: None,
            adoptions: &[],
            field_conflicts: &Ok(Vec::new()),
            policies: &policies,
            record_sizes: &[],
            grants,
            images: None,
            token_expiry: cluster.token_expiry,
            bundle: None,
            signatures: &[],
            now: self.now,
            timeout: self.timeout,
            config: &no_values,
            server_dry_run: true,
            allowed: AllowedActions::default(),
            backup: BackupMode::Unsupported,
            journal: &self.connection.journal,
            drift: None,
            flux: &FluxRoutes::default(),
        };
        guards::run_guards(decided.task, &context)
    }

    /// The exact command of a step that runs one; empty for all others.
    fn build_command(&self, action: &Action) -> Vec<String> {
        let (helm, kubectl) = (&self.connection.helm, &self.connection.kubectl);
        match action {
            Action::AddKeepAnnotation { names } => kubectl.build_annotate_keep_call(names, self.timeout).masked_words(),
            Action::RemoveKeepAnnotation { names } => {
                kubectl.build_remove_keep_call(names, self.timeout).masked_words()
            }
            Action::RestoreCrds { .. } => kubectl.build_apply_call(self.timeout).masked_words(),
            Action::RollbackRelease { release, revision, wait } => {
                let (extra_args, timeout) = (self.helm_args.clone(), self.timeout);
                let rollback = RollbackArgs { release, revision: *revision, wait: *wait, timeout, extra_args };
                helm.build_rollback_call(&rollback).masked_words()
            }
            Action::ApplyCrds { .. }
            | Action::MigrateObjects { .. }
            | Action::VerifyServedSchema { .. }
            | Action::UnlockRelease { .. }
            | Action::AdoptObjects { .. }
            | Action::RecordRelease { .. }
            | Action::UpgradeRelease { .. }
            | Action::SuspendHelmRelease { .. }
            | Action::UpdateSource { .. }
            | Action::AwaitHelmRelease { .. }
            | Action::AwaitArgoApplication { .. }
            | Action::ApplyManifests { .. }
            | Action::ResumeHelmRelease { .. }
            | Action::RestoreObjects { .. }
            | Action::DiscardRuns { .. }
            | Action::Validate => Vec::new(),
        }
    }

    async fn read_grants(&self, decided: &DecidedSteps<'_>) -> AccessReview {
        let (cluster, steps) = (&self.connection.cluster, &decided.steps);
        let writes_crds = steps.iter().any(|step| {
            matches!(
                step.action,
                Action::RestoreCrds { .. }
                    | Action::AddKeepAnnotation { .. }
                    | Action::RemoveKeepAnnotation { .. }
                    | Action::MigrateObjects { .. }
                    | Action::AdoptObjects { .. }
            )
        });
        let migrates = steps.iter().any(|step| matches!(step.action, Action::MigrateObjects { .. }));
        let rolled_back = steps.iter().filter_map(|step| match &step.action {
            Action::RollbackRelease { release, revision, wait } => {
                RolledBackRelease::find(&self.reading.view, release, *revision, *wait)
            }
            _ => None,
        });
        let rolled_back: Vec<RolledBackRelease> = rolled_back.collect();
        let kinds =
            if rolled_back.is_empty() { None } else { application_objects::read_served_kinds(cluster).await.ok() };
        let helm_major = self.connection.tools.helm.as_ref().map_or(3, |version| version.major);
        let judged: Vec<&Crd> = decided.crd_answers.values().filter_map(CrdDryRunResult::planned_crd).collect();
        let scope = PermissionScope {
            namespace: &self.installation.namespace,
            crd_writes: if writes_crds { CrdWrites::Update } else { CrdWrites::None },
            releases: rolled_back.iter().map(|release| release.to_writes(helm_major)).collect(),
            migrated_crds: if migrates { &judged } else { &[] },
            webhook_namespaces: BTreeSet::new(),
            inspected_crds: &judged,
            kinds: kinds.as_ref(),
            chart_crds: &[],
            patched_objects: &[],
        };
        permission_reader::review_permissions(cluster, collect_permissions(&scope)).await
    }
}

/// The current objects of a release, and those of the revision that helm rolls back to.
struct RolledBackRelease {
    old: Vec<Value>,
    new: Vec<Value>,
    method: ApplyMethod,
    waits: bool,
}

impl RolledBackRelease {
    fn find(view: &ClusterView, release: &str, revision: u64, waits: bool) -> Option<Self> {
        let records = view.releases.get(release)?.as_ref().ok()?;
        let target = records.iter().find(|record| record.revision == revision)?;
        let newest = records.last()?;
        let method = ApplyMethod::of_record(target);
        Some(Self { old: newest.manifest_objects().ok()?, new: target.manifest_objects().ok()?, method, waits })
    }

    fn to_writes(&self, helm_major: u64) -> ReleaseWrites<'_> {
        let Self { old, new, method, waits } = self;
        let wait = if *waits { HelmWait::of_version(helm_major) } else { HelmWait::None };
        ReleaseWrites { old, new, live: None, method: *method, wait }
    }
}
