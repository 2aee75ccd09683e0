//! Selects the run of the journal to resume or to roll back.

use crate::ask::JournalLocation;
use crate::cluster::{Cluster, journal_secret};
use crate::plan::journal::{JournalSnapshot, RunEntry, RunState, SECRET_NAME, Task};
use crate::plan::rollback_plan;
use crate::problem::{Exit, Problem};

/// The journal of an installation, and the uid of its cluster.
///
/// # Errors
/// The cluster or the journal cannot be read, or a run in it cannot.
pub async fn read_journal(location: &JournalLocation) -> Result<(JournalSnapshot, String), Problem> {
    let cluster = Cluster::connect(&location.cluster).await?;
    let system = cluster.get("/api/v1/namespaces/kube-system").await;
    let uid = system.map_err(|error| error.in_context(&cluster.context))?;
    let uid = uid["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let seen = journal_secret::read_journal(&cluster, &location.namespace).await;
    let seen = seen.map_err(|failure| Problem::failure(failure.to_string()))?;
    match seen.unreadable_runs.first() {
        None => Ok((seen, uid)),
        Some(unread) => {
            let hint = match unread.from_newer_version {
                true => "use the program version that wrote it, or a newer one",
                false => "run kubectl mural upgrade repair to discard it",
            };
            let text = format!(
                "run {} in the journal (Secret {}/{SECRET_NAME}) cannot be read",
                unread.run, location.namespace
            );
            Err(Problem::new(Exit::Refused, text).with_source(unread.reason.clone()).with_hint(hint))
        }
    }
}

/// The run that `resume` resumes.
///
/// # Errors
/// A refusal: there is none, it is a rollback, or the journal is of another cluster.
pub fn select_run_to_resume(journal: &JournalSnapshot, uid: &str) -> Result<RunEntry, Problem> {
    let refused = |text: String| Problem::new(Exit::Refused, text);
    let Some(run) = journal.unfinished_run() else {
        let last = journal.runs.last().map_or_else(
            || "the journal has no run".to_owned(),
            |last| format!("the last run, {}, is {}", last.run, last.state.as_str()),
        );
        return Err(Problem::usage(format!("there is nothing to resume: {last}"))
            .with_hint("run kubectl mural upgrade status to see the state"));
    };
    require_same_cluster(run, uid)?;
    match run.task {
        Task::Upgrade => Ok(run.clone()),
        Task::Rollback | Task::Repair | Task::ApplyCrds => {
            let text = format!("run {} is a rollback, which resume does not continue", run.run);
            Err(refused(text).with_hint("run kubectl mural upgrade rollback to continue it, or start a new upgrade"))
        }
    }
}

fn require_same_cluster(run: &RunEntry, uid: &str) -> Result<(), Problem> {
    if run.recorded_state.cluster_uid == uid {
        return Ok(());
    }
    let text = format!("run {} in the journal was made on another cluster: the uid of kube-system differs", run.run);
    Err(Problem::new(Exit::Refused, text).with_hint(
        "run kubectl delete secret mural-journal to remove it, for example if the namespace was restored from a backup",
    ))
}

/// The run that `rollback` rolls back.
///
/// # Errors
/// A refusal: there is none, or the journal is of another cluster.
pub fn select_run_to_roll_back<'a>(journal: &'a JournalSnapshot, uid: &str) -> Result<&'a RunEntry, Problem> {
    let Some(run) = rollback_plan::find_target_run(journal) else {
        let rolled_back_run = journal.runs.iter().rev().find(|run| run.state == RunState::RolledBack);
        let last = match (rolled_back_run, journal.runs.last()) {
            (Some(rolled_back_run), _) => {
                let by = rolled_back_run.superseded_by.as_ref().map_or_else(String::new, |by| format!(" by run {by}"));
                format!("run {} was already rolled back{by}", rolled_back_run.run)
            }
            (None, Some(last)) => format!("the last run, {}, is {}", last.run, last.state.as_str()),
            (None, None) => "the journal has no run".to_owned(),
        };
        return Err(Problem::usage(format!("there is nothing to roll back: {last}"))
            .with_hint("run helm history mural to see helm's own revisions"));
    };
    require_same_cluster(run, uid)?;
    Ok(run)
}
