//! Health check `webhook-service`: requires an existing Service for each webhook.

use super::{build_finding, check_each_webhook};
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "webhook-service",
    section: Section::Webhooks,
    title: "an existing Service for each webhook",
    level: Level::Error,
    why: "A webhook configuration can outlive its application. With failurePolicy Fail, the API server then rejects \
        every write to its kinds.",
    fix: "Restore the Service with an upgrade to the installed version, or delete the configuration of a webhook \
        whose application is removed.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::Webhooks], heals_with_time: false, run: check };

/// Checks that the Service of each webhook exists. A webhook with a url has none.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_webhook(context, &CARD, |target, result| {
        let Some(service) = target.service() else {
            return result.record_skip("the webhooks use a url, not a Service");
        };
        match context.health_inputs.backends.get(&service) {
            Some(Err(failure)) => result.record_failure(failure),
            Some(Ok(backend)) if backend.exists => result.record(None),
            Some(Ok(_)) | None => {
                let level = if target.fails_closed { Level::Error } else { Level::Warning };
                let message = format!("{service} does not exist; {}", target.outage_effect());
                let kind = target.subject.split(' ').next().unwrap_or_default().to_lowercase();
                let kind = if kind == "crd" { "crd".to_owned() } else { kind };
                let name = target.subject.split(' ').nth(1).unwrap_or_default();
                let hint = format!(
                    "repeat the upgrade to restore it; if its application is removed: kubectl delete {kind} {name}"
                );
                result.record([Finding { level, ..build_finding(&CARD, target, &message, hint) }]);
            }
        }
    })
}
