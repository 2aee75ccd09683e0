//! Prepares a rollback or a repair. Neither needs a chart; both are read, decided and guarded like an upgrade.

mod decided_steps;
mod local_backup;
mod owner_check;
pub mod rollback_error;
mod run_selection;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::ask::{HelmOptions, RegistryAccess, RepairSpec, SessionSpec, UpgradeSpec};
use crate::cluster::{Cluster, crd_dry_run};
use crate::model::cluster_view::ClusterView;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::observed::ReadFailure;
use crate::model::release::ReleaseRecord;
use crate::model::task::Task;
use crate::plan::journal::RunEntry;
use crate::plan::repair::{self, RepairPlan};
use crate::plan::rollback_plan::{self, RollbackDecision, RollbackFacts, RollbackPlan};
use crate::plan::{Action, Step};
use crate::prepare::crd_forecast;
use crate::prepare::crd_verdicts;
use crate::prepare::inventory::{ClusterReading, read_cluster};
use crate::prepare::prepared::{Environment, Prepared, RepairWork, RollbackTarget, RollbackWork, Work};
use crate::prepare::session::{Connection, connect};
use crate::prepare::stage::Stage;
use crate::problem::Problem;
use crate::report::event::Emit;

use crate::prepare::collect_secrets::collect_stored_secrets;
use decided_steps::{DecidedSteps, RecoveryContext};
use local_backup::{LocalBackup, select_differing_crds};
use rollback_error::RollbackError;
pub use run_selection::{read_journal, select_run_to_resume, select_run_to_roll_back};

/// Prepares a rollback: reads, judges, decides; writes nothing.
///
/// # Errors
/// There is no run to roll back, another upgrade came after it, the backup was changed, or the cluster cannot be read.
pub async fn prepare_rollback(
    ask: UpgradeSpec,
    overwrite: bool,
    env: Environment,
    emit: Emit<'_>,
) -> Result<Prepared, Problem> {
    let connection = connect(&ask.session_spec(), env, emit).await?;
    let reading = read_cluster(&connection, &ask.installation, emit).await?;
    let RollbackDecided { target, steps, crds, crd_answers } =
        decide_rollback(&connection, &reading, &ask, overwrite, emit).await?;
    let context = RecoveryContext {
        connection: &connection,
        reading: &reading,
        installation: &ask.installation,
        mode: ask.mode,
        timeout: ask.timeout,
        helm_args: ask.helm_options.to_args(),
        now: Timestamp::now(),
    };
    let decided = DecidedSteps { steps, crd_answers: &crd_answers, task: Task::Rollback };
    let (plan, health_inputs) = tokio::join!(context.build_plan(decided), context.read_health_inputs());
    let secrets = collect_stored_secrets(&reading.view);
    let plan = plan?.mask(&secrets);
    let session = connection.into_session(&ask.installation, reading.view, Some(health_inputs), secrets);
    Ok(Prepared { session, plan, work: Work::Rollback(Box::new(RollbackWork { ask, target, crds })) })
}

/// How much a rollback restores, and by which steps.
struct RollbackDecided {
    target: RollbackTarget,
    steps: Vec<Step>,
    crds: BTreeMap<String, Crd>,
    crd_answers: BTreeMap<String, CrdDryRunResult>,
}

async fn decide_rollback(
    connection: &Connection,
    reading: &ClusterReading,
    ask: &UpgradeSpec,
    overwrite: bool,
    emit: Emit<'_>,
) -> Result<RollbackDecided, Problem> {
    let (view, cluster) = (&reading.view, &connection.cluster);
    let journal = connection.journal.as_ref().map_err(unreadable)?;
    let uid = view.cluster.uid.as_ref().map_err(unreadable)?;
    let run = select_run_to_roll_back(journal, uid)?.clone();
    owner_check::require_helm_owner(&run, view)?;
    let stage = Stage::begin(emit, "backup", "the backup from before the run");
    let backup = LocalBackup::find(&run, connection, &ask.installation.namespace).await?;
    stage.finish(backup.summary());
    let live = view.crds.as_ref().map_err(unreadable)?;
    let stage = Stage::begin(emit, "judge", "the effect on each CRD and its objects");
    let wanted = select_differing_crds(&run, live, &backup);
    let forecasts = forecast_crds(cluster, &wanted).await;
    let (verdicts, _) = crd_verdicts::judge_crd_changes(cluster, ask, view, &forecasts).await;
    stage.finish(format!("{} CRDs differ", wanted.len()));
    let chain: Vec<&RunEntry> = run.run_ids().iter().filter_map(|id| journal.run(id)).collect();
    let facts = RollbackFacts {
        run: &run,
        run_chain: &chain,
        earlier_rollbacks: &rollback_plan::find_interrupted_rollbacks(journal, &run),
        releases: &release_records(view)?,
        live,
        backup_crds: backup.crds.as_ref().map_err(String::as_str),
        forecasts: &forecasts,
        verdicts: &verdicts,
        overwrite,
    };
    let (plan, steps) = rollback_plan::decide_rollback(&facts).map_err(RollbackError::UpgradedSince)?;
    check_overwrite(&plan, &backup)?;
    let crds = wanted.into_iter().filter(|(name, _)| is_rolled_back(&plan, name)).collect();
    let crd_answers = forecasts.into_iter().filter(|(name, _)| is_rolled_back(&plan, name)).collect();
    let (run_ids, recorded_state) = (run.run_ids(), run.recorded_state);
    let target = RollbackTarget { run_ids, recorded_state, backup: run.backup, backup_dir: backup.dir, plan };
    Ok(RollbackDecided { target, steps, crds, crd_answers })
}

fn unreadable(failure: &ReadFailure) -> RollbackError {
    failure.clone().into()
}

fn is_rolled_back(rollback_plan: &RollbackPlan, name: &str) -> bool {
    rollback_plan.crds.iter().any(|crd| crd.name == name && crd.decision == RollbackDecision::RollBack)
}

/// Objects of the backup replace live ones only if their CRD accepts them.
fn check_overwrite(rollback_plan: &RollbackPlan, backup: &LocalBackup) -> Result<(), RollbackError> {
    if rollback_plan.objects == rollback_plan::ObjectRollback::Leave {
        return Ok(());
    }
    let saved = backup.crds.as_ref().map_err(|reason| RollbackError::NoBackup { reason: reason.clone() })?;
    let stays = |name: &String| {
        rollback_plan.crds.iter().find(|crd| crd.name == *name && crd.decision == RollbackDecision::Leave)
    };
    match saved.keys().find_map(stays) {
        None => Ok(()),
        Some(crd) => Err(RollbackError::CrdStays { crd: crd.name.clone(), reason: crd.reason.clone() }),
    }
}

async fn forecast_crds(cluster: &Cluster, wanted: &BTreeMap<String, Crd>) -> BTreeMap<String, CrdDryRunResult> {
    let crds: Vec<Crd> = wanted.values().cloned().collect();
    let answers = crd_dry_run::dry_run_crds(cluster, &crds).await.into_iter();
    answers.map(|one| (one.name, one.answer)).collect()
}

fn release_records(view: &ClusterView) -> Result<BTreeMap<String, Vec<ReleaseRecord>>, RollbackError> {
    let unreadable = |failure: &ReadFailure| RollbackError::RecordsUnreadable(failure.clone());
    view.releases
        .iter()
        .map(|(release, records)| Ok((release.clone(), records.as_ref().map_err(unreadable)?.clone())))
        .collect()
}

/// Prepares a repair: finds the issues, and decides the steps that fix them.
///
/// # Errors
/// The cluster cannot be read, or another run holds a Lease.
pub async fn prepare_repair(spec: RepairSpec, env: Environment, emit: Emit<'_>) -> Result<Prepared, Problem> {
    let installation = &spec.installation;
    let (registry, helm_options) = (RegistryAccess::default(), HelmOptions::default());
    let session_spec = SessionSpec { installation, registry: &registry, helm_options: &helm_options };
    let connection = connect(&session_spec, env, emit).await?;
    let reading = read_cluster(&connection, installation, emit).await?;
    let journal = connection.journal.as_ref().map_err(unreadable)?;
    let live = reading.view.crds.as_ref().map_err(unreadable)?;
    let RepairPlan { issues, steps, crds_to_apply: crds } = repair::decide_repair(&repair::RepairFacts {
        namespace: &installation.namespace,
        releases: &release_records(&reading.view)?,
        live,
        journal,
        app_release: &installation.app_release,
        suspended_releases: reading.view.flux.suspended_helm_releases().collect(),
    });
    let crd_answers = crd_forecast::forecast_crds(&connection.cluster, live, &crds, true).await;
    let helm_args = choose_repair_args(&connection, &reading.view, &steps);
    let context = RecoveryContext {
        connection: &connection,
        reading: &reading,
        installation,
        mode: spec.mode,
        timeout: spec.timeout,
        helm_args: helm_args.clone(),
        now: Timestamp::now(),
    };
    let decided = DecidedSteps { steps, crd_answers: &crd_answers, task: Task::Repair };
    let (plan, health_inputs) = tokio::join!(context.build_plan(decided), context.read_health_inputs());
    let secrets = collect_stored_secrets(&reading.view);
    let plan = plan?.mask(&secrets);
    let session = connection.into_session(installation, reading.view, Some(health_inputs), secrets);
    Ok(Prepared { session, plan, work: Work::Repair(RepairWork { issues, crds, helm_args }) })
}

/// `--force-conflicts` for the rollback of a release that helm applies on the server. A rollback that failed at a field of another
/// manager fails again without it. helm accepts the flag only together with server-side apply.
fn choose_repair_args(connection: &Connection, view: &ClusterView, steps: &[Step]) -> Vec<String> {
    let is_helm_4 = connection.tools.helm.as_ref().is_ok_and(|version| version.major >= 4);
    let rolled_back: Vec<&str> = steps.iter().filter_map(|step| rolled_back_release(&step.action)).collect();
    let is_server_side = |release: &&str| {
        let newest = view.newest_revision(release).ok().flatten();
        newest.is_some_and(|record| record.apply_method == "ssa")
    };
    let forces = is_helm_4 && !rolled_back.is_empty() && rolled_back.iter().all(is_server_side);
    if forces { vec!["--force-conflicts".to_owned()] } else { Vec::new() }
}

fn rolled_back_release(action: &Action) -> Option<&str> {
    if let Action::RollbackRelease { release, .. } = action { Some(release) } else { None }
}
