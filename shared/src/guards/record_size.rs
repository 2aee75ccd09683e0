//! helm can store what it is about to do.

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::release::MAX_SECRET;

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
const NEAR: usize = 90;

/// The guard: the records of the charts that move, packed as helm packs them.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let sizes = admission.record_sizes;
    Checked::new(
        &CARD,
        sizes.len(),
        Verdict::from_findings(sizes.iter().filter_map(|(release, size)| finding(release, (*size)?)).collect()),
    )
}

fn finding(release: &str, size: usize) -> Option<Finding> {
    let share = size * 100 / MAX_SECRET;
    if share < NEAR {
        return None;
    }
    let level = if size > MAX_SECRET { Level::Error } else { Level::Warning };
    let message = format!("its next record takes about {share} % of the 1 MiB that a Secret may hold");
    Some(Finding { level, ..CARD.finding(format!("release {release}"), message, CARD.fix) })
}
