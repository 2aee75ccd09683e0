//! Check `release-present`.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::owner::explain_missing_record;

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
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    for (_, release) in context.releases() {
        match (context.view.newest_revision(release), explain_missing_record(context.view, release)) {
            (Err(failure), _) => result.record_failure(failure),
            (Ok(Some(_)), _) => result.record(None),
            (Ok(None), Some(reason)) => result.record_skip(reason),
            (Ok(None), None) => {
                let hint = format!("helm history {release} -n {}", context.namespace());
                result.record([CARD.finding(format!("release {release}"), "has no record", hint)]);
            }
        }
    }
    result.build()
}
