//! Which run of the journal is gone on from, or undone.

use crate::ask::Installation;
use crate::cluster::{Cluster, journal};
use crate::plan::back;
use crate::plan::journal::{JournalSeen, RunEntry, SECRET, State, Task};
use crate::problem::{Exit, Problem};

/// The journal of an installation, and the uid of its cluster.
///
/// # Errors
/// The cluster or the journal cannot be read, or a run in it cannot.
pub async fn journal_of(installation: &Installation) -> Result<(JournalSeen, String), Problem> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    let system = cluster.get("/api/v1/namespaces/kube-system").await;
    let uid = system.map_err(|error| error.problem(&cluster.context))?;
    let uid = uid["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let seen = journal::look(&cluster, &installation.namespace).await;
    let seen = seen.map_err(|not_seen| Problem::failed(not_seen.to_string()))?;
    match seen.unread.first() {
        None => Ok((seen, uid)),
        Some(unread) => {
            let hint = match unread.newer {
                true => "use the version that wrote it, or a newer one",
                false => "kubectl mural upgrade repair shows it and sets it aside",
            };
            let text = format!(
                "run {} in the journal (Secret {}/{SECRET}) cannot be read",
                unread.run, installation.namespace
            );
            Err(Problem::new(Exit::Refused, text).because(unread.reason.clone()).hint(hint))
        }
    }
}

/// The run that `resume` goes on from.
///
/// # Errors
/// A refusal: there is none, it is a rollback, or the journal is of another cluster.
pub fn to_resume(seen: &JournalSeen, uid: &str) -> Result<RunEntry, Problem> {
    let refused = |text: String| Problem::new(Exit::Refused, text);
    let Some(run) = seen.unfinished() else {
        let last = seen.runs.last().map_or_else(
            || "no run of ours is in the journal".to_owned(),
            |last| format!("the last run, {}, is {}", last.run, last.state.told()),
        );
        return Err(refused(format!("there is nothing to resume: {last}"))
            .hint("kubectl mural upgrade status says where everything stands"));
    };
    same_cluster(run, uid)?;
    match run.task {
        Task::Upgrade => Ok(run.clone()),
        Task::Rollback | Task::Repair => {
            let text = format!("run {} was going back: it is not gone on from by going forward", run.run);
            Err(refused(text).hint("kubectl mural upgrade rollback goes on with it; a new upgrade begins anew"))
        }
    }
}

fn same_cluster(run: &RunEntry, uid: &str) -> Result<(), Problem> {
    if run.world.cluster == uid {
        return Ok(());
    }
    let text = format!("run {} in the journal was made on another cluster: the uid of kube-system differs", run.run);
    Err(Problem::new(Exit::Refused, text)
        .hint("was the namespace restored from a backup? kubectl delete secret mural-journal removes what only the other cluster can use"))
}

/// The run that `rollback` undoes.
///
/// # Errors
/// A refusal: there is none, or the journal is of another cluster.
pub fn to_undo<'a>(seen: &'a JournalSeen, uid: &str) -> Result<&'a RunEntry, Problem> {
    let Some(run) = back::target(seen) else {
        let undone = seen.runs.iter().rev().find(|run| run.state == State::RolledBack);
        let last = match (undone, seen.runs.last()) {
            (Some(undone), _) => {
                let by = undone.by.as_ref().map_or_else(String::new, |by| format!(" by run {by}"));
                format!("run {} was rolled back{by} already", undone.run)
            }
            (None, Some(last)) => format!("the last run, {}, is {}", last.run, last.state.told()),
            (None, None) => "no run of ours is in the journal".to_owned(),
        };
        return Err(Problem::new(Exit::Refused, format!("there is nothing to go back from: {last}"))
            .hint("what helm itself can go back to: helm history mural"));
    };
    same_cluster(run, uid)?;
    Ok(run)
}
