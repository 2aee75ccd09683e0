//! Which revision a release goes back to, and whether anybody else has upgraded since.

use serde::Serialize;

use super::{RollbackDecision, RollbackFacts, is_rolling_back};
use crate::model::pending_release::find_creating_run;
use crate::model::release::ReleaseRecord;
use crate::model::release_status::ReleaseStatus;

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseRollback {
    /// The release.
    pub release: String,
    /// Whether it goes back.
    pub decision: RollbackDecision,
    /// `revision 2, 1.1.0-rc.3, failed`; empty where there is none.
    pub current: String,
    /// The revision that it goes back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_revision: Option<u64>,
    /// The chart's version there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_version: Option<String>,
    /// Why it stays.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The newest revision, where helm was cut off in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_revision: Option<u64>,
}

/// Somebody else has upgraded since.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("revision {revision} of release {release} ({version}, {status}) was made by somebody else since")]
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

/// The application.
pub(super) fn decide_application(facts: &RollbackFacts<'_>, release: &str) -> Result<ReleaseRollback, ForeignRevision> {
    decide_release(facts, release)
}

/// The CRD chart's record: it tells the truth only where every CRD is as it says.
pub(super) fn decide_crd_record(
    facts: &RollbackFacts<'_>,
    release: &str,
    all_crds_roll_back: bool,
) -> Result<ReleaseRollback, ForeignRevision> {
    let mut rollback = decide_release(facts, release)?;
    if rollback.decision == RollbackDecision::RollBack && !all_crds_roll_back {
        (rollback.decision, rollback.to_revision, rollback.to_version) = (RollbackDecision::Leave, None, None);
        rollback.reason = "some of its CRDs stay: a record of the older chart would not be true".to_owned();
    }
    Ok(rollback)
}

fn decide_release(facts: &RollbackFacts<'_>, release: &str) -> Result<ReleaseRollback, ForeignRevision> {
    let records = facts.releases.get(release).map_or(&[][..], Vec::as_slice);
    let describe =
        |record: &ReleaseRecord| format!("revision {}, {}, {}", record.revision, record.chart_version, record.status);
    let newest = records.last();
    let mut rollback = ReleaseRollback {
        release: release.to_owned(),
        decision: RollbackDecision::Unchanged,
        current: newest.map(describe).unwrap_or_default(),
        to_revision: None,
        to_version: None,
        reason: String::new(),
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
        let because =
            "there was no such release before; helm uninstall would delete what it made, which is for you to decide";
        return leave(rollback, because.to_owned());
    }
    let Some(target) = target else {
        return leave(
            rollback,
            format!("helm no longer keeps a revision up to {last_revision} that stood (--history-max)"),
        );
    };
    if newest.status == ReleaseStatus::Deployed && is_same_release(newest, target) {
        rollback.reason = format!("it is as revision {} was", target.revision);
        return Ok(rollback);
    }
    (rollback.decision, rollback.to_revision, rollback.to_version) =
        (RollbackDecision::RollBack, Some(target.revision), Some(target.chart_version.clone()));
    Ok(rollback)
}

/// The newest revision up to this one that once stood.
fn find_target_revision(records: &[ReleaseRecord], last_revision: u64) -> Option<&ReleaseRecord> {
    records.iter().rev().find(|record| record.revision <= last_revision && record.status.has_been_deployed())
}

fn is_same_release(one: &ReleaseRecord, other: &ReleaseRecord) -> bool {
    one.manifest.reveal() == other.manifest.reveal()
        && one.chart_version == other.chart_version
        && one.config.reveal() == other.config.reveal()
}

/// Every revision since then was made by the run, or by a rollback of it that was cut off.
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
        // helm rollback hands on the labels of the revision that it goes back to, and says the rest by what it makes.
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
