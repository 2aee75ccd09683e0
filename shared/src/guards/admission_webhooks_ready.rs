//! Admission webhooks that must answer before this run can write, and whether their Services have a ready endpoint.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::admission_policies::{self, ServiceRef};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::metadata_keys::MANAGED_BY;
use crate::model::object::ObjectRef;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "admission-webhooks-ready",
    section: Section::Guards,
    title: "a ready backend for every admission webhook of the objects to write",
    level: Level::Error,
    why: "With failurePolicy Fail (the default), the API server rejects a write if the webhook does not answer. The \
        upgrade then stops half-way.",
    fix: "Start the backend of the webhook, or delete the configuration of a webhook that no longer exists.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::Rollback, Task::ApplyCrds], check };

/// Fails for each webhook with `failurePolicy: Fail` that covers a kind of this run and has a Service without ready endpoints.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let policies = context.policies;
    let (configurations, labels) = match (&policies.webhooks, &policies.namespace_labels) {
        (Ok(configurations), Ok(labels)) => (configurations, labels),
        (Err(failure), _) | (_, Err(failure)) => {
            return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() });
        }
    };
    let written = written_resources(context);
    let all = configurations.iter().flat_map(|configuration| {
        admission_policies::webhooks(configuration).map(move |webhook| (configuration, webhook))
    });
    // A kind without a namespace passes every namespaceSelector (admission `namespace.Matcher`).
    let selects = |webhook: &Value, what: &WrittenResource| {
        intercepts(webhook, what)
            && (!what.namespaced || admission_policies::selector_matches(&webhook["namespaceSelector"], labels))
            && admission_policies::selector_matches(&webhook["objectSelector"], &what.labels)
    };
    let strict: Vec<(&Value, &Value)> = all
        .filter(|(_, webhook)| webhook["failurePolicy"].as_str().unwrap_or("Fail") == "Fail")
        .filter(|(_, webhook)| written.iter().any(|what| selects(webhook, what)))
        .collect();
    let (mut findings, mut unsure) = (Vec::new(), None);
    for (configuration, webhook) in &strict {
        let Some(service) = ServiceRef::from_client_config(&webhook["clientConfig"]) else { continue };
        match policies.ready_endpoints.get(&service) {
            // The API server calls it for some objects only, and which ones is in CEL.
            Some(Ok(0)) | None if webhook["matchConditions"].as_array().is_some_and(|all| !all.is_empty()) => {
                unsure.get_or_insert_with(|| conditions_reason(webhook, &service));
            }
            Some(Ok(0)) | None => findings.push(build_finding(configuration, webhook, &service)),
            Some(Ok(_)) => {}
            Some(Err(failure)) => {
                return CheckResult::new(&CARD, strict.len(), Verdict::Undetermined { reason: failure.to_string() });
            }
        }
    }
    let verdict = match unsure {
        Some(reason) if findings.is_empty() => Verdict::Undetermined { reason },
        Some(_) | None => Verdict::from_findings(findings),
    };
    CheckResult::new(&CARD, strict.len(), verdict)
}

fn conditions_reason(webhook: &Value, service: &ServiceRef) -> String {
    let name = webhook["name"].as_str().unwrap_or("?");
    format!("{service} of webhook {name} has no ready endpoint, and its matchConditions are not evaluated")
}

fn build_finding(configuration: &Value, webhook: &Value, service: &ServiceRef) -> Finding {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let (kind, name) = (text(&configuration["kind"]), text(&configuration["metadata"]["name"]));
    let message =
        format!("webhook {} has failurePolicy Fail, and {service} has no ready endpoint", text(&webhook["name"]));
    let hint = format!(
        "kubectl get endpointslices --namespace {}; if its application is removed: kubectl delete {} {name}",
        service.namespace,
        kind.to_lowercase()
    );
    CARD.finding(format!("{kind} {name}"), message, hint)
}

/// A resource of the API that this run creates or updates.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct WrittenResource {
    group: String,
    version: String,
    plural: String,
    namespaced: bool,
    labels: BTreeMap<String, String>,
}

impl WrittenResource {
    fn new(group: &str, version: &str, plural: &str, namespaced: bool) -> Self {
        let (group, version, plural) = (group.to_owned(), version.to_owned(), plural.to_owned());
        Self { group, version, plural, namespaced, labels: BTreeMap::new() }
    }

    fn with_labels(self, labels: BTreeMap<String, String>) -> Self {
        Self { labels, ..self }
    }
}

/// Lists the resources of the charts' objects, and those that every run writes: release records, CRDs and Leases.
fn written_resources(context: &GuardContext<'_>) -> BTreeSet<WrittenResource> {
    // The labels of a release record: https://github.com/helm/helm/blob/v3.17.2/pkg/storage/driver/secrets.go, `newSecretsObject`.
    let record = [("name", context.app_release), ("owner", "helm"), ("status", "deployed")];
    let own = [("app.kubernetes.io/managed-by", MANAGED_BY)];
    let mut all = BTreeSet::from([
        WrittenResource::new("", "v1", "secrets", true).with_labels(to_labels(&record)),
        WrittenResource::new("", "v1", "secrets", true).with_labels(to_labels(&own)),
        WrittenResource::new("coordination.k8s.io", "v1", "leases", true).with_labels(to_labels(&own)),
    ]);
    all.extend(context.planned_crds().map(|crd| {
        WrittenResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions", false)
            .with_labels(admission_policies::read_labels(crd.json()))
    }));
    let served = context.application.and_then(|application| application.kinds.as_ref().ok());
    let manifests = context.app_chart.iter().flat_map(|facts| facts.rendered);
    let objects = manifests.filter_map(|manifest| Some((ObjectRef::from_unnamed_manifest(manifest)?, manifest)));
    for (object, manifest) in objects.filter(|(object, _)| object.kind != "CustomResourceDefinition") {
        let planned = || context.planned_crds().find(|crd| crd.group() == object.group() && crd.kind() == object.kind);
        let known = served.and_then(|kinds| kinds.get(&object)).map(|kind| (kind.plural.clone(), kind.namespaced));
        let known = known.or_else(|| planned().map(|crd: &Crd| (crd.plural().to_owned(), crd.is_namespaced())));
        if let Some((plural, namespaced)) = known {
            let resource = WrittenResource::new(object.group(), object.version(), &plural, namespaced);
            all.insert(resource.with_labels(admission_policies::read_labels(manifest)));
        }
    }
    all
}

fn to_labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Whether the rules of a webhook match a create or update of this resource, by
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/api/admissionregistration/v1/types.go>.
fn intercepts(webhook: &Value, what: &WrittenResource) -> bool {
    let lists_any = |rule: &Value, key: &str, wanted: &[&str]| {
        rule[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|name| name == "*" || wanted.contains(&name))
    };
    let equivalent = webhook["matchPolicy"].as_str().unwrap_or("Equivalent") == "Equivalent";
    webhook["rules"].as_array().into_iter().flatten().any(|rule| {
        lists_any(rule, "operations", &["CREATE", "UPDATE"])
            && lists_any(rule, "apiGroups", &[&what.group])
            && (equivalent || lists_any(rule, "apiVersions", &[&what.version]))
            && lists_any(rule, "resources", &[&what.plural, "*/*"])
            && match rule["scope"].as_str() {
                Some("Cluster") => !what.namespaced,
                Some("Namespaced") => what.namespaced,
                Some(_) | None => true,
            }
    })
}
