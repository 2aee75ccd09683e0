//! Check `release-manifest-served`.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::release_inventory::Availability;

/// The card.
pub static CARD: Card = Card {
    id: "release-manifest-served",
    section: Section::Releases,
    title: "the API server still serves every version in the stored manifests",
    level: Level::Error,
    why: "helm builds the objects of the release as it is before every upgrade, rollback and uninstall. A version that is no longer served ends each of them with \"unable to build kubernetes objects from current release manifest\".",
    fix: "Serve the version again (the CRD's spec.versions), or rewrite the stored manifest: helm mapkubeapis RELEASE --mapfile FILE (its own map knows only built-in kinds).",
};

/// Whether each object of the newest manifests could be built by helm.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    let mut result = CheckResultBuilder::new(&CARD);
    match (&context.inventory.objects, &context.health_inputs.kinds) {
        (Availability::Unreadable(failure), _) | (_, Err(failure)) => result.record_failure(failure),
        (Availability::Absent(reason), _) => result.record_skip(reason),
        (Availability::Known(objects), Ok(kinds)) => {
            for object in objects {
                let message = format!("stands in a release's manifest as {}, which is not served", object.api_version);
                let hint = format!("kubectl api-resources --api-group={}", object.group());
                result.record(kinds.get(object).is_none().then(|| CARD.finding(object.to_string(), message, hint)));
            }
            result.record_skip("the releases name no objects");
        }
    }
    result.build()
}
