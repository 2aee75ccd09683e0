//! Webhooks: who must answer before something is written, and whether anybody does. Those that the installation brings, those that
//! are asked about its kinds, and the conversions of its CRDs; others are not ours to judge.

pub mod webhook_ca;
pub mod webhook_endpoints;
pub mod webhook_failure_policy;
pub mod webhook_service;

use std::collections::BTreeSet;

use serde_json::Value;

use super::gathered::Gathered;
use super::seen::Seen;
use crate::model::around::{self, Service};
use crate::model::check::{Card, Checked, Finding};

/// One place where the API server asks before it goes on.
struct Asked<'a> {
    /// `ValidatingWebhookConfiguration hue-admission`, `CRD hubs.…`
    subject: String,
    /// The webhook's own name; `conversion` for a CRD's.
    name: &'a str,
    client_config: &'a Value,
    /// Its place among the webhooks of its configuration.
    at: usize,
    /// The webhook; null for a conversion.
    webhook: &'a Value,
    /// Whether nothing goes on without an answer.
    must_answer: bool,
}

impl Asked<'_> {
    fn service(&self) -> Option<Service> {
        Service::of(self.client_config)
    }

    /// What happens without an answer, in words.
    fn without_answer(&self) -> &'static str {
        match (self.must_answer, self.webhook.is_null()) {
            (_, true) => "objects cannot be read in another version than the stored one",
            (true, false) => "every write that it is asked about is refused",
            (false, false) => "what it should guard passes unguarded",
        }
    }
}

/// Asks each webhook and each conversion that concerns the installation.
fn each(seen: &Seen<'_>, card: &'static Card, judge: impl Fn(&Asked<'_>, &mut Gathered)) -> Checked {
    let mut gathered = Gathered::new(card);
    match &seen.vitals.webhooks {
        Err(not_seen) => gathered.not_seen(not_seen),
        Ok(configurations) => {
            let groups = groups(seen);
            for configuration in configurations {
                for (at, webhook) in around::webhooks(configuration)
                    .enumerate()
                    .filter(|(_, webhook)| concerns(seen, configuration, webhook, &groups))
                {
                    judge(&asked(configuration, at, webhook), &mut gathered);
                }
            }
        }
    }
    for crd in seen.named.live_crds(seen.view) {
        let conversion = &crd.json()["spec"]["conversion"];
        if conversion["strategy"] == "Webhook" {
            let client_config = &conversion["webhook"]["clientConfig"];
            let subject = format!("CRD {}", crd.name());
            judge(
                &Asked { subject, name: "conversion", client_config, at: 0, webhook: &Value::Null, must_answer: true },
                &mut gathered,
            );
        }
    }
    gathered.otherwise("no webhook is asked about the installation's kinds");
    gathered.checked()
}

fn asked<'a>(configuration: &Value, at: usize, webhook: &'a Value) -> Asked<'a> {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    Asked {
        subject: format!("{} {}", text(&configuration["kind"]), text(&configuration["metadata"]["name"])),
        name: webhook["name"].as_str().unwrap_or("?"),
        client_config: &webhook["clientConfig"],
        at,
        webhook,
        must_answer: webhook["failurePolicy"].as_str().unwrap_or("Fail") == "Fail",
    }
}

/// The groups of everything that the releases name.
fn groups(seen: &Seen<'_>) -> BTreeSet<String> {
    let objects = seen.named.known().iter().map(|object| object.group().to_owned());
    objects.chain(seen.named.live_crds(seen.view).map(|crd| crd.group().to_owned())).collect()
}

fn concerns(seen: &Seen<'_>, configuration: &Value, webhook: &Value, groups: &BTreeSet<String>) -> bool {
    let name = configuration["metadata"]["name"].as_str().unwrap_or_default();
    let brought =
        seen.named.known().iter().any(|object| configuration["kind"] == object.kind.as_str() && object.name == name);
    let served_here =
        Service::of(&webhook["clientConfig"]).is_some_and(|service| service.namespace == seen.namespace());
    brought || served_here || asks_about(webhook, groups) && selects_here(seen, webhook)
}

fn asks_about(webhook: &Value, groups: &BTreeSet<String>) -> bool {
    let rules = webhook["rules"].as_array().into_iter().flatten();
    let asked = rules.flat_map(|rule| rule["apiGroups"].as_array().into_iter().flatten()).filter_map(Value::as_str);
    asked.into_iter().any(|group| group == "*" || groups.contains(group))
}

/// Where the namespace's labels are not known, it may be.
fn selects_here(seen: &Seen<'_>, webhook: &Value) -> bool {
    seen.vitals.labels.as_ref().map_or(true, |labels| around::selects(&webhook["namespaceSelector"], labels))
}

/// A finding about one of them.
fn finding(card: &Card, asked: &Asked<'_>, message: &str, hint: impl Into<String>) -> Finding {
    card.finding(asked.subject.clone(), format!("{}: {message}", asked.name), hint)
}
