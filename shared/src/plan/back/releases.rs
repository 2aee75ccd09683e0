//! Which revision a release goes back to, and whether anybody else has upgraded since.

use serde::Serialize;

use super::{Facts, Way, going_back};
use crate::model::pending::made_by;
use crate::model::release::ReleaseRecord;

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseBack {
    /// The release.
    pub release: String,
    /// Whether it goes back.
    pub way: Way,
    /// `revision 2, 1.1.0-rc.3, failed`; empty where there is none.
    pub from: String,
    /// The revision that it goes back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// The chart's version there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_version: Option<String>,
    /// Why it stays.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// The newest revision, where helm was cut off in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
}

/// Somebody else has upgraded since.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("revision {revision} of release {release} ({version}, {status}) was made by somebody else since")]
pub struct Moved {
    /// The release.
    pub release: String,
    /// The revision.
    pub revision: u64,
    /// Its chart's version.
    pub version: String,
    /// Its status.
    pub status: String,
}

/// The application.
pub(super) fn application(facts: &Facts<'_>, release: &str) -> Result<ReleaseBack, Moved> {
    one(facts, release)
}

/// The CRD chart's record: it tells the truth only where every CRD is as it says.
pub(super) fn record(facts: &Facts<'_>, release: &str, all_back: bool) -> Result<ReleaseBack, Moved> {
    let mut back = one(facts, release)?;
    if back.way == Way::GoesBack && !all_back {
        (back.way, back.to, back.to_version) = (Way::Stays, None, None);
        back.because = "some of its CRDs stay: a record of the older chart would not be true".to_owned();
    }
    Ok(back)
}

fn one(facts: &Facts<'_>, release: &str) -> Result<ReleaseBack, Moved> {
    let records = facts.releases.get(release).map_or(&[][..], Vec::as_slice);
    let told =
        |record: &ReleaseRecord| format!("revision {}, {}, {}", record.revision, record.chart_version, record.status);
    let newest = records.last();
    let mut back = ReleaseBack {
        release: release.to_owned(),
        way: Way::AsBefore,
        from: newest.map(told).unwrap_or_default(),
        to: None,
        to_version: None,
        because: String::new(),
        pending: newest.filter(|newest| newest.pending()).map(|newest| newest.revision),
    };
    let before = facts.run.world.releases.get(release).and_then(Option::as_ref);
    let since = before.map_or(0, |before| before.revision);
    let target = target(records, since);
    ours(facts, release, records, since, target)?;
    let Some(newest) = newest.filter(|newest| newest.revision > since) else { return Ok(back) };
    let stays = |mut back: ReleaseBack, because: String| {
        (back.way, back.because) = (Way::Stays, because);
        Ok(back)
    };
    if before.is_none() {
        let because =
            "there was no such release before; helm uninstall would delete what it made, which is for you to decide";
        return stays(back, because.to_owned());
    }
    let Some(target) = target else {
        return stays(back, format!("helm no longer keeps a revision up to {since} that stood (--history-max)"));
    };
    if newest.status == "deployed" && same(newest, target) {
        back.because = format!("it is as revision {} was", target.revision);
        return Ok(back);
    }
    (back.way, back.to, back.to_version) = (Way::GoesBack, Some(target.revision), Some(target.chart_version.clone()));
    Ok(back)
}

/// The newest revision up to this one that once stood.
fn target(records: &[ReleaseRecord], since: u64) -> Option<&ReleaseRecord> {
    records.iter().rev().find(|record| record.revision <= since && record.good())
}

fn same(one: &ReleaseRecord, other: &ReleaseRecord) -> bool {
    one.manifest.reveal() == other.manifest.reveal()
        && one.chart_version == other.chart_version
        && one.config.reveal() == other.config.reveal()
}

/// Every revision since then was made by the run, or by a rollback of it that was cut off.
fn ours(
    facts: &Facts<'_>,
    release: &str,
    records: &[ReleaseRecord],
    since: u64,
    target: Option<&ReleaseRecord>,
) -> Result<(), Moved> {
    let ids = facts.run.ids();
    for (at, record) in records.iter().enumerate().filter(|(_, record)| record.revision > since) {
        let by_us = made_by(records.get(..=at).unwrap_or_default()).is_some_and(|by| ids.iter().any(|id| id == by));
        // helm rollback hands on the labels of the revision that it goes back to, and says the rest by what it makes.
        let went_back = going_back(facts.earlier, release) && target.is_some_and(|target| same(record, target));
        if !by_us && !went_back {
            return Err(Moved {
                release: release.to_owned(),
                revision: record.revision,
                version: record.chart_version.clone(),
                status: record.status.clone(),
            });
        }
    }
    Ok(())
}
