//! `status --forget RUN`: deletes the backup of a run, on this workstation and in the journal.
//!
//! Owns the refusals: a backup that an unfinished run may need, or that is on another workstation, stays. Input: a run's id. Output: a
//! sentence with what was deleted.

use std::path::Path;

use crate::ask::Installation;
use crate::cluster::{ApiError, Cluster, journal_secret};
use crate::model::backup_format::encode_file_name;
use crate::plan::journal::{BackupRef, RunEntry, SECRET_NAME, build_secret, parse_journal};
use crate::prepare::state_dir::CHECKSUMS_FILE;
use crate::prepare::state_dir::cluster_state_dir;
use crate::problem::{Exit, Problem};

/// Deletes the backup from before this run, and describes what was deleted.
///
/// # Errors
/// There is no such run or backup, it is on another workstation, or the run is unfinished: then it may still be needed.
pub async fn delete_backup(installation: &Installation, run: &str, state: Option<&Path>) -> Result<String, Problem> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    let namespace = &installation.namespace;
    let unread = |error: ApiError| error.into_problem(&cluster.context);
    let before = journal_secret::read_secret(&cluster, namespace).await.map_err(unread)?;
    let recorded_journal = parse_journal(before.as_ref());
    let refused = |text: String| Problem::new(Exit::Refused, text);
    let Some(entry) = recorded_journal.run(run) else {
        let known: Vec<&str> = recorded_journal.runs.iter().map(|run| run.run.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Problem::usage(format!("there is no run {run} in the journal"))
            .with_hint(format!("choose one of the runs: {known}")));
    };
    let Some(saved) = &entry.backup else {
        return Err(refused(format!("run {run} has no backup: it was deleted already, or never created")));
    };
    let shares = |other: &&RunEntry| other.backup.as_ref().is_some_and(|one| one.folder == saved.folder);
    if let Some(open) = recorded_journal.runs.iter().filter(shares).find(|run| run.is_unfinished()) {
        return Err(refused(format!("run {} is not done: its backup may still be needed", open.run))
            .with_hint("kubectl mural upgrade resume, or kubectl mural upgrade rollback, ends the run"));
    }
    remove_backup_dir(&cluster, saved, state, entry)?;
    let all: Vec<RunEntry> =
        recorded_journal.runs.iter().filter(shares).cloned().map(|run| RunEntry { backup: None, ..run }).collect();
    let all: Vec<&RunEntry> = all.iter().collect();
    if let Some(wanted) = build_secret(namespace, before.as_ref(), &all) {
        journal_secret::write_secret(&cluster, namespace, &wanted).await.map_err(|error| {
            Problem::failure(format!(
                "the backup is deleted; the journal (Secret {namespace}/{SECRET_NAME}) still lists it"
            ))
            .with_source(error)
        })?;
    }
    Ok(format!("deleted the backup of {} CRDs and {} objects in {}", saved.crd_count, saved.object_count, saved.folder))
}

/// Removes the folder, if it is a backup of ours.
fn remove_backup_dir(
    cluster: &Cluster,
    saved: &BackupRef,
    state: Option<&Path>,
    entry: &RunEntry,
) -> Result<(), Problem> {
    let ids = entry.run_ids();
    let ours = |id: &String| state.map(|state| cluster_state_dir(state, &cluster.context).join(encode_file_name(id)));
    let folder = ids.iter().filter_map(ours).find(|folder| *folder == Path::new(&saved.folder));
    let Some(folder) = folder.filter(|folder| folder.join(CHECKSUMS_FILE).is_file()) else {
        let text = format!("the backup of run {} is on {}, in {}", entry.run, saved.host, saved.folder);
        return Err(Problem::new(Exit::Refused, text)
            .with_hint("run the same command there, with the same context; or remove the folder there by hand"));
    };
    std::fs::remove_dir_all(&folder).map_err(|error| {
        Problem::failure(format!("{} could not be removed completely", folder.display())).with_source(error)
    })
}
