//! Check `release-record-size`.

use super::check_each_release;
use crate::checks::check_context::CheckContext;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::release::MAX_SECRET_BYTES;

/// From here on the next revision, a little longer than this one, may not fit.
const RECORD_WARNING_BYTES: usize = MAX_SECRET_BYTES / 10 * 9;

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
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_release(context, &CARD, |_, record| {
        let share = record.encoded_bytes * 100 / MAX_SECRET_BYTES;
        let message =
            format!("the record of revision {} takes {share} % of the 1 MiB that a Secret may hold", record.revision);
        let hint = format!("helm get values {} -n {}", record.name, context.namespace());
        (record.encoded_bytes > RECORD_WARNING_BYTES)
            .then(|| CARD.finding(format!("release {}", record.name), message, hint))
    })
}
