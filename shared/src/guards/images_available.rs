//! New images of the application that do not exist in their registries, or that could not be checked.

use std::collections::BTreeMap;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::container_images::ImageAvailability;
use crate::model::task::Task;
use crate::model::text_format::format_count;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "images-available",
    section: Section::Guards,
    title: "images of the new chart in their registries",
    level: Level::Warning,
    why: "Without its image, a pod stays in ImagePullBackOff, and helm waits until its timeout. This check runs on \
        the workstation; the nodes may use other mirrors and credentials.",
    fix: "Push or mirror the image, or correct its registry in the values. Set --skip-images if only the nodes can \
        reach the registry.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Reports each missing image, and one finding per registry that does not answer. Only images that the installed chart lacks count.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let skipped = |reason: &str| CheckResult::new(&CARD, 0, Verdict::Skipped { reason: reason.to_owned() });
    if context.app_chart.is_none() {
        return skipped("the application is not upgraded");
    }
    let Some(images) = context.images else { return skipped("--skip-images") };
    let mut unknown: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut findings: Vec<Finding> = Vec::new();
    for (image, answer) in images {
        match answer {
            ImageAvailability::Available { .. } => {}
            ImageAvailability::Missing => {
                let message = "does not exist in its registry, as seen from this workstation";
                findings.push(CARD.finding(format!("image {image}"), message, CARD.fix));
            }
            ImageAvailability::Undetermined { host, reason } => *unknown.entry((host, reason)).or_default() += 1,
        }
    }
    findings.extend(unknown.into_iter().map(|((host, reason), count)| {
        let message = format!("{} cannot be checked from this workstation: {reason}", format_count(count, "new image"));
        let hint = "set --skip-images if only the nodes can reach the registry";
        CARD.finding(format!("images of {host}"), message, hint)
    }));
    CheckResult::new(&CARD, images.len(), Verdict::from_findings(findings))
}
