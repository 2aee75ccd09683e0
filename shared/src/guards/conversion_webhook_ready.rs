//! Planned CRDs whose conversion webhook has no backend yet, for example because the application installs it later.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::admission_policies::{ConversionAnswer, ServiceRef, conversion_url};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "conversion-webhook-ready",
    section: Section::Guards,
    title: "a ready conversion webhook before its CRD is applied",
    level: Level::Error,
    why: "The CRDs are applied first. From then on, the webhook converts every object that is stored in another \
        version. While it does not answer, these objects can be neither read nor written, and the application may \
        never start.",
    fix: "Start the backend of the webhook first, or use a chart whose CRDs need no conversion webhook.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each planned CRD with a conversion webhook whose Service has no ready endpoint now, or whose URL nothing has tried.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let converted: Vec<(&Crd, ServiceRef)> =
        context.planned_crds().filter_map(|crd| Some((crd, ServiceRef::from_conversion(crd)?))).collect();
    let by_url: Vec<(&Crd, &str)> =
        context.planned_crds().filter_map(|crd| Some((crd, conversion_url(crd)?))).collect();
    let count = converted.len() + by_url.len();
    let undetermined = |reason: String| CheckResult::new(&CARD, count, Verdict::Undetermined { reason });
    let mut findings = Vec::new();
    for (crd, service) in &converted {
        match context.policies.ready_endpoints.get(service) {
            Some(Ok(0)) | None => findings.push(build_finding(context, crd, service)),
            Some(Ok(_)) => {}
            Some(Err(failure)) => return undetermined(failure.to_string()),
        }
    }
    for (crd, url) in by_url {
        match context.policies.conversions.get(crd.name()) {
            None => findings.extend(check_untried_url(context, crd, url)),
            Some(ConversionAnswer::Converted | ConversionAnswer::NoObjects) => {}
            Some(ConversionAnswer::Failed(words)) => {
                let message = format!("the API server cannot convert its objects: {words}");
                findings.push(CARD.finding(format!("CRD {}", crd.name()), message, CARD.fix));
            }
            Some(ConversionAnswer::Unread(reason)) => {
                return undetermined(format!("objects of {}: {reason}", crd.name()));
            }
        }
    }
    CheckResult::new(&CARD, count, Verdict::from_findings(findings))
}

/// A URL that only the planned CRD has. The API server calls it from its own network, and only once the CRD is applied.
fn check_untried_url(context: &GuardContext<'_>, crd: &Crd, url: &str) -> Option<Finding> {
    if crd.versions().filter(|version| version.served).count() < 2 {
        return None;
    }
    let is_new = context.view.crds.as_ref().is_ok_and(|live| !live.contains_key(crd.name()));
    let message = format!(
        "nothing shows that its conversion webhook {url} answers: the API server calls it only after the CRD is applied"
    );
    let hint = "let the webhook run behind a Service; or try it from the network of the API server with a ConversionReview, then set \
        --allow-untried-conversion";
    let level = if is_new || context.allowed.untried_conversion { Level::Warning } else { CARD.level };
    Some(Finding { level, ..CARD.finding(format!("CRD {}", crd.name()), message, hint) })
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
    let which = if comes { "is installed with the application, after the CRD" } else { "has no ready endpoint" };
    let message = format!("the conversion webhook {service} {which}");
    let hint = format!(
        "kubectl get endpointslices --namespace {} --selector kubernetes.io/service-name={}",
        service.namespace, service.name
    );
    // A new kind has no objects yet, and one version needs no conversion: nothing breaks before the webhook is there.
    let level = if new || one_version { Level::Warning } else { CARD.level };
    Finding { level, ..CARD.finding(format!("CRD {}", crd.name()), message, hint) }
}
