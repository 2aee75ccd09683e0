//! Going back, and mending: what neither needs a chart for. Looked at, stated and guarded as an upgrade is.

mod decided_steps;
mod local_backup;
mod owner_check;
mod run_selection;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::ask::UpgradeSpec;
use crate::cluster::{Cluster, crd_dry_run};
use crate::model::cluster_view::ClusterView;
use crate::model::crd::Crd;
use crate::model::dry_run::CrdDryRunResult;
use crate::model::release::ReleaseRecord;
use crate::plan::journal::{BackupRef, RunEntry};
use crate::plan::recorded_state::RecordedState;
use crate::plan::repair::{self, Issue, RepairPlan};
use crate::plan::rollback_plan::{self, RollbackDecision, RollbackFacts, RollbackPlan};
use crate::prepare::crd_forecast;
use crate::prepare::crd_verdicts;
use crate::prepare::{Environment, Prepared, Stage, open_session};
use crate::problem::{Exit, Problem};
use crate::report::event::Emit;

use decided_steps::{DecidedSteps, into_prepared};
use local_backup::{LocalBackup, select_differing_crds};
pub use run_selection::{read_journal, select_run_to_resume, select_run_to_roll_back};

/// The guards that a way back has to pass: the others ask about charts.
const ROLLBACK_GUARDS: [&str; 9] = [
    "tool-versions",
    "same-cluster",
    "owner-supported",
    "permissions",
    "journal-readable",
    "crds-dry-run",
    "storage-migrating",
    "admission-webhooks-ready",
    "login-restarts",
];
/// What mending has to pass.
const REPAIR_GUARDS: [&str; 6] =
    ["tool-versions", "same-cluster", "owner-supported", "permissions", "crds-dry-run", "storage-migrating"];

/// The run that is undone.
pub struct RollbackTarget {
    /// It, and those that it went on from.
    pub run_ids: Vec<String>,
    /// What was there before.
    pub recorded_state: RecordedState,
    /// What was saved.
    pub backup: Option<BackupRef>,
    /// Where the copy is on this workstation.
    pub backup_dir: Option<PathBuf>,
    /// What goes back, and what does not.
    pub plan: RollbackPlan,
}

/// Prepares a rollback: reads, judges, states; writes nothing.
///
/// # Errors
/// There is nothing to go back from; somebody else has upgraded since; the saved copy was changed; the cluster cannot be read.
pub async fn prepare_rollback(
    ask: UpgradeSpec,
    overwrite: bool,
    env: Environment,
    emit: Emit<'_>,
) -> Result<Prepared, Problem> {
    let session = open_session(&ask, &env, emit).await?;
    let journal = session.journal.clone().map_err(|failure| Problem::failure(failure.to_string()))?;
    let uid = session.view.cluster.uid.clone().map_err(|failure| Problem::failure(failure.to_string()))?;
    let run = select_run_to_roll_back(&journal, &uid)?.clone();
    owner_check::require_helm_owner(&run, &session.view)?;
    let stage = Stage::begin(emit, "saved", "what was saved before the run");
    let backup = LocalBackup::find(&run, &session, &env)?;
    stage.finish(backup.summary());
    let live = session.view.crds.clone().map_err(|failure| Problem::failure(failure.to_string()))?;
    let stage = Stage::begin(emit, "judge", "what going back does to each CRD and its objects");
    let wanted = select_differing_crds(&run, &live, &backup);
    let forecasts = forecast_crds(&session.cluster, &wanted).await;
    let (verdicts, _) = crd_verdicts::judge_crd_changes(&session.cluster, &ask, &session.view, &forecasts).await;
    stage.finish(format!("{} CRDs differ", wanted.len()));
    let releases = release_records(&session.view)?;
    let chain: Vec<&RunEntry> = run.run_ids().iter().filter_map(|id| journal.run(id)).collect();
    let facts = RollbackFacts {
        run: &run,
        run_chain: &chain,
        earlier_rollbacks: &rollback_plan::find_interrupted_rollbacks(&journal, &run),
        releases: &releases,
        live: &live,
        backup_crds: backup.crds.as_ref().map_err(String::as_str),
        forecasts: &forecasts,
        verdicts: &verdicts,
        overwrite,
    };
    let (rollback_plan, steps) = rollback_plan::decide_rollback(&facts).map_err(|by| upgraded_since_problem(&by))?;
    check_overwrite(&rollback_plan, &backup)?;
    let wanted = wanted.into_iter().filter(|(name, _)| is_rolled_back(&rollback_plan, name)).collect();
    let forecasts = forecasts.into_iter().filter(|(name, _)| is_rolled_back(&rollback_plan, name)).collect();
    let rollback = RollbackTarget {
        run_ids: run.run_ids(),
        recorded_state: run.recorded_state.clone(),
        backup: run.backup.clone(),
        backup_dir: backup.dir,
        plan: rollback_plan,
    };
    into_prepared(
        ask,
        env,
        session,
        DecidedSteps {
            steps,
            desired_crds: wanted,
            crd_answers: forecasts,
            guard_ids: &ROLLBACK_GUARDS,
            rollback: Some(rollback),
        },
    )
    .await
}

fn is_rolled_back(rollback_plan: &RollbackPlan, name: &str) -> bool {
    rollback_plan.crds.iter().any(|crd| crd.name == name && crd.decision == RollbackDecision::RollBack)
}

fn upgraded_since_problem(drift: &rollback_plan::ForeignRevision) -> Problem {
    let hint = format!("helm history {0}; to go back by hand: helm rollback {0} REVISION", drift.release);
    Problem::new(Exit::Refused, format!("{drift}: going back would undo that too")).with_hint(hint)
}

/// Saved objects stand in for live ones only where their CRD can hold them.
fn check_overwrite(rollback_plan: &RollbackPlan, backup: &LocalBackup) -> Result<(), Problem> {
    if rollback_plan.objects == rollback_plan::ObjectRollback::Leave {
        return Ok(());
    }
    if let Err(why) = &backup.crds {
        return Err(Problem::new(Exit::Refused, format!("--overwrite has nothing to write: {why}")));
    }
    let saved = backup.crds.as_ref().ok();
    let stays = |name: &String| {
        rollback_plan.crds.iter().find(|crd| crd.name == *name && crd.decision == RollbackDecision::Leave)
    };
    match saved.and_then(|saved| saved.keys().find_map(stays)) {
        None => Ok(()),
        Some(crd) => Err(Problem::new(Exit::Refused, format!("--overwrite: CRD {} stays: {}", crd.name, crd.reason))
            .with_hint("its saved objects may not fit it; without --overwrite all objects stay as they are now")),
    }
}

async fn forecast_crds(cluster: &Cluster, wanted: &BTreeMap<String, Crd>) -> BTreeMap<String, CrdDryRunResult> {
    let crds: Vec<Crd> = wanted.values().cloned().collect();
    let answers = crd_dry_run::dry_run_crds(cluster, &crds).await.into_iter();
    answers.map(|one| (one.name, one.answer.map_err(|error| error.to_string()))).collect()
}

fn release_records(view: &ClusterView) -> Result<BTreeMap<String, Vec<ReleaseRecord>>, Problem> {
    let unreadable =
        |failure: &crate::model::cluster_view::ReadFailure| Problem::new(Exit::ChecksFailed, failure.to_string());
    view.releases
        .iter()
        .map(|(release, records)| Ok((release.clone(), records.as_ref().map_err(unreadable)?.clone())))
        .collect()
}

/// Prepares a repair: names what somebody left behind, and decides what mends it.
///
/// # Errors
/// The cluster cannot be read, or somebody is upgrading.
pub async fn prepare_repair(
    ask: UpgradeSpec,
    env: Environment,
    emit: Emit<'_>,
) -> Result<(Prepared, Vec<Issue>), Problem> {
    let session = open_session(&ask, &env, emit).await?;
    let journal = session.journal.clone().map_err(|failure| Problem::failure(failure.to_string()))?;
    let live = session.view.crds.clone().map_err(|failure| Problem::failure(failure.to_string()))?;
    let installation = &ask.installation;
    let releases = release_records(&session.view)?;
    let RepairPlan { issues: ailments, steps, crds_to_apply: wanted } = repair::decide_repair(&repair::RepairFacts {
        namespace: &installation.namespace,
        releases: &releases,
        live: &live,
        journal: &journal,
        app_release: &installation.app_release,
        suspended_releases: session.view.flux.suspended_helm_releases().collect(),
    });
    let forecasts = crd_forecast::forecast_crds(&session.cluster, &live, &wanted, true).await;
    let decided =
        DecidedSteps { steps, desired_crds: wanted, crd_answers: forecasts, guard_ids: &REPAIR_GUARDS, rollback: None };
    Ok((into_prepared(ask, env, session, decided).await?, ailments))
}
