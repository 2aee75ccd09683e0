//! Health check `webhook-deadlock`: requires webhooks that do not block their own pods.

use serde_json::{Value, json};

use super::{WebhookTarget, build_finding, check_each_webhook};
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::admission_policies;
use crate::model::check::{Card, CheckResult, Level, Section};
use crate::model::health_inputs::ReadScope;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "webhook-deadlock",
    section: Section::Webhooks,
    title: "webhooks that do not block their own pods",
    level: Level::Warning,
    why: "If a webhook with failurePolicy Fail also covers its own pods, it cannot start again once all of them are \
        gone (https://kubernetes.io/docs/concepts/cluster-administration/admission-webhooks-good-practices/).",
    fix: "Exclude the namespace of the webhook with its namespaceSelector, or set failurePolicy to Ignore.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck =
    HealthCheck { card: &CARD, reads: &[ReadScope::Webhooks], heals_with_time: false, run: check };

/// Reports webhooks with `failurePolicy: Fail` that cover pods, or workloads that create pods, in their own namespace.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_webhook(context, &CARD, |target, result| {
        let message = "must answer before its own pods can be created";
        result.record(
            is_deadlock(context, target)
                .then(|| build_finding(&CARD, target, message, namespace_exclusion_command(context, target))),
        );
    })
}

/// The command that excludes the webhook's own namespace and keeps the existing selector.
fn namespace_exclusion_command(context: &CheckContext<'_>, target: &WebhookTarget<'_>) -> String {
    let (kind, name) = target.subject.split_once(' ').unwrap_or_default();
    let outside = json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [context.namespace()]});
    let mut selector = target.webhook["namespaceSelector"].clone();
    match selector["matchExpressions"].as_array_mut() {
        Some(all) => all.push(outside),
        None => selector["matchExpressions"] = json!([outside]),
    }
    let patch =
        json!([{"op": "add", "path": format!("/webhooks/{}/namespaceSelector", target.index), "value": selector}]);
    format!("kubectl patch {} {name} --type json --patch '{patch}'", kind.to_lowercase())
}

fn is_deadlock(context: &CheckContext<'_>, target: &WebhookTarget<'_>) -> bool {
    let here = target.service().is_some_and(|service| service.namespace == context.namespace());
    let labels = context.health_inputs.namespace_labels.as_ref().ok();
    let selected =
        labels.is_some_and(|labels| admission_policies::selector_matches(&target.webhook["namespaceSelector"], labels));
    // An objectSelector excludes most objects; whether it matches the pods of the webhook is unknown here.
    let all_objects = target.webhook["objectSelector"].as_object().is_none_or(serde_json::Map::is_empty);
    target.fails_closed
        && !target.webhook.is_null()
        && here
        && selected
        && all_objects
        && intercepts_pods(target.webhook)
}

fn intercepts_pods(webhook: &Value) -> bool {
    let has = |rule: &Value, key: &str, names: &[&str]| {
        rule[key].as_array().into_iter().flatten().filter_map(Value::as_str).any(|name| names.contains(&name))
    };
    webhook["rules"].as_array().into_iter().flatten().any(|rule| {
        let core = has(rule, "apiGroups", &["", "*"]) && has(rule, "resources", &["pods", "*", "*/*"]);
        let apps = has(rule, "apiGroups", &["apps", "*"]) && has(rule, "resources", &["replicasets", "*", "*/*"]);
        (core || apps) && has(rule, "operations", &["CREATE", "*"])
    })
}
