//! Health check `release-version`: requires each release at the expected version.

use super::check_each_release;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::skipped_result;
use crate::checks::health_checks::HealthCheck;
use crate::model::chart_version::ChartVersion;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::release_role::ReleaseRole;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-version",
    section: Section::Releases,
    title: "each release at the expected version",
    level: Level::Error,
    why: "Another version than expected is installed. If only the CRDs were applied by hand, the release mural-crds \
        keeps its old version.",
    fix: "Upgrade to the expected version with kubectl mural upgrade, or correct --expect.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Compares the versions with `--expect`. Build metadata (`+…`) does not count, because registries drop it.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let expect = context.expectations;
    if expect.app_version.is_none() && expect.crds_version.is_none() {
        return skipped_result(&CARD, "no expected version (set --expect mural=VERSION or --expect crds=VERSION)");
    }
    check_each_release(context, &CARD, |role, record| {
        let wanted = match role {
            ReleaseRole::Crds => expect.crds_version.as_ref()?,
            ReleaseRole::App => expect.app_version.as_ref()?,
        };
        let found = record.chart_version.parse::<ChartVersion>();
        if found.is_ok_and(|found| found.cmp_precedence(wanted).is_eq()) {
            return None;
        }
        let message = format!("is at {}, but {wanted} is expected", record.chart_version);
        let hint = format!("helm history {} -n {}", record.name, context.namespace());
        Some(CARD.finding(format!("release {}", record.name), message, hint))
    })
}
