//! Every webhook that must answer before something is written has a living backend.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::guards::context::Admission;
use crate::model::around::{self, Service};
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;

/// The card.
pub static CARD: Card = Card {
    id: "webhooks-alive",
    section: Section::Guards,
    title: "every webhook that guards what is written has a living backend",
    level: Level::Error,
    why: "With failurePolicy Fail (the default) the API server refuses a write when the webhook does not answer: an upgrade ends in the middle, at the first object of that kind.",
    fix: "Bring the webhook's backend back to life, or delete the configuration of one that is no longer there.",
};

/// The guard: webhooks with `failurePolicy: Fail` for kinds that this run writes, against the ready endpoints of their Service.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let around = admission.around;
    let (configurations, labels) = match (&around.webhooks, &around.labels) {
        (Ok(configurations), Ok(labels)) => (configurations, labels),
        (Err(not_seen), _) | (_, Err(not_seen)) => {
            return Checked::new(&CARD, 0, Verdict::Undetermined { reason: not_seen.to_string() });
        }
    };
    let written = written(admission);
    let all = configurations
        .iter()
        .flat_map(|configuration| around::webhooks(configuration).map(move |webhook| (configuration, webhook)));
    let strict: Vec<(&Value, &Value)> = all
        .filter(|(_, webhook)| webhook["failurePolicy"].as_str().unwrap_or("Fail") == "Fail")
        .filter(|(_, webhook)| written.iter().any(|what| guards(webhook, what)))
        .filter(|(_, webhook)| {
            // A kind without a namespace passes every namespaceSelector (admission `namespace.Matcher`).
            written.iter().any(|what| {
                guards(webhook, what) && (!what.namespaced || around::selects(&webhook["namespaceSelector"], labels))
            })
        })
        .collect();
    let mut findings = Vec::new();
    for (configuration, webhook) in &strict {
        let Some(service) = Service::of(&webhook["clientConfig"]) else { continue };
        match around.backends.get(&service) {
            Some(Ok(0)) | None => findings.push(finding(configuration, webhook, &service)),
            Some(Ok(_)) => {}
            Some(Err(not_seen)) => {
                return Checked::new(&CARD, strict.len(), Verdict::Undetermined { reason: not_seen.to_string() });
            }
        }
    }
    Checked::new(&CARD, strict.len(), Verdict::from_findings(findings))
}

fn finding(configuration: &Value, webhook: &Value, service: &Service) -> Finding {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let (kind, name) = (text(&configuration["kind"]), text(&configuration["metadata"]["name"]));
    let message = format!(
        "the webhook {} must answer (failurePolicy Fail), and {service} has no ready endpoint",
        text(&webhook["name"])
    );
    let hint = format!(
        "kubectl get endpointslices --namespace {}; is it left over? kubectl delete {} {name}",
        service.namespace,
        kind.to_lowercase()
    );
    CARD.finding(format!("{kind} {name}"), message, hint)
}

/// One kind that this run writes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Written {
    group: String,
    version: String,
    plural: String,
    namespaced: bool,
}

impl Written {
    fn new(group: &str, version: &str, plural: &str, namespaced: bool) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned(), namespaced }
    }
}

/// The kinds of the charts' objects, and those that helm and we write besides: release records, CRDs, locks.
fn written(admission: &Admission<'_>) -> BTreeSet<Written> {
    let mut all = BTreeSet::from([
        Written::new("", "v1", "secrets", true),
        Written::new("coordination.k8s.io", "v1", "leases", true),
    ]);
    if !admission.forecasts.is_empty() {
        all.insert(Written::new("apiextensions.k8s.io", "v1", "customresourcedefinitions", false));
    }
    let served = admission.application.and_then(|application| application.kinds.as_ref().ok());
    let objects = admission.app.iter().flat_map(|facts| facts.rendered).filter_map(ObjectRef::of);
    for object in objects.filter(|object| object.kind != "CustomResourceDefinition") {
        let planned = || admission.planned().find(|crd| crd.group() == object.group() && crd.kind() == object.kind);
        let known = served.and_then(|kinds| kinds.of(&object)).map(|kind| (kind.plural.clone(), kind.namespaced));
        let known = known.or_else(|| planned().map(|crd: &Crd| (crd.plural().to_owned(), crd.namespaced())));
        if let Some((plural, namespaced)) = known {
            all.insert(Written::new(object.group(), object.version(), &plural, namespaced));
        }
    }
    all
}

/// Whether a webhook is asked when this is created or updated (admissionregistration.k8s.io/v1 `RuleWithOperations`).
fn guards(webhook: &Value, what: &Written) -> bool {
    let named = |rule: &Value, key: &str, wanted: &[&str]| {
        rule[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|name| name == "*" || wanted.contains(&name))
    };
    let equivalent = webhook["matchPolicy"].as_str().unwrap_or("Equivalent") == "Equivalent";
    webhook["rules"].as_array().into_iter().flatten().any(|rule| {
        named(rule, "operations", &["CREATE", "UPDATE"])
            && named(rule, "apiGroups", &[&what.group])
            && (equivalent || named(rule, "apiVersions", &[&what.version]))
            && named(rule, "resources", &[&what.plural, "*/*"])
    })
}
