//! The target revision of each release, and whether someone else has upgraded since then.

use serde::Serialize;

use super::{RollbackDecision, RollbackFacts, is_rolling_back};
use crate::model::crd::CRD_KIND;
use crate::model::object::ObjectRef;
use crate::model::pending_release::find_creating_run;
use crate::model::release::ReleaseRecord;
use crate::model::release_status::ReleaseStatus;
use crate::plan::ObjectChangeKind;
use crate::plan::object_changes::diff_manifests;

/// The rollback of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseRollback {
    /// The release.
    pub release: String,
    /// Whether it is rolled back.
    pub decision: RollbackDecision,
    /// `revision 2, 1.1.0-rc.3, failed`; empty if there is none.
    pub current: String,
    /// The target revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_revision: Option<u64>,
    /// The chart's version of the target revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_version: Option<String>,
    /// Why it stays.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Objects of the target revision that the current one removed: helm creates them again from its manifest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recreated: Vec<ObjectRef>,
    /// The newest revision, if helm was interrupted in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_revision: Option<u64>,
}

/// Someone else has upgraded since the run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("revision {revision} of release {release} ({version}, {status}) was written by someone else since the run")]
pub struct ForeignRevision {
    /// The release.
    pub release: String,
    /// The revision.
    pub revision: u64,
    /// Its chart's version.
    pub version: String,
    /// Its status.
    pub status: ReleaseStatus,
}

/// The application's rollback.
pub(super) fn decide_application(facts: &RollbackFacts<'_>, release: &str) -> Result<ReleaseRollback, ForeignRevision> {
    decide_release(facts, release)
}

/// The rollback of the CRD chart's record, which is right only if every CRD is as it says.
pub(super) fn decide_crd_record(
    facts: &RollbackFacts<'_>,
    release: &str,
    all_crds_roll_back: bool,
) -> Result<ReleaseRollback, ForeignRevision> {
    let mut rollback = decide_release(facts, release)?;
    if rollback.decision == RollbackDecision::RollBack && !all_crds_roll_back {
        (rollback.decision, rollback.to_revision, rollback.to_version) = (RollbackDecision::Leave, None, None);
        rollback.reason = "some of its CRDs stay, so a record of the older chart would be wrong".to_owned();
    }
    Ok(rollback)
}

fn decide_release(facts: &RollbackFacts<'_>, release: &str) -> Result<ReleaseRollback, ForeignRevision> {
    let records = facts.releases.get(release).map_or(&[][..], Vec::as_slice);
    let newest = records.last();
    let mut rollback = ReleaseRollback {
        release: release.to_owned(),
        decision: RollbackDecision::Unchanged,
        current: newest.map(describe_revision).unwrap_or_default(),
        to_revision: None,
        to_version: None,
        reason: String::new(),
        recreated: Vec::new(),
        pending_revision: newest.filter(|newest| newest.status.is_in_progress()).map(|newest| newest.revision),
    };
    let before = facts.run.recorded_state.releases.get(release).and_then(Option::as_ref);
    let last_revision = before.map_or(0, |before| before.revision);
    let target = find_target_revision(records, last_revision);
    ensure_own_revisions(facts, release, records, last_revision, target)?;
    let Some(newest) = newest.filter(|newest| newest.revision > last_revision) else { return Ok(rollback) };
    let leave = |mut back: ReleaseRollback, because: String| {
        (back.decision, back.reason) = (RollbackDecision::Leave, because);
        Ok(back)
    };
    if before.is_none() {
        let because = "the release did not exist before; helm uninstall would also delete its objects";
        return leave(rollback, because.to_owned());
    }
    let Some(target) = target else {
        return leave(
            rollback,
            format!("helm's history has no deployed revision up to {last_revision} any more (--history-max)"),
        );
    };
    if newest.status == ReleaseStatus::Deployed && is_same_release(newest, target) {
        rollback.reason = format!("it is already as in revision {}", target.revision);
        return Ok(rollback);
    }
    (rollback.decision, rollback.to_revision, rollback.to_version) =
        (RollbackDecision::RollBack, Some(target.revision), Some(target.chart_version.clone()));
    rollback.recreated = list_recreated_objects(newest, target);
    Ok(rollback)
}

fn describe_revision(record: &ReleaseRecord) -> String {
    format!("revision {}, {}, {}", record.revision, record.chart_version, record.status)
}

/// The objects of the target revision that the newest one does not have. A CRD is never deleted.
fn list_recreated_objects(newest: &ReleaseRecord, target: &ReleaseRecord) -> Vec<ObjectRef> {
    let (now, then) = (newest.manifest_objects().unwrap_or_default(), target.manifest_objects().unwrap_or_default());
    let changes = diff_manifests("", &now, &then).into_iter();
    let created = changes.filter(|change| change.change == ObjectChangeKind::Create).map(|change| change.object);
    created.filter(|object| object.kind != CRD_KIND).collect()
}

/// The newest revision up to this one that was once deployed.
fn find_target_revision(records: &[ReleaseRecord], last_revision: u64) -> Option<&ReleaseRecord> {
    records.iter().rev().find(|record| record.revision <= last_revision && record.status.has_been_deployed())
}

fn is_same_release(one: &ReleaseRecord, other: &ReleaseRecord) -> bool {
    one.manifest.reveal() == other.manifest.reveal()
        && one.chart_version == other.chart_version
        && one.config.reveal() == other.config.reveal()
}

/// Whether the run, or an interrupted rollback of it, wrote every revision since then.
fn ensure_own_revisions(
    facts: &RollbackFacts<'_>,
    release: &str,
    records: &[ReleaseRecord],
    last_revision: u64,
    target: Option<&ReleaseRecord>,
) -> Result<(), ForeignRevision> {
    let ids = facts.run.run_ids();
    for (at, record) in records.iter().enumerate().filter(|(_, record)| record.revision > last_revision) {
        let by_us =
            find_creating_run(records.get(..=at).unwrap_or_default()).is_some_and(|by| ids.iter().any(|id| id == by));
        // helm rollback copies the labels of the target revision, so its chart version and description identify it.
        let went_back = is_rolling_back(facts.earlier_rollbacks, release)
            && target.is_some_and(|target| is_same_release(record, target));
        if !by_us && !went_back {
            return Err(ForeignRevision {
                release: release.to_owned(),
                revision: record.revision,
                version: record.chart_version.clone(),
                status: record.status.clone(),
            });
        }
    }
    Ok(())
}
