//! Health check `release-record-size`: requires release records that fit into a Secret.

use super::check_each_release;
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::release::MAX_SECRET_BYTES;

/// Share of the limit from which the next, slightly larger record may not fit, in percent.
const RECORD_WARNING_BYTES: usize = MAX_SECRET_BYTES / 10 * 9;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-record-size",
    section: Section::Releases,
    title: "release records that fit into a Secret",
    level: Level::Warning,
    why: "helm stores the chart, the values and the manifest of a revision in one Secret of at most 1 MiB. If the \
        next record is too large, helm fails after it has applied the objects.",
    fix: "Remove large files from the values. Report a chart that is too large to its vendor.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Reports records whose size is close to the limit of a Secret.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_release(context, &CARD, |_, record| {
        let share = record.encoded_bytes * 100 / MAX_SECRET_BYTES;
        let message =
            format!("the record of revision {} uses {share} % of the 1 MiB limit of a Secret", record.revision);
        let hint = format!("helm get values {} -n {}", record.name, context.namespace());
        (record.encoded_bytes > RECORD_WARNING_BYTES)
            .then(|| CARD.finding(format!("release {}", record.name), message, hint))
    })
}
