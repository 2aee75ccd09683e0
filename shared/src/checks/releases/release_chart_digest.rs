//! Health check `release-chart-digest`: requires a release from the same chart bytes as the given chart.

use super::compare_each_release;
use crate::ask::expect::ExpectedChart;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::skipped_result;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::release::ReleaseRecord;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-chart-digest",
    section: Section::Releases,
    title: "a release from the same chart bytes as the given chart",
    level: Level::Error,
    why: "A tag can move: the same version can have other bytes. kubectl mural upgrade writes the digest of the \
        chart into the description of the release.",
    fix: "Find out which chart is correct. Then upgrade with it, pinned by digest: --chart oci://…@sha256:…",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Compares the digest in the description of each release with the digest of the given chart.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if context.expectations.app_chart.is_none() && context.expectations.crds_chart.is_none() {
        return skipped_result(&CARD, "no chart to compare with (set --chart or --crds-chart)");
    }
    compare_each_release(context, &CARD, |role, record| judge(record, context.expected_chart(role)?))
}

/// Returns `None` if the release has no digest, or if the digests are of different kinds: those of an archive and of an OCI manifest
/// never match.
fn judge(record: &ReleaseRecord, chart: &ExpectedChart) -> Option<Vec<Finding>> {
    let (_, digest) = record.description.split_once("digest ")?;
    let same_version = record.chart_version.parse().is_ok_and(|installed| chart.version == installed);
    if digest == chart.digest.sha256 || !same_version {
        return Some(Vec::new());
    }
    let message = format!("was created from {digest}, but {} is {}", chart.reference, chart.digest.sha256);
    let hint = format!("helm history {}", record.name);
    Some(vec![CARD.finding(format!("release {}", record.name), message, hint)])
}
