//! Flux's controllers run, and serve what is patched.

use serde_json::Value;

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::flux::FluxObject;

/// The card.
pub static CARD: Card = Card {
    id: "flux-controllers",
    section: Section::Guards,
    title: "source-controller and helm-controller run and are new enough",
    level: Level::Error,
    why: "Without source-controller a patched source stays at its old chart; without helm-controller nothing is upgraded. A HelmRelease before v2 names no OCIRepository as its chart.",
    fix: "Bring the controllers up: kubectl get deployments --all-namespaces. Flux 2.6 and later serve what is needed.",
};

/// The guard.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    if !context.flux.has_any() {
        return CheckResult::new(&CARD, 0, Verdict::Pass);
    }
    let controllers = match &context.view.flux.controllers {
        Ok(controllers) => controllers,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    let mut findings: Vec<Finding> = controllers.iter().filter_map(check_deployment).collect();
    findings.extend(context.flux.routes().filter_map(|route| {
        let version = route.helm_release.text("/apiVersion");
        let message = format!("is served as {version}: helm-controller is too old");
        (!version.ends_with("/v2")).then(|| {
            let hint = "upgrade Flux first: helm.toolkit.fluxcd.io/v2 came with Flux 2.3";
            CARD.finding(route.helm_release.object_ref().to_string(), message, hint)
        })
    }));
    CheckResult::new(&CARD, controllers.len(), Verdict::from_findings(findings))
}

/// A Deployment of a controller without a ready pod. Where there is none, Flux runs elsewhere: what it does will show.
fn check_deployment(deployment: &Value) -> Option<Finding> {
    let text = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let ready = deployment.pointer("/status/readyReplicas").and_then(Value::as_u64).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    (ready == 0).then(|| {
        let hint = format!("kubectl describe deployment {name} --namespace {namespace}");
        CARD.finding(format!("Deployment {namespace}/{name}"), "has no ready pod", hint)
    })
}
