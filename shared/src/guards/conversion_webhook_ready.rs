//! No CRD is converted by a webhook that only comes with the application.

use crate::guards::context::GuardContext;
use crate::model::admission_policies::ServiceRef;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;

/// The card.
pub static CARD: Card = Card {
    id: "conversion-webhook-ready",
    section: Section::Guards,
    title: "every conversion webhook is there before its CRD",
    level: Level::Error,
    why: "CRDs are applied first. From then on every object that is not stored in the version asked for goes through the conversion webhook: while nobody answers, such objects can be neither read nor written, and the application that would bring the webhook may wait for them.",
    fix: "Start the webhook's backend first, or take a chart whose CRDs convert without one.",
};

/// The guard: planned CRDs with a conversion webhook whose Service has no ready endpoint now.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let converted: Vec<(&Crd, ServiceRef)> =
        context.planned_crds().filter_map(|crd| Some((crd, ServiceRef::from_conversion(crd)?))).collect();
    let mut findings = Vec::new();
    for (crd, service) in &converted {
        match context.policies.ready_endpoints.get(service) {
            Some(Ok(0)) | None => findings.push(build_finding(context, crd, service)),
            Some(Ok(_)) => {}
            Some(Err(failure)) => {
                return CheckResult::new(&CARD, converted.len(), Verdict::Undetermined { reason: failure.to_string() });
            }
        }
    }
    CheckResult::new(&CARD, converted.len(), Verdict::from_findings(findings))
}

fn build_finding(context: &GuardContext<'_>, crd: &Crd, service: &ServiceRef) -> Finding {
    let live = context.view.crds.as_ref().ok().and_then(|live| live.get(crd.name()));
    let one_version = crd.versions().filter(|version| version.served).count() < 2;
    let new = live.is_none();
    let comes =
        context.app_chart.iter().flat_map(|app| app.rendered).filter_map(ObjectRef::from_manifest).any(|object| {
            let namespace =
                if object.namespace.is_empty() { &context.view.cluster.namespace } else { &object.namespace };
            object.kind == "Service" && object.name == service.name && *namespace == service.namespace
        });
    let which = if comes { "comes with the application, after the CRD" } else { "has no ready endpoint" };
    let message = format!("its objects are converted by {service}, which {which}");
    let hint = format!(
        "kubectl get endpointslices --namespace {} --selector kubernetes.io/service-name={}",
        service.namespace, service.name
    );
    // A new kind has no objects yet, and one version needs no conversion: nothing breaks before the webhook is there.
    let level = if new || one_version { Level::Warning } else { CARD.level };
    Finding { level, ..CARD.finding(format!("CRD {}", crd.name()), message, hint) }
}
