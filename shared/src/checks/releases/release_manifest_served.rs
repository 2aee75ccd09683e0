//! Health check `release-manifest-served`: requires served API versions for every object in the stored manifests.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::release_inventory::Availability;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-manifest-served",
    section: Section::Releases,
    title: "served API versions for every object in the stored manifests",
    level: Level::Error,
    why: "helm reads the objects of the current release before every upgrade, rollback and uninstall. If a version \
        is no longer served, each of them fails: 'unable to build kubernetes objects from current release manifest'.",
    fix: "Serve the version again in spec.versions of the CRD, or rewrite the stored manifest: helm mapkubeapis \
        RELEASE --mapfile FILE",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::ObjectMetadata], heals_with_time: false, run: check };

/// Fails for each object of the newest manifests whose version is not served, so that helm could not read it.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    match (&context.inventory.objects, &context.health_inputs.kinds) {
        (Availability::Unreadable(failure), _) | (_, Err(failure)) => result.record_failure(failure),
        (Availability::Absent(reason), _) => result.record_skip(reason),
        (Availability::Known(objects), Ok(kinds)) => {
            for object in objects {
                let message = format!("is in the manifest of a release as {}, which is not served", object.api_version);
                let hint = format!("kubectl api-resources --api-group={}", object.group());
                result.record(kinds.get(object).is_none().then(|| CARD.finding(object.to_string(), message, hint)));
            }
            result.record_skip("the releases have no objects");
        }
    }
    result.build()
}
