//! Health checks of webhooks: those that the releases install, admission webhooks that cover their kinds, and the conversion
//! webhooks of their CRDs. Webhooks of other applications are left out.
//!
//! The API server is not called through a webhook: only its Service, endpoints and CA certificate are checked.

pub mod webhook_ca;
pub mod webhook_deadlock;
pub mod webhook_endpoints;
pub mod webhook_service;

use std::collections::BTreeSet;

use serde_json::Value;

use super::check_context::CheckContext;
use super::check_result_builder::CheckResultBuilder;
use crate::model::admission_policies::{self, ServiceRef};
use crate::model::check::{Card, CheckResult, Finding};

/// One webhook that the API server calls: an admission webhook or the conversion webhook of a CRD.
struct WebhookTarget<'a> {
    /// `ValidatingWebhookConfiguration hue-admission`, `CRD hubs.…`
    subject: String,
    /// The webhook's own name; `conversion` for a CRD's.
    name: &'a str,
    client_config: &'a Value,
    /// Index among the webhooks of its configuration.
    index: usize,
    /// The webhook; null for a conversion.
    webhook: &'a Value,
    /// Whether the API server rejects the request if the webhook does not answer.
    fails_closed: bool,
}

impl WebhookTarget<'_> {
    fn service(&self) -> Option<ServiceRef> {
        ServiceRef::from_client_config(self.client_config)
    }

    /// The effect of an outage, as the end of a message.
    fn outage_effect(&self) -> &'static str {
        match (self.fails_closed, self.webhook.is_null()) {
            (_, true) => "objects can be read only in their stored version",
            (true, false) => "the API server rejects every write that it covers",
            (false, false) => "the API server writes without it",
        }
    }
}

/// Calls the function for each webhook that concerns the installation.
fn check_each_webhook(
    context: &CheckContext<'_>,
    card: &'static Card,
    judge: impl Fn(&WebhookTarget<'_>, &mut CheckResultBuilder),
) -> CheckResult {
    let mut result = CheckResultBuilder::new(card);
    match &context.health_inputs.webhooks {
        Err(failure) => result.record_failure(failure),
        Ok(configurations) => {
            let groups = installation_groups(context);
            for configuration in configurations {
                for (at, webhook) in admission_policies::webhooks(configuration)
                    .enumerate()
                    .filter(|(_, webhook)| is_relevant(context, configuration, webhook, &groups))
                {
                    judge(&build_target(configuration, at, webhook), &mut result);
                }
            }
        }
    }
    for crd in context.inventory.live_crds(context.view) {
        let conversion = &crd.json()["spec"]["conversion"];
        if conversion["strategy"] == "Webhook" {
            let client_config = &conversion["webhook"]["clientConfig"];
            let subject = format!("CRD {}", crd.name());
            judge(
                &WebhookTarget {
                    subject,
                    name: "conversion",
                    client_config,
                    index: 0,
                    webhook: &Value::Null,
                    fails_closed: true,
                },
                &mut result,
            );
        }
    }
    result.skip_if_empty("no webhook covers the kinds of the installation");
    result.build()
}

fn build_target<'a>(configuration: &Value, at: usize, webhook: &'a Value) -> WebhookTarget<'a> {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    WebhookTarget {
        subject: format!("{} {}", text(&configuration["kind"]), text(&configuration["metadata"]["name"])),
        name: webhook["name"].as_str().unwrap_or("?"),
        client_config: &webhook["clientConfig"],
        index: at,
        webhook,
        fails_closed: webhook["failurePolicy"].as_str().unwrap_or("Fail") == "Fail",
    }
}

/// The API groups of the objects in the manifests.
fn installation_groups(context: &CheckContext<'_>) -> BTreeSet<String> {
    let objects = context.inventory.known_objects().iter().map(|object| object.group().to_owned());
    objects.chain(context.inventory.live_crds(context.view).map(|crd| crd.group().to_owned())).collect()
}

fn is_relevant(context: &CheckContext<'_>, configuration: &Value, webhook: &Value, groups: &BTreeSet<String>) -> bool {
    let name = configuration["metadata"]["name"].as_str().unwrap_or_default();
    let brought = context
        .inventory
        .known_objects()
        .iter()
        .any(|object| configuration["kind"] == object.kind.as_str() && object.name == name);
    let served_here = ServiceRef::from_client_config(&webhook["clientConfig"])
        .is_some_and(|service| service.namespace == context.namespace());
    brought || served_here || has_rule_for(webhook, groups) && selects_namespace(context, webhook)
}

fn has_rule_for(webhook: &Value, groups: &BTreeSet<String>) -> bool {
    let rules = webhook["rules"].as_array().into_iter().flatten();
    let api_groups =
        rules.flat_map(|rule| rule["apiGroups"].as_array().into_iter().flatten()).filter_map(Value::as_str);
    api_groups.into_iter().any(|group| group == "*" || groups.contains(group))
}

/// Whether the webhook can match the namespace; `true` if its labels are unknown.
fn selects_namespace(context: &CheckContext<'_>, webhook: &Value) -> bool {
    context
        .health_inputs
        .namespace_labels
        .as_ref()
        .map_or(true, |labels| admission_policies::selector_matches(&webhook["namespaceSelector"], labels))
}

/// Builds a finding about one webhook.
fn build_finding(card: &Card, target: &WebhookTarget<'_>, message: &str, hint: impl Into<String>) -> Finding {
    card.finding(target.subject.clone(), format!("{}: {message}", target.name), hint)
}
