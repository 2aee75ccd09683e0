//! Check `webhook-service`.

use super::{build_finding, check_each_webhook};
use crate::checks::check_context::CheckContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "webhook-service",
    section: Section::Webhooks,
    title: "the Service behind each webhook exists",
    level: Level::Error,
    why: "A webhook outlives the application that brought it: an uninstall that hung, a Service that was deleted. With failurePolicy Fail every write to its kinds is refused until somebody removes it.",
    fix: "Put the Service back (repeat the upgrade to the installed version), or delete the configuration of a webhook whose application is gone.",
};

/// Whether each Service that a webhook names is there. A webhook behind a url has none.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_webhook(context, &CARD, |target, result| {
        let Some(service) = target.service() else { return result.record_skip("the webhooks answer at urls") };
        match context.health_inputs.backends.get(&service) {
            Some(Err(failure)) => result.record_failure(failure),
            Some(Ok(backend)) if backend.exists => result.record(None),
            Some(Ok(_)) | None => {
                let level = if target.fails_closed { Level::Error } else { Level::Warning };
                let message = format!("{service} is not there; {}", target.outage_effect());
                let kind = target.subject.split(' ').next().unwrap_or_default().to_lowercase();
                let kind = if kind == "crd" { "crd".to_owned() } else { kind };
                let name = target.subject.split(' ').nth(1).unwrap_or_default();
                let hint = format!("put it back by repeating the upgrade; left over? kubectl delete {kind} {name}");
                result.record([Finding { level, ..build_finding(&CARD, target, &message, hint) }]);
            }
        }
    })
}
