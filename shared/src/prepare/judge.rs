//! Makes the plan from the observations: runs every guard, judges every CRD, decides the steps.
//!
//! Pure: the clock and the commands of helm and kubectl arrive as arguments, so the same observations give the same plan.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::ask::{BackupMode, UpgradeScope, UpgradeSpec};
use crate::checks::crd_changes::CrdVerdict;
use crate::checks::crd_changes::waivers::WaiverNote;
use crate::diff;
use crate::guards;
use crate::guards::context::{ChartFacts, GuardContext};
use crate::guards::helm_would_delete_crds;
use crate::model::access_review::AccessReview;
use crate::model::admission_policies::AdmissionPolicies;
use crate::model::application::ApplicationState;
use crate::model::chart_changes::{CHANGES_ANNOTATION, read_named_changes};
use crate::model::cluster_view::{ClusterView, Observed};
use crate::model::container_images::ImageLookup;
use crate::model::content_bundle::ContentBundle;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::lease::HeldLock;
use crate::model::object::ObjectRef;
use crate::model::owner::Owner;
use crate::model::pending_release::find_interrupted_run;
use crate::model::release::ReleaseRecord;
use crate::model::release_role::ReleaseRole;
use crate::model::signature::SignatureCheck;
use crate::model::task::Task;
use crate::model::tool_versions::ToolVersions;
use crate::plan::adoption::AdoptionForecast;
use crate::plan::decide::{ChartState, UpgradeFacts};
use crate::plan::diff_noise::IgnoredPaths;
use crate::plan::drift::DriftItem;
use crate::plan::flux::FluxRoutes;
use crate::plan::journal::JournalSnapshot;
use crate::plan::order::{self, PlanDefect};
use crate::plan::{
    API_VERSION, ChartUpgrade, CrdPlan, ObjectChange, Plan, Step, UnchangedItem, ValueChange, crd_migration, crd_plan,
    decide, object_changes,
};
use crate::prepare::collect_secrets::collect_upgrade_secrets;
use crate::prepare::manifest_jobs;
use crate::prepare::missing_objects::list_missing_objects;
use crate::prepare::rendered_charts::{RenderedChart, RenderedCharts};
use crate::prepare::stored_manifest::{StoredManifestError, parse_stored_manifest};
use crate::problem::Problem;

/// The server's answers to every write, and what affects the writes.
pub struct Forecast {
    /// The server's answer for every CRD of the charts.
    pub crd_answers: BTreeMap<String, CrdDryRunResult>,
    /// The verdict on each CRD's change, including its effect on live objects.
    pub verdicts: BTreeMap<String, CrdVerdict>,
    /// Problems of the waivers.
    pub waiver_notes: Vec<WaiverNote>,
    /// The forecast of the application's objects; none if the application does not move.
    pub application: Option<ApplicationState>,
    /// What helm must own first, and which fields it may not write.
    pub adoption: AdoptionForecast,
    /// The objects that surround the installation.
    pub policies: AdmissionPolicies,
    /// The size of each next record in bytes, if it is large enough to matter.
    pub record_sizes: Vec<(String, Option<usize>)>,
    /// The granted permissions.
    pub grants: AccessReview,
    /// The registries' answers for new images.
    pub images: ImageLookup,
    /// When the login token expires, if it says so.
    pub token_ends: Option<Timestamp>,
    /// The content of the content bundle; none without `--bundle`.
    pub bundle: Option<Observed<ContentBundle>>,
    /// The verification of the charts' signatures; empty if none is required.
    pub signatures: Vec<SignatureCheck>,
}

/// The uid of `kube-system` as each tool reads it: both tools must use the same cluster.
#[derive(Debug, Clone)]
pub struct ClusterUids {
    /// As helm reads it.
    pub helm: Observed<String>,
    /// As kubectl reads it.
    pub kubectl: Observed<String>,
}

/// Everything read from the cluster, the registries and the tools before a decision.
pub struct Observations<'a> {
    /// When they were read.
    pub now: Timestamp,
    /// The cluster.
    pub view: &'a ClusterView,
    /// helm's and kubectl's versions.
    pub tools: &'a ToolVersions,
    /// Which cluster helm and kubectl use.
    pub cluster_uids: ClusterUids,
    /// The forecast.
    pub forecast: Forecast,
    /// Whether the run backs up before its first write.
    pub backup: BackupMode,
    /// Who holds a Lease.
    pub locks: &'a Observed<Vec<HeldLock>>,
    /// The journal of earlier runs.
    pub journal: &'a Observed<JournalSnapshot>,
    /// Whether the run that is resumed has applied CRDs and not verified them.
    pub has_unverified_crds: bool,
    /// Whether the run that is continued has failed in the step of the application's release.
    pub has_failed_release: bool,
    /// The drift from a saved plan or an interrupted run; none if there is neither.
    pub drift: Option<Observed<Vec<DriftItem>>>,
    /// The routes through Flux; empty if Flux owns neither release.
    pub flux: &'a FluxRoutes,
}

/// Builds the exact commands that a plan shows, secrets masked.
pub trait PlanCommands {
    /// The command that writes the release of a chart.
    fn upgrade_release(&self, role: ReleaseRole, chart: &RenderedChart) -> Vec<String>;

    /// The command that annotates CRDs with keep.
    fn annotate_keep(&self, names: &[String]) -> Vec<String>;

    /// The command that applies CRDs.
    fn apply_crds(&self) -> Vec<String>;
}

/// Makes the plan.
///
/// # Errors
/// The stored manifest of a release cannot be parsed, or the steps break an order rule, which is a defect of this program.
pub fn build_plan(
    ask: &UpgradeSpec,
    observations: &Observations<'_>,
    rendered: &RenderedCharts,
    commands: &dyn PlanCommands,
) -> Result<Plan, Problem> {
    let guards = guards::run_guards(Task::Upgrade, &build_guard_context(ask, observations, rendered));
    let crds = judge_crds(ask, observations, rendered);
    let view = observations.view;
    let crds_chart = rendered.crds.as_ref().map(|chart| ChartChange::new(ask, view, chart, ReleaseRole::Crds));
    let app = rendered.app.as_ref().map(|chart| ChartChange::new(ask, view, chart, ReleaseRole::App));
    let states = ChartChanges {
        crds: crds_chart.transpose()?.map(|state| state.with_values(rendered.crds_config.reveal())),
        app: match app.transpose()?.map(|state| state.with_values(rendered.config.reveal())) {
            Some(state) if observations.has_failed_release => Some(state.with_deleted_jobs(view)),
            state => state,
        }
        .map(|state| state.with_missing_objects(&ask.installation.namespace, observations)),
    };
    let (steps, left_alone) = decide_steps(ask, observations, rendered, &states, &crds, commands)?;
    let charts = [&states.crds, &states.app].into_iter().flatten().map(|state| state.upgrade.clone()).collect();
    let ChartChanges { app, .. } = states;
    let (objects, values) = app.map_or_else(Default::default, |state| (state.objects, state.values));
    let plan = Plan {
        api_version: API_VERSION,
        kind: "UpgradePlan",
        cluster: view.cluster.clone(),
        mode: ask.mode,
        locks: observations.locks.clone(),
        charts,
        crds,
        objects,
        values,
        guards,
        steps,
        unchanged_items: left_alone,
        permissions: observations.forecast.grants.permissions.clone(),
    };
    let plan = if ask.scope == UpgradeScope::Releases { plan.without_guesses() } else { plan };
    Ok(plan.mask(&collect_upgrade_secrets(ask, view, rendered)))
}

/// The steps in order, and what stays unchanged.
fn decide_steps(
    ask: &UpgradeSpec,
    observations: &Observations<'_>,
    rendered: &RenderedCharts,
    changes: &ChartChanges<'_>,
    crds: &[CrdPlan],
    commands: &dyn PlanCommands,
) -> Result<(Vec<Step>, Vec<UnchangedItem>), PlanDefect> {
    let keep = list_crds_to_keep(ask, observations, rendered);
    let migrate = crd_migration::plan_migrations(
        &live_crds(observations.view),
        &rendered.desired_crds,
        ask.allowed_actions.migrate,
    );
    let decided = decide::decide_upgrade(&UpgradeFacts {
        crds_chart: changes.crds.as_ref().map(|change| change.to_chart_state(commands)),
        app: changes.app.as_ref().map(|change| change.to_chart_state(commands)),
        crds,
        crds_to_annotate: &keep,
        migrations: &migrate,
        annotate_command: commands.annotate_keep(&keep),
        apply_command: commands.apply_crds(),
        adoptions: &observations.forecast.adoption.adoptions,
        flux: observations.flux.has_any().then_some(observations.flux),
        has_unverified_crds: observations.has_unverified_crds,
    });
    order::check_order(&decided.0).map_err(PlanDefect)?;
    Ok(decided)
}

fn judge_crds(ask: &UpgradeSpec, observations: &Observations<'_>, rendered: &RenderedCharts) -> Vec<CrdPlan> {
    let (dropped, templates) = (list_dropped_crds(ask, observations.view, rendered), rendered.crds_in_templates(ask));
    crd_plan::plan_crds(
        &live_crds(observations.view),
        &observations.forecast.crd_answers,
        &observations.forecast.verdicts,
        &dropped,
        &templates,
    )
}

/// Live CRDs that leave the manifest of a release in this run, with or without the keep annotation.
#[must_use]
pub fn list_removed_crds(ask: &UpgradeSpec, observations: &Observations<'_>, rendered: &RenderedCharts) -> Vec<String> {
    let all = helm_would_delete_crds::find_removed_templates(&build_guard_context(ask, observations, rendered))
        .unwrap_or_default();
    all.into_iter().map(|(name, _)| name).collect()
}

/// CRDs to annotate, because helm would delete them in this run; none if this is undetermined, which the guard reports.
fn list_crds_to_keep(ask: &UpgradeSpec, observations: &Observations<'_>, rendered: &RenderedCharts) -> Vec<String> {
    if !ask.allowed_actions.keep_crds {
        return Vec::new();
    }
    helm_would_delete_crds::find_unprotected_crds(&build_guard_context(ask, observations, rendered))
        .unwrap_or_default()
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn live_crds(view: &ClusterView) -> BTreeMap<String, Crd> {
    view.crds.as_ref().cloned().unwrap_or_default()
}

fn chart_facts<'a>(rendered_chart: &'a RenderedChart, release: &'a str) -> ChartFacts<'a> {
    ChartFacts {
        release,
        reference: rendered_chart.fetched.reference.to_string(),
        chart: &rendered_chart.fetched.chart,
        digest: &rendered_chart.fetched.digest,
        rendered: &rendered_chart.rendered,
        schema_refusals: &rendered_chart.schema_refusals,
        post_renderer_error: rendered_chart.post_render_failure.as_deref(),
    }
}

fn build_guard_context<'a>(
    ask: &'a UpgradeSpec,
    observations: &'a Observations<'_>,
    rendered: &'a RenderedCharts,
) -> GuardContext<'a> {
    let installation = &ask.installation;
    GuardContext {
        view: observations.view,
        mode: ask.mode,
        helm_version: observations.tools.helm.clone(),
        kubectl_version: observations.tools.kubectl.clone(),
        helm_cluster_uid: observations.cluster_uids.helm.clone(),
        kubectl_cluster_uid: observations.cluster_uids.kubectl.clone(),
        crds_release: &installation.crds_release,
        app_release: &installation.app_release,
        crds_chart: rendered
            .crds
            .as_ref()
            .map(|rendered_chart| chart_facts(rendered_chart, &installation.crds_release)),
        app_chart: rendered.app.as_ref().map(|rendered_chart| chart_facts(rendered_chart, &installation.app_release)),
        forecasts: &observations.forecast.crd_answers,
        verdicts: &observations.forecast.verdicts,
        waiver_notes: &observations.forecast.waiver_notes,
        locks: observations.locks,
        application: observations.forecast.application.as_ref(),
        adoptions: &observations.forecast.adoption.adoptions,
        field_conflicts: &observations.forecast.adoption.conflicts,
        policies: &observations.forecast.policies,
        record_sizes: &observations.forecast.record_sizes,
        grants: &observations.forecast.grants,
        images: observations.forecast.images.as_ref(),
        token_expiry: observations.forecast.token_ends,
        bundle: observations.forecast.bundle.as_ref(),
        signatures: &observations.forecast.signatures,
        now: observations.now,
        timeout: ask.timeout,
        config: &rendered.config,
        server_dry_run: ask.server_dry_runs,
        allowed: ask.allowed_actions,
        backup: observations.backup,
        journal: observations.journal,
        drift: observations.drift.as_ref(),
        flux: observations.flux,
    }
}

/// CRDs of the CRD chart's release that its new chart does not have.
pub(crate) fn list_dropped_crds(ask: &UpgradeSpec, view: &ClusterView, rendered: &RenderedCharts) -> Vec<String> {
    if rendered.crds.is_none() {
        return Vec::new();
    }
    let record = view.newest_revision(&ask.installation.crds_release).ok().flatten();
    let had = record.map(|record| record.crd_names.clone()).unwrap_or_default();
    had.into_iter().filter(|name| !rendered.desired_crds.contains_key(name)).collect()
}

/// The changes of each release that moves.
struct ChartChanges<'a> {
    crds: Option<ChartChange<'a>>,
    app: Option<ChartChange<'a>>,
}

/// The changes of one release.
struct ChartChange<'a> {
    role: ReleaseRole,
    upgrade: ChartUpgrade,
    record: Option<&'a ReleaseRecord>,
    interrupted_run: Option<&'a str>,
    chart: &'a RenderedChart,
    objects: Vec<ObjectChange>,
    values: Vec<ValueChange>,
    failed_jobs: Vec<String>,
    missing_objects: Vec<ObjectRef>,
}

impl<'a> ChartChange<'a> {
    fn new(
        ask: &UpgradeSpec,
        view: &'a ClusterView,
        rendered_chart: &'a RenderedChart,
        role: ReleaseRole,
    ) -> Result<Self, StoredManifestError> {
        let release = ask.installation.release(role);
        let record = view.newest_revision(release).ok().flatten();
        let records = view.releases.get(release).and_then(|records| records.as_ref().ok());
        let cut_off = records.and_then(|records| find_interrupted_run(records));
        // helm compares with the deployed revision, even if a failed one is newer.
        let compared = view.current_revision(release).ok().flatten();
        let moves = ChartUpgrade {
            release: release.to_owned(),
            owner: view.owners.get(release).cloned().unwrap_or(Owner::NotInstalled),
            from: record.map(|record| record.chart_version.clone()),
            unread: view.newest_revision(release).err().map(ToString::to_string),
            revision: record.map(|record| record.revision),
            to: rendered_chart.fetched.chart.version.to_string(),
            chart: rendered_chart.fetched.reference.to_string(),
            digest: rendered_chart.fetched.digest.clone(),
            named_changes: match rendered_chart.fetched.chart.annotations.get(CHANGES_ANNOTATION) {
                Some(annotation) => read_named_changes(annotation),
                None => Vec::new(),
            },
            forecast_doubt: rendered_chart.lookups.describe_doubt(),
        };
        let (namespace, next) = (&ask.installation.namespace, rendered_chart.manifest_objects());
        let (stored, ignored) = (parse_stored_manifest(compared)?, IgnoredPaths::new(&ask.ignored_paths));
        let objects = object_changes::diff_manifests_ignoring(namespace, &stored, &next, &ignored);
        let failed_jobs = manifest_jobs::list_failed_jobs(view, &next);
        let (chart, values, interrupted_run) = (rendered_chart, Vec::new(), cut_off);
        let missing_objects = Vec::new();
        Ok(Self { role, upgrade: moves, record, interrupted_run, chart, objects, values, failed_jobs, missing_objects })
    }

    /// With the values that change between the stored and the next ones.
    fn with_values(self, next: &Value) -> Self {
        let values = self.record.map(|record| diff::value_changes::diff_values(record.config.reveal(), next));
        Self { values: values.unwrap_or_default(), ..self }
    }

    /// With the Jobs that are no longer on the cluster: the operator deleted a failed one, so that helm creates it again.
    fn with_deleted_jobs(mut self, view: &ClusterView) -> Self {
        self.failed_jobs.extend(manifest_jobs::list_deleted_jobs(view, &self.chart.manifest_objects()));
        self
    }

    /// With the objects of the manifest that are not on the cluster, as far as they could be read.
    fn with_missing_objects(self, namespace: &str, observations: &Observations<'_>) -> Self {
        let Some(application) = &observations.forecast.application else { return self };
        let missing_objects = list_missing_objects(application, namespace, &self.chart.manifest_objects());
        Self { missing_objects, ..self }
    }

    fn to_chart_state(&self, commands: &dyn PlanCommands) -> ChartState<'_> {
        ChartState {
            upgrade: &self.upgrade,
            record: self.record,
            interrupted_run: self.interrupted_run,
            command: commands.upgrade_release(self.role, self.chart),
            objects: &self.objects,
            values: &self.values,
            failed_jobs: &self.failed_jobs,
            missing_objects: &self.missing_objects,
        }
    }
}

#[cfg(test)]
mod tests;
