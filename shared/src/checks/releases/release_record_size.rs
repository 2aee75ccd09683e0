//! Check `release-record-size`.

use super::each;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section};
use crate::model::release::MAX_SECRET;

/// From here on the next revision, a little longer than this one, may not fit.
const NEAR: usize = MAX_SECRET / 10 * 9;

/// The card.
pub static CARD: Card = Card {
    id: "release-record-size",
    section: Section::Releases,
    title: "the release records fit into a Secret",
    level: Level::Warning,
    why: "helm keeps the chart, the values and the manifest of a revision in one Secret of at most 1 MiB. When the next one does not fit, helm fails after it has already applied the objects.",
    fix: "Make the values smaller, or keep large files out of them; the chart's own size is the vendor's to mend.",
};

/// Whether the newest record is still well below the limit.
pub fn check(seen: &Seen<'_>) -> Checked {
    each(seen, &CARD, |_, record| {
        let share = record.size * 100 / MAX_SECRET;
        let message =
            format!("the record of revision {} takes {share} % of the 1 MiB that a Secret may hold", record.revision);
        let hint = format!("helm get values {} -n {}", record.name, seen.namespace());
        (record.size > NEAR).then(|| CARD.finding(format!("release {}", record.name), message, hint))
    })
}
