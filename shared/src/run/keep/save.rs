//! `save`: every object of some CRDs as a clean manifest, page by page: one page is written while the next one comes.

use std::path::Path;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::AT_ONCE;
use crate::cluster::Cluster;
use crate::cluster::pages::{Page, Pages};
use crate::cluster::snapshot::{FileError, Snapshot};
use crate::model::crd::Crd;
use crate::model::kept::{Index, KeptCrd};
use crate::problem::{Exit, Problem};
use crate::report::event::{Emit, Event};
use crate::tools::spawn::Stop;

/// Saves these CRDs and their objects into a folder that is new or empty.
///
/// A kind that cannot be read does not end it: the index says why, and that the save is not whole.
///
/// # Errors
/// The folder cannot be written, or somebody asked to stop: then there is no index.
pub async fn save(
    cluster: &Cluster,
    crds: &[Crd],
    folder: &Path,
    stop: &Stop,
    emit: Emit<'_>,
) -> Result<Index, Problem> {
    save_some(cluster, crds, &[], folder, stop, emit).await
}

/// As [`save`]; of the CRDs in `alone` no objects are saved.
///
/// # Errors
/// As [`save`].
pub async fn save_some(
    cluster: &Cluster,
    crds: &[Crd],
    alone: &[Crd],
    folder: &Path,
    stop: &Stop,
    emit: Emit<'_>,
) -> Result<Index, Problem> {
    let snapshot = Arc::new(Snapshot::begin(folder).map_err(|error| unwritable(&error))?);
    let mut each = stream::iter(crds).map(|crd| one(cluster, crd, &snapshot, stop, emit)).buffered(AT_ONCE);
    let mut kept = Vec::new();
    for crd in alone {
        snapshot.put_crd(crd.json()).map_err(|error| unwritable(&error))?;
        kept.push(KeptCrd { name: crd.name().to_owned(), version: String::new(), objects: 0, unread: None });
    }
    let kinds = async {
        while let Some(next) = each.next().await {
            kept.push(next?);
        }
        Ok::<(), Problem>(())
    };
    let (uid, saved) = tokio::join!(cluster.get("/api/v1/namespaces/kube-system"), kinds);
    saved?;
    let uid = uid.ok().and_then(|system| system["metadata"]["uid"].as_str().map(str::to_owned)).unwrap_or_default();
    let index = Index::new(&cluster.context, &uid, jiff::Timestamp::now(), kept);
    snapshot.end(&index).map_err(|error| unwritable(&error))?;
    Ok(index)
}

async fn one(
    cluster: &Cluster,
    crd: &Crd,
    snapshot: &Arc<Snapshot>,
    stop: &Stop,
    emit: Emit<'_>,
) -> Result<KeptCrd, Problem> {
    let name = crd.name().to_owned();
    snapshot.put_crd(crd.json()).map_err(|error| unwritable(&error))?;
    let Some(version) = crd.reading_version() else {
        let unread = Some("none of its versions is served".to_owned());
        return Ok(KeptCrd { name, version: String::new(), objects: 0, unread });
    };
    let mut kept = KeptCrd { name, version: version.to_owned(), objects: 0, unread: None };
    let mut pages = Pages::of(cluster, crd.collection(version));
    let mut page = pages.next().await;
    loop {
        if stop.asked() {
            return Err(Problem::new(Exit::Interrupted, "stopped by Ctrl-C: the save is not whole")
                .hint(format!("remove what there is of it, then save again: rm -r {}", snapshot.root().display())));
        }
        match page {
            Ok(Some(Page { items, remaining })) => {
                kept.objects += items.len() as u64;
                if let Some(remaining) = remaining {
                    let (detail, done) = (kept.name.clone(), kept.objects);
                    emit(Event::Progress { step: "save".to_owned(), detail, done, total: done + remaining });
                }
                let (next, written) = tokio::join!(pages.next(), write(snapshot, &kept.name, items));
                written?;
                page = next;
            }
            Ok(None) => return Ok(kept),
            Err(error) => {
                kept.unread = Some(error.to_string());
                return Ok(kept);
            }
        }
    }
}

/// Off the thread that reads on: writing YAML and files takes its time.
async fn write(snapshot: &Arc<Snapshot>, crd: &str, objects: Vec<Value>) -> Result<(), Problem> {
    let (snapshot, crd) = (Arc::clone(snapshot), crd.to_owned());
    let written = spawn_blocking(move || objects.iter().try_for_each(|object| snapshot.put_object(&crd, object)));
    match written.await {
        Ok(result) => result.map_err(|error| unwritable(&error)),
        Err(error) => Err(Problem::failed("the save ended unexpectedly").because(error)),
    }
}

fn unwritable(error: &FileError) -> Problem {
    Problem::failed(format!("cannot save: {error}")).hint("name a folder that is new or empty, on a disk with room")
}
