//! Release records that would not fit into a Secret.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::release::{MAX_SECRET_BYTES, RECORD_TOLERANCE_PERCENT};
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

/// Compares the size of each next record, packed as helm does, with the limit of a Secret. Within the tolerance of the prediction, the
/// guard is undetermined.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let sizes = context.record_sizes;
    let known = || sizes.iter().filter_map(|(release, size)| Some((release, (*size)?)));
    let findings: Vec<Finding> = known().filter_map(|(release, size)| check_size(release, size)).collect();
    let has_error = findings.iter().any(|finding| finding.level == Level::Error);
    let verdict = match known().find(|(_, size)| RecordFit::of(*size) == RecordFit::Unknown) {
        Some((release, size)) if !has_error => Verdict::Undetermined { reason: describe_unknown_fit(release, size) },
        _ => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, sizes.len(), verdict)
}

/// Whether a predicted record fits into a Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordFit {
    Fits,
    /// The limit is within the tolerance of the prediction.
    Unknown,
    TooLarge,
}

impl RecordFit {
    const fn of(size: usize) -> Self {
        let tolerance = size * RECORD_TOLERANCE_PERCENT / 100;
        if size > MAX_SECRET_BYTES + tolerance {
            Self::TooLarge
        } else if size + tolerance > MAX_SECRET_BYTES {
            Self::Unknown
        } else {
            Self::Fits
        }
    }
}

fn describe_unknown_fit(release: &str, size: usize) -> String {
    format!(
        "the next record of release {release} needs about {} % of the 1 MiB limit of a Secret, and the prediction is exact only to \
         {RECORD_TOLERANCE_PERCENT} %: remove large files from the values",
        size * 100 / MAX_SECRET_BYTES
    )
}

fn check_size(release: &str, size: usize) -> Option<Finding> {
    let share = size * 100 / MAX_SECRET_BYTES;
    if share < RECORD_WARNING_PERCENT {
        return None;
    }
    let level = if RecordFit::of(size) == RecordFit::TooLarge { Level::Error } else { Level::Warning };
    let message = format!("its next record needs about {share} % of the 1 MiB limit of a Secret");
    Some(Finding { level, ..CARD.finding(format!("release {release}"), message, CARD.fix) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_near_the_limit_promises_nothing() {
        let of = |percent: usize| RecordFit::of(MAX_SECRET_BYTES * percent / 100);
        assert_eq!(
            [97, 99, 101, 103].map(of),
            [RecordFit::Fits, RecordFit::Unknown, RecordFit::Unknown, RecordFit::TooLarge]
        );
    }
}
