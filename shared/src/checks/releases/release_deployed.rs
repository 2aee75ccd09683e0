//! Check `release-deployed`.

use super::check_each_release;
use crate::checks::check_context::CheckContext;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::owner::Owner;
use crate::model::release::{DEPLOYED_STATUS, ReleaseRecord};

/// The card.
pub static CARD: Card = Card {
    id: "release-deployed",
    section: Section::Releases,
    title: "the newest revision of each release is deployed",
    level: Level::Error,
    why: "A failed revision was applied in part: old and new objects run side by side. A pending one was interrupted, and helm refuses every later upgrade while it is there.",
    fix: "Read what went wrong with helm history and helm status. Then repeat the upgrade, or go back with helm rollback.",
};

/// Whether the newest revision is `deployed`.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_release(context, &CARD, |_, record| {
        if record.status == DEPLOYED_STATUS {
            return None;
        }
        let (name, namespace) = (&record.name, context.namespace());
        let message = if record.is_pending() {
            format!(
                "revision {} is {}: helm is at work, or was interrupted and refuses upgrades now",
                record.revision, record.status
            )
        } else {
            format!("revision {} is {}", record.revision, record.status)
        };
        let hint = if record.is_pending() {
            format!("if no helm is at work: helm rollback {name} -n {namespace}")
        } else {
            format!("helm history {name} -n {namespace}{}", rollback_hint(context, record))
        };
        Some(CARD.finding(format!("release {name}"), message, hint))
    })
}

/// The way back to the last good revision; where Flux keeps the release, it goes its own way.
fn rollback_hint(context: &CheckContext<'_>, record: &ReleaseRecord) -> String {
    let (name, namespace) = (&record.name, context.namespace());
    let records =
        context.view.releases.get(name).and_then(|records| records.as_ref().ok()).map_or(&[][..], Vec::as_slice);
    match (context.owner(name), records.iter().rev().find(|one| one.has_been_deployed())) {
        (Some(Owner::Helm), Some(good)) => {
            format!("; back to revision {}: helm rollback {name} {} -n {namespace}", good.revision, good.revision)
        }
        _ => format!("; helm status {name} -n {namespace}"),
    }
}
