//! `status --forget RUN`: the copy that a run saved is dropped, here and in the journal.

use std::path::Path;

use crate::ask::Installation;
use crate::cluster::{ApiError, Cluster, journal};
use crate::model::kept::file_name;
use crate::plan::journal::{RunEntry, SECRET, SavedCopy, secret, seen};
use crate::prepare::state_dir::SUMS;
use crate::prepare::state_dir::folder_of;
use crate::problem::{Exit, Problem};

/// Drops what was saved before this run. Says what was dropped.
///
/// # Errors
/// There is no such run or copy, the copy is on another workstation, or the run is not done: then it may still be needed.
pub async fn forget(installation: &Installation, run: &str, state: Option<&Path>) -> Result<String, Problem> {
    let cluster = Cluster::connect(&installation.cluster).await?;
    let namespace = &installation.namespace;
    let unread = |error: ApiError| error.problem(&cluster.context);
    let before = journal::read(&cluster, namespace).await.map_err(unread)?;
    let seen = seen(before.as_ref());
    let refused = |text: String| Problem::new(Exit::Refused, text);
    let Some(entry) = seen.run(run) else {
        let known: Vec<&str> = seen.runs.iter().map(|run| run.run.as_str()).collect();
        let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
        return Err(Problem::usage(format!("there is no run {run} in the journal")).hint(format!("the runs: {known}")));
    };
    let Some(saved) = &entry.saved else {
        return Err(refused(format!("of run {run} no saved copy is known: it was dropped already, or never made")));
    };
    let shares = |other: &&RunEntry| other.saved.as_ref().is_some_and(|one| one.folder == saved.folder);
    if let Some(open) = seen.runs.iter().filter(shares).find(|run| run.unfinished()) {
        return Err(refused(format!("run {} is not done: its copy may still be needed", open.run))
            .hint("kubectl mural upgrade resume, or rollback, ends it"));
    }
    remove(&cluster, saved, state, entry)?;
    let all: Vec<RunEntry> =
        seen.runs.iter().filter(shares).cloned().map(|run| RunEntry { saved: None, ..run }).collect();
    let all: Vec<&RunEntry> = all.iter().collect();
    if let Some(wanted) = secret(namespace, before.as_ref(), &all) {
        journal::write(&cluster, namespace, &wanted).await.map_err(|error| {
            Problem::failed(format!("the copy is gone; the journal (Secret {namespace}/{SECRET}) still names it"))
                .because(error)
        })?;
    }
    Ok(format!("dropped {} CRDs and {} objects in {}", saved.crds, saved.objects, saved.folder))
}

/// Removes the folder, and nothing that is not a copy of ours.
fn remove(cluster: &Cluster, saved: &SavedCopy, state: Option<&Path>, entry: &RunEntry) -> Result<(), Problem> {
    let ids = entry.ids();
    let ours = |id: &String| state.map(|state| folder_of(state, &cluster.context).join(file_name(id)));
    let folder = ids.iter().filter_map(ours).find(|folder| *folder == Path::new(&saved.folder));
    let Some(folder) = folder.filter(|folder| folder.join(SUMS).is_file()) else {
        let text = format!("the saved copy of run {} is on {}, in {}", entry.run, saved.host, saved.folder);
        return Err(Problem::new(Exit::Refused, text)
            .hint("run this there, with the same context; or remove the folder there by hand"));
    };
    std::fs::remove_dir_all(&folder)
        .map_err(|error| Problem::failed(format!("{} could not be removed whole", folder.display())).because(error))
}
