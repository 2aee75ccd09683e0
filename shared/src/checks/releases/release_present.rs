//! Health check `release-present`: requires a release record of each chart.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-present",
    section: Section::Releases,
    title: "a release record of each chart",
    level: Level::Error,
    why: "helm knows an installation only by its records (Secrets sh.helm.release.v1.*). Without a record, helm \
        would install over running objects, and the version is unknown.",
    fix: "Check whether the HelmRelease has made its first release: kubectl get helmreleases --all-namespaces. If \
        the records were deleted, restore them from a backup.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Fails for each release without a record; skipped if its owner creates none (Argo CD).
fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    for (_, release) in context.releases() {
        match (context.view.newest_revision(release), context.view.explain_missing_record(release)) {
            (Err(failure), _) => result.record_failure(failure),
            (Ok(Some(_)), _) => result.record(None),
            (Ok(None), Some(reason)) => result.record_skip(reason),
            (Ok(None), None) => {
                let hint = format!("helm history {release} -n {}", context.namespace());
                result.record([CARD.finding(format!("release {release}"), "has no release record", hint)]);
            }
        }
    }
    result.build()
}
