//! Images of the new chart that their registries do not have.

use std::collections::BTreeMap;

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::container_images::ImageAvailability;

/// The card.
pub static CARD: Card = Card {
    id: "images-available",
    section: Section::Guards,
    title: "the new chart's images are there",
    level: Level::Warning,
    why: "A pod whose image is not there stays in ImagePullBackOff, and helm waits for it until its time runs out. This look is from the workstation: the nodes may have other mirrors, logins and ways out.",
    fix: "Push or mirror the image, or correct the value that names its registry. Where only the nodes can reach it: --skip-images.",
};

/// The guard: images that the new chart runs and the installed one does not.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let skipped = |reason: &str| CheckResult::new(&CARD, 0, Verdict::Skipped { reason: reason.to_owned() });
    if context.app_chart.is_none() {
        return skipped("the application stays where it is");
    }
    let Some(images) = context.images else { return skipped("--skip-images") };
    let mut unknown: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut findings: Vec<Finding> = Vec::new();
    for (image, answer) in images {
        match answer {
            ImageAvailability::Available => {}
            ImageAvailability::Missing => {
                let message = "its registry has no such image, as seen from this workstation";
                findings.push(CARD.finding(format!("image {image}"), message, CARD.fix));
            }
            ImageAvailability::Undetermined { host, reason } => *unknown.entry((host, reason)).or_default() += 1,
        }
    }
    findings.extend(unknown.into_iter().map(|((host, reason), count)| {
        let message = format!("{count} new images cannot be looked up from this workstation: {reason}");
        let hint = "the nodes may reach it all the same; --skip-images leaves this look out";
        CARD.finding(format!("images of {host}"), message, hint)
    }));
    CheckResult::new(&CARD, images.len(), Verdict::from_findings(findings))
}
