//! Check `release-chart-digest`.

use super::compare_each_release;
use crate::ask::expect::ExpectedChart;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::skipped_result;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::release::ReleaseRecord;

/// The card.
pub static CARD: Card = Card {
    id: "release-chart-digest",
    section: Section::Releases,
    title: "each release was made from the bytes of the chart that is named",
    level: Level::Error,
    why: "A tag can be moved: the same version may be other bytes than those that were installed. kubectl mural upgrade writes the chart's digest into the release's description.",
    fix: "Find out which of the two is meant. Upgrade with the right chart, pinned by its digest: --chart oci://…@sha256:….",
};

/// Whether the digest that stands in each release's description is that of the chart that was named.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    if context.expectations.app_chart.is_none() && context.expectations.crds_chart.is_none() {
        return skipped_result(&CARD, "no chart is named to compare with (--chart, --crds-chart)");
    }
    compare_each_release(context, &CARD, |role, record| judge(record, context.expected_chart(role)?))
}

/// None where the release does not say, or the two digests are of different things: an archive's and a manifest's never agree.
fn judge(record: &ReleaseRecord, chart: &ExpectedChart) -> Option<Vec<Finding>> {
    let (_, digest) = record.description.split_once("digest ")?;
    let same_version = record.chart_version.trim_start_matches('v') == chart.version.to_string();
    if digest == chart.digest.sha256 || !same_version {
        return Some(Vec::new());
    }
    let message = format!("was made from {digest}, and {} is {}", chart.reference, chart.digest.sha256);
    let hint = format!("helm history {}", record.name);
    Some(vec![CARD.finding(format!("release {}", record.name), message, hint)])
}
