//! Check `release-present`.

use crate::checks::gathered::Gathered;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section};
use crate::model::owner::without_record;

/// The card.
pub static CARD: Card = Card {
    id: "release-present",
    section: Section::Releases,
    title: "each chart has a release record",
    level: Level::Error,
    why: "helm knows an installation only by its records (Secrets sh.helm.release.v1.*). Without one, helm would install anew over what runs, and the version cannot be told.",
    fix: "Look whether Flux's HelmRelease is still to make its first release, or whether the records were deleted; then restore them from a backup.",
};

/// Whether each release has a record.
pub fn check(seen: &Seen<'_>) -> Checked {
    let mut gathered = Gathered::new(&CARD);
    for (_, release) in seen.releases() {
        match (seen.view.newest(release), without_record(seen.view, release)) {
            (Err(not_seen), _) => gathered.not_seen(not_seen),
            (Ok(Some(_)), _) => gathered.looked(None),
            (Ok(None), Some(reason)) => gathered.skipped(reason),
            (Ok(None), None) => {
                let hint = format!("helm history {release} -n {}", seen.namespace());
                gathered.looked([CARD.finding(format!("release {release}"), "has no record", hint)]);
            }
        }
    }
    gathered.checked()
}
