//! The Flux controllers that must apply the patches of this run: whether they run, and serve HelmRelease v2.

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-controllers",
    section: Section::Guards,
    title: "running source-controller and helm-controller that serve HelmRelease v2",
    level: Level::Error,
    why: "Without source-controller, a patched source keeps its old chart. Without helm-controller, nothing is \
        upgraded. A HelmRelease before v2 cannot refer to an OCIRepository.",
    fix: "Start the controllers, or upgrade Flux to 2.6 or newer: kubectl get deployments --all-namespaces",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails if HelmRelease v2 is not served, or a controller Deployment has no ready pod. Skipped without Flux releases.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
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
        let message = format!("is served only as {version}: helm-controller is too old");
        (!version.ends_with("/v2")).then(|| {
            let hint = "upgrade Flux to 2.6 or newer first (helm.toolkit.fluxcd.io/v2 needs 2.3)";
            CARD.finding(route.helm_release.object_ref().to_string(), message, hint)
        })
    }));
    CheckResult::new(&CARD, controllers.len(), Verdict::from_findings(findings))
}

/// Reports the Deployment of a controller without a ready pod. Without a Deployment, Flux runs elsewhere and is not checked.
fn check_deployment(deployment: &Value) -> Option<Finding> {
    let text = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let ready = deployment.pointer("/status/readyReplicas").and_then(Value::as_u64).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    (ready == 0).then(|| {
        let hint = format!("kubectl describe deployment {name} --namespace {namespace}");
        CARD.finding(format!("Deployment {namespace}/{name}"), "has no ready pod", hint)
    })
}
