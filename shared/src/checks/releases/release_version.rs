//! Check `release-version`.

use semver::Version;

use super::check_each_release;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::skipped_result;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::release_role::ReleaseRole;

/// The card.
pub static CARD: Card = Card {
    id: "release-version",
    section: Section::Releases,
    title: "each release is at the expected version",
    level: Level::Error,
    why: "Another version than the expected one is installed. After the manual path the release mural-crds keeps its old version though the CRDs are new: helm was never told.",
    fix: "Upgrade to the expected version with kubectl mural upgrade, or correct what is expected (--expect).",
};

/// Whether the versions are the expected ones; build metadata (`+…`) does not count, registries drop it.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    let expect = context.expectations;
    if expect.app_version.is_none() && expect.crds_version.is_none() {
        return skipped_result(&CARD, "no version is expected (--expect mural=VERSION, --expect crds=VERSION)");
    }
    check_each_release(context, &CARD, |role, record| {
        let wanted = match role {
            ReleaseRole::Crds => expect.crds_version.as_ref()?,
            ReleaseRole::App => expect.app_version.as_ref()?,
        };
        let found = Version::parse(record.chart_version.trim_start_matches('v'));
        if found.is_ok_and(|found| found.cmp_precedence(wanted).is_eq()) {
            return None;
        }
        let message = format!("is at {}, expected is {wanted}", record.chart_version);
        let hint = format!("helm history {} -n {}", record.name, context.namespace());
        Some(CARD.finding(format!("release {}", record.name), message, hint))
    })
}
