//! Steps without a chart, guarded, and put into the form that every run has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::ask::UpgradeSpec;
use crate::ask::expect::Expectations;
use crate::cluster::{admission_reader, application_objects, permission_reader};
use crate::model::check::CheckResult;
use crate::model::cluster_view::{ClusterView, ReadFailure};
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::secret::{Hidden, Secrets};
use crate::plan::flux::FluxRoutes;
use crate::plan::required_permissions::{CrdWrites, PermissionScope, collect_permissions};
use crate::plan::{API_VERSION, Action, Plan, Step, order};
use crate::prepare::judge;
use crate::prepare::picture;
use crate::prepare::render::RenderedCharts;
use crate::prepare::rollback::RollbackTarget;
use crate::prepare::{Environment, Prepared, Session};
use crate::problem::Problem;

/// What was decided.
pub(crate) struct DecidedSteps {
    pub(crate) steps: Vec<Step>,
    pub(crate) desired_crds: BTreeMap<String, Crd>,
    pub(crate) crd_answers: BTreeMap<String, CrdDryRunResult>,
    pub(crate) guard_ids: &'static [&'static str],
    pub(crate) rollback: Option<RollbackTarget>,
}

/// Guards it, and puts it into the form that every run has.
pub(crate) async fn into_prepared(
    ask: UpgradeSpec,
    env: Environment,
    session: Session,
    mut decided: DecidedSteps,
) -> Result<Prepared, Problem> {
    order::check_order(&decided.steps).map_err(|error| {
        Problem::failure("the plan breaks a rule of its own: please report this").with_source(error)
    })?;
    decided.steps = add_commands(&ask, &session, decided.steps);
    let nothing = Expectations::default();
    let picture = picture::read_health_inputs(&session.cluster, &ask.installation, &session.view, &nothing);
    let (plan, health_inputs) = tokio::join!(build_plan(&ask, &session, &decided), picture);
    let DecidedSteps { desired_crds, rollback, .. } = decided;
    let recorded_state = match &rollback {
        Some(rollback) => Ok(rollback.recorded_state.clone()),
        None => Err(ReadFailure { target: "a world".to_owned(), reason: "none is kept of a repair".to_owned() }),
    };
    let removed_crds = rollback.as_ref().map(|rollback| rollback.plan.crds_to_annotate.clone()).unwrap_or_default();
    let Session { helm, kubectl, tools, cluster, lease_watcher, view, private_dir: private, .. } = session;
    Ok(Prepared {
        ask,
        cluster,
        helm,
        kubectl,
        tools,
        secrets: collect_secrets(&view),
        view,
        health_inputs: Some(health_inputs),
        crds: None,
        app: None,
        desired_crds,
        removed_crds,
        plan,
        flux: FluxRoutes::default(),
        flux_manifests: Hidden::new(Vec::new()),
        config: Hidden::new(Value::Object(Map::new())),
        recorded_state,
        interrupted_run: None,
        is_resume: false,
        rollback: rollback,
        lease_watcher,
        env,
        private_dir: Some(private),
    })
}

async fn build_plan(ask: &UpgradeSpec, session: &Session, decided: &DecidedSteps) -> Plan {
    Plan {
        api_version: API_VERSION,
        kind: "UpgradePlan",
        cluster: session.view.cluster.clone(),
        mode: ask.mode,
        locks: session.locks.clone(),
        charts: Vec::new(),
        crds: Vec::new(),
        objects: Vec::new(),
        values: Vec::new(),
        guards: check_guards(ask, session, decided).await,
        steps: decided.steps.clone(),
        unchanged_items: Vec::new(),
    }
}

async fn check_guards(ask: &UpgradeSpec, session: &Session, decided: &DecidedSteps) -> Vec<CheckResult> {
    let grants = read_grants(ask, session, &decided.steps, &decided.crd_answers).await;
    let config = Hidden::new(Value::Object(Map::new()));
    let rendered = RenderedCharts { crds: None, app: None, desired_crds: decided.desired_crds.clone(), config };
    let policies =
        admission_reader::read_admission_policies(&session.cluster, &ask.installation.namespace, &BTreeSet::new())
            .await;
    let forecast = judge::Forecast {
        crd_answers: decided.crd_answers.clone(),
        verdicts: BTreeMap::new(),
        waiver_notes: Vec::new(),
        application: None,
        policies,
        record_sizes: Vec::new(),
        grants,
        images: None,
        token_ends: session.cluster.token_expiry,
        bundle: None,
        signatures: Vec::new(),
    };
    let observations = judge::Observations {
        view: &session.view,
        tools: &session.tools,
        helm_cluster_uid: session.helm_cluster_uid.clone(),
        kubectl_cluster_uid: session.kubectl_cluster_uid.clone(),
        forecast,
        locks: session.locks.clone(),
        journal: &session.journal,
        has_unverified_crds: false,
        drift: None,
        flux: &FluxRoutes::default(),
    };
    judge::check_guards(ask, &observations, &rendered, decided.guard_ids)
}

/// Every secret text that the stored values hold.
fn collect_secrets(view: &ClusterView) -> Secrets {
    let records = view.releases.values().filter_map(|records| records.as_ref().ok()).flatten();
    let values: Vec<&Value> = records.map(|record| record.config.reveal()).collect();
    Secrets::from_values(&values, &[])
}

/// The exact command of each step that runs one.
fn add_commands(ask: &UpgradeSpec, session: &Session, steps: Vec<Step>) -> Vec<Step> {
    let with_command = |mut step: Step| {
        step.command = match &step.action {
            Action::AddKeepAnnotation { names } => {
                session.kubectl.build_annotate_keep_call(names, ask.timeout).masked_words()
            }
            Action::RemoveKeepAnnotation { names } => {
                session.kubectl.build_remove_keep_call(names, ask.timeout).masked_words()
            }
            Action::RestoreCrds { .. } => session.kubectl.build_apply_call(ask.timeout).masked_words(),
            Action::RollbackRelease { release, revision, wait } => {
                let (revision, wait, timeout) = (*revision, *wait, ask.timeout);
                let back = crate::tools::helm::RollbackArgs {
                    release,
                    revision,
                    wait,
                    timeout,
                    extra_args: ask.helm_options.to_args(),
                };
                session.helm.build_rollback_call(&back).masked_words()
            }
            _ => Vec::new(),
        };
        step
    };
    steps.into_iter().map(with_command).collect()
}

async fn read_grants(
    ask: &UpgradeSpec,
    session: &Session,
    steps: &[Step],
    forecasts: &BTreeMap<String, CrdDryRunResult>,
) -> crate::model::access_review::AccessReview {
    let writes_crds = steps.iter().any(|step| {
        matches!(
            step.action,
            Action::RestoreCrds { .. }
                | Action::AddKeepAnnotation { .. }
                | Action::RemoveKeepAnnotation { .. }
                | Action::MigrateObjects { .. }
        )
    });
    let app = steps.iter().find_map(|step| match &step.action {
        Action::RollbackRelease { release, revision, wait: true } => {
            release_manifests(&session.view, release, *revision)
        }
        _ => None,
    });
    let kinds = if app.is_some() { application_objects::read_served_kinds(&session.cluster).await.ok() } else { None };
    let judged: Vec<&Crd> = forecasts.values().filter_map(|answer| answer.as_ref().ok()).collect();
    let work = PermissionScope {
        namespace: &ask.installation.namespace,
        crd_writes: if writes_crds { CrdWrites::Update } else { CrdWrites::None },
        app_manifests: app.as_ref().map(|(old, new)| (old.as_slice(), new.as_slice())),
        inspected_crds: &judged,
        kinds: kinds.as_ref(),
        chart_crds: &[],
        patched_objects: &[],
    };
    permission_reader::review_permissions(&session.cluster, &collect_permissions(&work)).await
}

/// The objects that are there and those that helm goes back to.
fn release_manifests(view: &ClusterView, release: &str, revision: u64) -> Option<(Vec<Value>, Vec<Value>)> {
    let records = view.releases.get(release)?.as_ref().ok()?;
    let target = records.iter().find(|record| record.revision == revision)?;
    let newest = records.last()?;
    Some((newest.manifest_objects().ok()?, target.manifest_objects().ok()?))
}
