//! Health check `webhook-endpoints`: requires a ready endpoint for each webhook.

use super::{build_finding, check_each_webhook};
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::health_inputs::ReadScope;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "webhook-endpoints",
    section: Section::Webhooks,
    title: "a ready endpoint for each webhook",
    level: Level::Error,
    why: "A Service without a ready endpoint does not answer. With failurePolicy Fail, the API server rejects the \
        write; with Ignore, it skips the webhook.",
    fix: "Start the pods of the Service: check the workload that its selector matches.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::Webhooks], heals_with_time: true, run: check };

/// Checks that the Service of each webhook has a ready endpoint. `webhook-service` reports missing Services.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_webhook(context, &CARD, |target, result| {
        let Some(service) = target.service() else {
            return result.record_skip("the webhooks use a url, not a Service");
        };
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
            None => result.record_skip("their Services do not exist"),
        }
    })
}
