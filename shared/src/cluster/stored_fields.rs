//! Finds fields of objects that are still stored in an older version and that a migration to another version deletes.
//!
//! The API server prunes them from every read in the newer version, so the objects are read in each older version that
//! `status.storedVersions` lists. Input are the live CRD and the CRD that stores the objects next; output is the evidence of
//! `checks/crd_changes`. Nothing here writes.

use serde_json::json;

use super::{Cluster, object_judge};
use crate::checks::crd_changes::object_evidence::{Evidence, EvidenceCollector, ObjectSource};
use crate::diff::{self, ChangeKind, FieldChange};
use crate::model::crd::Crd;
use crate::model::migration::outdated_stored_versions;
use crate::schema::ServerVersion;

/// The losses of a migration of this CRD's objects to the storage version of `next`.
pub async fn judge_outdated_objects(cluster: &Cluster, live: &Crd, next: &Crd, server: ServerVersion) -> Evidence {
    let mut evidence = Evidence::default();
    for version in outdated_stored_versions(live) {
        let Some(stored) = store_as(live, &version).filter(|stored| can_lose_fields(stored, next)) else { continue };
        if !stored.versions().any(|one| one.served && one.name == version) {
            let reason = format!("{} does not serve {version}, in which objects may be stored", live.name());
            evidence.unread_loss.get_or_insert(reason);
            continue;
        }
        let collector = EvidenceCollector::new(&stored, next, server, ObjectSource::Live);
        evidence.absorb_losses(&object_judge::judge_objects(cluster, &stored, next, collector).await.finish());
    }
    evidence
}

/// The CRD with another storage version, as a backup in that version needs it; none if it does not have that version.
#[must_use]
pub fn store_as(crd: &Crd, version: &str) -> Option<Crd> {
    let mut document = crd.json().clone();
    let versions = document.pointer_mut("/spec/versions")?.as_array_mut()?;
    versions.iter_mut().for_each(|one| one["storage"] = json!(one["name"] == version));
    versions.iter().any(|one| one["storage"] == true).then_some(())?;
    Crd::new(document).ok()
}

/// Whether the next storage version lacks a field of the old one. A conversion webhook moves fields in its own way.
fn can_lose_fields(stored: &Crd, next: &Crd) -> bool {
    let schema = |crd: &Crd| {
        let found = crd.versions().find(|version| version.storage)?;
        found.schema.cloned()
    };
    let converts = next.json()["spec"]["conversion"]["strategy"] == "Webhook";
    let (Some(old), Some(new)) = (schema(stored), schema(next)) else { return false };
    let is_loss = |kind: &ChangeKind| {
        matches!(
            kind,
            ChangeKind::Field(
                FieldChange::Removed { .. } | FieldChange::ValuesRemoved { .. } | FieldChange::PreserveRemoved
            )
        )
    };
    !converts && diff::compare_schemas(&old, &new).iter().any(|change| is_loss(&change.kind))
}
