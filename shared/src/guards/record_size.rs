//! helm can store what it is about to do.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::release::MAX_SECRET_BYTES;

/// The card.
pub static CARD: Card = Card {
    id: "record-size",
    section: Section::Guards,
    title: "the next release records fit into a Secret",
    level: Level::Error,
    why: "helm keeps chart, values and manifest of a revision in one Secret of at most 1 MiB, CRDs of a crds/ folder among them. One that does not fit is refused by the API server, and helm ends before it has done anything, or after.",
    fix: "Keep large files out of the values; a chart that is too large is its maker's to mend.",
};

/// From here on it is worth a word, in percent.
const RECORD_WARNING_PERCENT: usize = 90;

/// The guard: the records of the charts that move, packed as helm packs them.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let sizes = context.record_sizes;
    CheckResult::new(
        &CARD,
        sizes.len(),
        Verdict::from_findings(sizes.iter().filter_map(|(release, size)| check_size(release, (*size)?)).collect()),
    )
}

fn check_size(release: &str, size: usize) -> Option<Finding> {
    let share = size * 100 / MAX_SECRET_BYTES;
    if share < RECORD_WARNING_PERCENT {
        return None;
    }
    let level = if size > MAX_SECRET_BYTES { Level::Error } else { Level::Warning };
    let message = format!("its next record takes about {share} % of the 1 MiB that a Secret may hold");
    Some(Finding { level, ..CARD.finding(format!("release {release}"), message, CARD.fix) })
}
