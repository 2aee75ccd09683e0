//! Health checks of the two helm releases, from their records (Secrets `sh.helm.release.v1.*`).
//!
//! Live objects are compared with the manifest by name only; whether workloads run is checked in `workloads`.

pub mod release_chart_digest;
pub mod release_deployed;
pub mod release_manifest_served;
pub mod release_objects_present;
pub mod release_present;
pub mod release_record_size;
pub mod release_upgrade_deletions;
pub mod release_values;
pub mod release_version;
pub mod release_workloads;

use super::check_context::CheckContext;
use super::check_result_builder::CheckResultBuilder;
use crate::model::check::{Card, CheckResult, Finding};
use crate::model::release::ReleaseRecord;
use crate::model::release_role::ReleaseRole;

/// Calls the function for the newest record of each release. `release-present` and `owner-detected` report a missing one.
fn check_each_release(
    context: &CheckContext<'_>,
    card: &'static Card,
    judge: impl Fn(ReleaseRole, &ReleaseRecord) -> Option<Finding>,
) -> CheckResult {
    compare_each_release(context, card, |role, record| Some(judge(role, record).into_iter().collect()))
}

/// Like [`check_each_release`] with any number of findings; `None` if there is no chart to compare a release with.
fn compare_each_release(
    context: &CheckContext<'_>,
    card: &'static Card,
    judge: impl Fn(ReleaseRole, &ReleaseRecord) -> Option<Vec<Finding>>,
) -> CheckResult {
    let mut result = CheckResultBuilder::new(card);
    for (role, release) in context.releases() {
        match context.view.newest_revision(release) {
            Ok(Some(record)) => match judge(role, record) {
                Some(findings) => result.record(findings),
                None => result.record_skip(format!("no chart to compare {release} with")),
            },
            Ok(None) => result.record_skip(
                context
                    .view
                    .explain_missing_record(release)
                    .unwrap_or_else(|| format!("there is no release {release}")),
            ),
            Err(failure) => result.record_failure(failure),
        }
    }
    result.build()
}
