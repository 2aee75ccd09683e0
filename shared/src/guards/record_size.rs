//! Release records that would not fit into a Secret.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::release::MAX_SECRET_BYTES;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "record-size",
    section: Section::Guards,
    title: "release records that fit into a Secret",
    level: Level::Error,
    why: "helm stores the chart, the values and the manifest of a revision in one Secret of at most 1 MiB. The API \
        server rejects a larger record, and helm stops before or after it has changed objects.",
    fix: "Remove large files from the values. Report a chart that is too large to its vendor.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade], check };

/// Share of the limit from which a finding is reported, in percent.
const RECORD_WARNING_PERCENT: usize = 90;

/// Compares the size of each next record, packed as helm does, with the limit of a Secret.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
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
    let message = format!("its next record needs about {share} % of the 1 MiB limit of a Secret");
    Some(Finding { level, ..CARD.finding(format!("release {release}"), message, CARD.fix) })
}
