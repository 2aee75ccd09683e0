//! Health check `release-deployed`: requires the status deployed for the newest revision of each release.

use super::check_each_release;
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::health_inputs::ReadScope;
use crate::model::owner::Owner;
use crate::model::release::ReleaseRecord;
use crate::model::release_status::ReleaseStatus;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "release-deployed",
    section: Section::Releases,
    title: "the status deployed for the newest revision of each release",
    level: Level::Error,
    why: "A failed revision was applied in part: old and new objects run side by side. While a revision is pending, \
        helm refuses every upgrade.",
    fix: "Find the cause with helm history RELEASE and helm status RELEASE. Then repeat the upgrade, or roll back \
        with helm rollback RELEASE.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::Journal], heals_with_time: true, run: check };

/// Fails for each release whose newest revision is pending or failed.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_release(context, &CARD, |_, record| {
        if record.status == ReleaseStatus::Deployed {
            return None;
        }
        let (name, namespace) = (&record.name, context.namespace());
        let message = if record.status.is_in_progress() {
            format!(
                "revision {} is {}: helm is running, or was interrupted and now refuses upgrades",
                record.revision, record.status
            )
        } else {
            format!("revision {} is {}", record.revision, record.status)
        };
        let records = context.view.releases.get(name).and_then(|records| records.as_ref().ok());
        let ours = records.zip(context.health_inputs.known_run()).and_then(|(all, last)| last.unfinished_run_of(all));
        let hint = if let Some(unfinished) = ours {
            format!("{} to continue the run that wrote it", unfinished.command)
        } else if record.status.is_in_progress() {
            format!("if no helm is running: helm rollback {name} -n {namespace}")
        } else {
            format!("helm history {name} -n {namespace}{}", rollback_hint(context, record))
        };
        Some(CARD.finding(format!("release {name}"), message, hint))
    })
}

/// The command to roll back to the last deployed revision; empty if Flux owns the release and remediates it itself.
fn rollback_hint(context: &CheckContext<'_>, record: &ReleaseRecord) -> String {
    let (name, namespace) = (&record.name, context.namespace());
    let records =
        context.view.releases.get(name).and_then(|records| records.as_ref().ok()).map_or(&[][..], Vec::as_slice);
    match (context.owner(name), records.iter().rev().find(|one| one.status.has_been_deployed())) {
        (Some(Owner::Helm), Some(good)) => {
            format!("; roll back to revision {}: helm rollback {name} {} -n {namespace}", good.revision, good.revision)
        }
        _ => format!("; helm status {name} -n {namespace}"),
    }
}
