//! The two helm releases, from their records.

pub mod release_chart_digest;
pub mod release_deployed;
pub mod release_manifest_served;
pub mod release_next_upgrade;
pub mod release_objects_present;
pub mod release_present;
pub mod release_record_size;
pub mod release_values;
pub mod release_version;

use super::gathered::Gathered;
use super::seen::Seen;
use crate::ask::expect::Role;
use crate::model::check::{Card, Checked, Finding};
use crate::model::owner::without_record;
use crate::model::release::ReleaseRecord;

/// Asks the newest record of each release. Where there is none, `release-present` and `owner-found` say so, once.
fn each(seen: &Seen<'_>, card: &'static Card, judge: impl Fn(Role, &ReleaseRecord) -> Option<Finding>) -> Checked {
    each_of(seen, card, |role, record| Some(judge(role, record).into_iter().collect()))
}

/// As [`each`], with any number of findings; `None` where the question does not apply to a release.
fn each_of(
    seen: &Seen<'_>,
    card: &'static Card,
    judge: impl Fn(Role, &ReleaseRecord) -> Option<Vec<Finding>>,
) -> Checked {
    let mut gathered = Gathered::new(card);
    for (role, release) in seen.releases() {
        match seen.view.newest(release) {
            Ok(Some(record)) => match judge(role, record) {
                Some(findings) => gathered.looked(findings),
                None => gathered.skipped(format!("nothing to hold {release} against")),
            },
            Ok(None) => gathered.skipped(
                without_record(seen.view, release).unwrap_or_else(|| format!("there is no release {release}")),
            ),
            Err(not_seen) => gathered.not_seen(not_seen),
        }
    }
    gathered.checked()
}
