//! Selects the run of the journal to resume or to roll back.

use crate::ask::JournalLocation;
use crate::cluster::{Cluster, journal_secret};
use crate::plan::journal::{JournalSnapshot, RunEntry, Task};
use crate::plan::rollback_plan;
use crate::prepare::rollback::rollback_error::{LastRun, RollbackError};
use crate::problem::Problem;

/// The journal of an installation, and the uid of its cluster.
///
/// # Errors
/// The cluster or the journal cannot be read, or a run in it cannot.
pub async fn read_journal(location: &JournalLocation) -> Result<(JournalSnapshot, String), Problem> {
    let cluster = Cluster::connect(&location.cluster).await?;
    let system = cluster.get("/api/v1/namespaces/kube-system").await;
    let uid = system.map_err(|error| error.in_context(&cluster.context))?;
    let uid = uid["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let journal = journal_secret::read_journal(&cluster, &location.namespace).await;
    let journal = journal.map_err(RollbackError::Unreadable)?;
    match journal.unreadable_runs.first() {
        None => Ok((journal, uid)),
        Some(unreadable) => Err(RollbackError::unreadable_run(unreadable, &location.namespace).into()),
    }
}

/// The run that `resume` resumes.
///
/// # Errors
/// A refusal: there is none, it is a rollback, or the journal is of another cluster.
pub fn select_run_to_resume(journal: &JournalSnapshot, uid: &str) -> Result<RunEntry, RollbackError> {
    let Some(run) = journal.unfinished_run() else {
        return Err(RollbackError::NothingToResume(LastRun::of(journal)));
    };
    require_same_cluster(run, uid)?;
    match run.task {
        Task::Upgrade => Ok(run.clone()),
        task @ (Task::Rollback | Task::Repair | Task::ApplyCrds) => {
            Err(RollbackError::NotAnUpgrade { run: run.run.clone(), task })
        }
    }
}

fn require_same_cluster(run: &RunEntry, uid: &str) -> Result<(), RollbackError> {
    match run.recorded_state.cluster_uid == uid {
        true => Ok(()),
        false => Err(RollbackError::AnotherCluster { run: run.run.clone() }),
    }
}

/// The run that `rollback` rolls back.
///
/// # Errors
/// A refusal: there is none, or the journal is of another cluster.
pub fn select_run_to_roll_back<'a>(journal: &'a JournalSnapshot, uid: &str) -> Result<&'a RunEntry, RollbackError> {
    match rollback_plan::find_target_run(journal) {
        Some(run) => require_same_cluster(run, uid).map(|()| run),
        None => Err(RollbackError::NothingToRollBack(LastRun::of_rollbacks(journal))),
    }
}
