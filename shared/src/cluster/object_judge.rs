//! Streams the live objects of a kind through a judge, page by page.
//!
//! One page is judged on a thread of its own while the next one is read, so memory holds two pages. The judge is a closure from
//! `checks/crd_changes`; this module knows only pages and verdicts. A kind that cannot be listed is undetermined.

use serde_json::Value;

use super::Cluster;
use super::pages::{Page, Pages};
use crate::checks::crd_changes::object_evidence::EvidenceCollector;
use crate::diff::{self, Effect};
use crate::model::crd::Crd;

/// Whether a change of this CRD can affect an object.
#[must_use]
pub fn can_affect_objects(old: &Crd, new: &Crd) -> bool {
    let changes = diff::compare_crds(old.json(), new.json());
    changes.iter().any(|change| matches!(change.kind.effect(), Effect::Breaking | Effect::Risky))
}

/// Whether a change of this CRD, or its rollback, can affect an object.
#[must_use]
pub fn can_affect_objects_either_way(old: &Crd, new: &Crd) -> bool {
    can_affect_objects(old, new) || can_affect_objects(new, old)
}

/// Judges every object of a CRD in its storage version. Reads nothing if no change can affect an object.
///
/// Never fails: a kind that cannot be listed is *undetermined*, which never passes.
pub async fn judge_objects(cluster: &Cluster, old: &Crd, new: &Crd, mut judge: EvidenceCollector) -> EvidenceCollector {
    if !can_affect_objects(old, new) {
        return judge;
    }
    let served = |crd: &Crd, name: &str| crd.versions().any(|version| version.served && version.name == name);
    let storage = old.storage_version();
    let first = || old.versions().find(|version| version.served).map(|version| version.name);
    let Some(version) = Some(storage).filter(|name| served(old, name)).or_else(first) else {
        judge.mark_undetermined(format!("{} serves no version", old.name()));
        return judge;
    };
    let mut pages = Pages::new(cluster, format!("/apis/{}/{version}/{}", old.group(), old.plural()));
    let mut page = pages.next().await;
    loop {
        match page {
            Ok(Some(Page { items, .. })) => (page, judge) = tokio::join!(pages.next(), judge_page(judge, items)),
            Ok(None) => return judge,
            Err(error) => {
                judge.mark_undetermined(format!("{} cannot be listed: {error}", old.name()));
                return judge;
            }
        }
    }
}

/// Judges a page on a blocking thread.
async fn judge_page(mut judge: EvidenceCollector, items: Vec<Value>) -> EvidenceCollector {
    let judging = tokio::task::spawn_blocking(move || {
        items.iter().for_each(|object| judge.add_live_object(object));
        judge
    });
    // The task is never cancelled; a panic of the judge continues here.
    judging.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
