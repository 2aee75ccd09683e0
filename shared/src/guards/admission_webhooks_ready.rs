//! Admission webhooks that must answer before this run can write, and whether their Services have a ready endpoint.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::admission_policies::{self, ServiceRef};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::metadata_keys::{JOURNAL_SECRET_TYPE, MANAGED_BY};
use crate::model::object::ObjectRef;
use crate::model::task::Task;
use crate::schema::match_conditions::{self, PlannedRequest};

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
    let selects = |webhook: &Value, what: &WrittenResource<'_>| is_selected(webhook, what, labels);
    let strict: Vec<(&Value, &Value)> = all
        .filter(|(_, webhook)| webhook["failurePolicy"].as_str().unwrap_or("Fail") == "Fail")
        .filter(|(_, webhook)| written.iter().any(|what| selects(webhook, what)))
        .collect();
    let (mut findings, mut unsure) = (Vec::new(), None);
    for (configuration, webhook) in &strict {
        let Some(service) = ServiceRef::from_client_config(&webhook["clientConfig"]) else { continue };
        let selected = || written.iter().filter(|what| selects(webhook, what));
        match policies.ready_endpoints.get(&service) {
            Some(Ok(0)) | None => match is_called_for_any(webhook, selected()) {
                Ok(true) => findings.push(build_finding(configuration, webhook, &service)),
                Ok(false) => {}
                Err(reason) => drop(unsure.get_or_insert_with(|| conditions_reason(webhook, &service, &reason))),
            },
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

/// Whether the rules and selectors of a webhook match this write, in a namespace with these labels.
fn is_selected(webhook: &Value, what: &WrittenResource<'_>, labels: &BTreeMap<String, String>) -> bool {
    let object_labels = admission_policies::read_labels(&what.object);
    // A kind without a namespace passes every namespaceSelector (admission `namespace.Matcher`).
    let in_namespace =
        || !what.namespaced || admission_policies::selector_matches(&webhook["namespaceSelector"], labels);
    intercepts(webhook, what)
        && in_namespace()
        && admission_policies::selector_matches(&webhook["objectSelector"], &object_labels)
}

/// Whether the match conditions let the webhook be called for one of these writes.
///
/// # Errors
/// They cannot be evaluated for one, and exclude the others.
fn is_called_for_any<'a>(
    webhook: &Value,
    selected: impl Iterator<Item = &'a WrittenResource<'a>>,
) -> Result<bool, String> {
    let mut undetermined = None;
    for what in selected {
        let resource = (what.group.as_str(), what.version.as_str(), what.plural.as_str());
        match match_conditions::is_called(webhook, PlannedRequest { object: &what.object, resource }) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(reason) => drop(undetermined.get_or_insert(reason)),
        }
    }
    undetermined.map_or(Ok(false), Err)
}

fn conditions_reason(webhook: &Value, service: &ServiceRef, reason: &str) -> String {
    let name = webhook["name"].as_str().unwrap_or("?");
    format!("{service} of webhook {name} has no ready endpoint, and {reason}")
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

/// An object that this run creates or updates, and its resource.
struct WrittenResource<'a> {
    group: String,
    version: String,
    plural: String,
    namespaced: bool,
    object: Cow<'a, Value>,
}

impl<'a> WrittenResource<'a> {
    fn new(group: &str, version: &str, plural: &str, namespaced: bool, object: Cow<'a, Value>) -> Self {
        let (group, version, plural) = (group.to_owned(), version.to_owned(), plural.to_owned());
        Self { group, version, plural, namespaced, object }
    }
}

/// Lists the objects of the charts, and those that every run writes: release records, CRDs and Leases.
fn written_resources<'a>(context: &'a GuardContext<'_>) -> Vec<WrittenResource<'a>> {
    let mut all = written_by_every_run(context);
    all.extend(context.planned_crds().map(|crd| {
        WrittenResource::new(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            false,
            Cow::Borrowed(crd.json()),
        )
    }));
    let served = context.application.and_then(|application| application.kinds.as_ref().ok());
    let manifests = context.app_chart.iter().flat_map(|facts| facts.rendered);
    let objects = manifests.filter_map(|manifest| Some((ObjectRef::from_unnamed_manifest(manifest)?, manifest)));
    for (object, manifest) in objects.filter(|(object, _)| object.kind != "CustomResourceDefinition") {
        let planned = || context.planned_crds().find(|crd| crd.group() == object.group() && crd.kind() == object.kind);
        let known = served.and_then(|kinds| kinds.get(&object)).map(|kind| (kind.plural.clone(), kind.namespaced));
        let known = known.or_else(|| planned().map(|crd: &Crd| (crd.plural().to_owned(), crd.is_namespaced())));
        if let Some((plural, namespaced)) = known {
            let manifest = match namespaced {
                true => with_namespace(manifest, context.view.cluster.namespace.as_str()),
                false => Cow::Borrowed(manifest),
            };
            all.push(WrittenResource::new(object.group(), object.version(), &plural, namespaced, manifest));
        }
    }
    all
}

/// The labels and the type of a release record are helm's
/// (<https://github.com/helm/helm/blob/v3.17.2/pkg/storage/driver/secrets.go>, `newSecretsObject`).
fn written_by_every_run(context: &GuardContext<'_>) -> Vec<WrittenResource<'static>> {
    let namespace = context.view.cluster.namespace.as_str();
    let secret = |kind: &str, labels: Value| {
        let metadata = json!({"namespace": namespace, "labels": labels});
        json!({"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata})
    };
    let own = json!({"app.kubernetes.io/managed-by": MANAGED_BY});
    let record = json!({"name": context.app_release, "owner": "helm", "status": "deployed"});
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"namespace": namespace, "labels": own}});
    vec![
        WrittenResource::new("", "v1", "secrets", true, Cow::Owned(secret("helm.sh/release.v1", record))),
        WrittenResource::new("", "v1", "secrets", true, Cow::Owned(secret(JOURNAL_SECRET_TYPE, own))),
        WrittenResource::new("coordination.k8s.io", "v1", "leases", true, Cow::Owned(lease)),
    ]
}

/// helm writes an object without a namespace into the release's.
fn with_namespace<'a>(manifest: &'a Value, namespace: &str) -> Cow<'a, Value> {
    if manifest["metadata"]["namespace"].as_str().is_some_and(|own| !own.is_empty()) {
        return Cow::Borrowed(manifest);
    }
    let mut manifest = manifest.clone();
    manifest["metadata"]["namespace"] = namespace.into();
    Cow::Owned(manifest)
}

/// Whether the rules of a webhook match a create or update of this resource, by
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/api/admissionregistration/v1/types.go>.
fn intercepts(webhook: &Value, what: &WrittenResource<'_>) -> bool {
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
