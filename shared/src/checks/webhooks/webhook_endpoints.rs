//! Check `webhook-endpoints`.

use super::{build_finding, check_each_webhook};
use crate::checks::check_context::CheckContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "webhook-endpoints",
    section: Section::Webhooks,
    title: "each webhook has a ready endpoint",
    level: Level::Error,
    why: "A Service without a ready endpoint answers nothing. With failurePolicy Fail the API server refuses what it would have asked about; with Ignore it writes it unasked.",
    fix: "Bring the pods behind the Service back: look at the workload that its selector names.",
};

/// Whether each Service behind a webhook has a ready endpoint. One that is not there is told by `webhook-service`.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_webhook(context, &CARD, |target, result| {
        let Some(service) = target.service() else { return result.record_skip("the webhooks answer at urls") };
        match context.health_inputs.backends.get(&service) {
            Some(Err(failure)) => result.record_failure(failure),
            Some(Ok(backend)) if backend.exists && backend.ready_endpoints == 0 => {
                let level = if target.fails_closed { Level::Error } else { Level::Warning };
                let message = format!("{service} has no ready endpoint; {}", target.outage_effect());
                let (namespace, name) = (&service.namespace, &service.name);
                let hint = format!(
                    "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}; kubectl -n {namespace} get deployments,pods"
                );
                result.record([Finding { level, ..build_finding(&CARD, target, &message, hint) }]);
            }
            Some(Ok(_)) => result.record(None),
            None => result.record_skip("their Services are not there"),
        }
    })
}
