//! Health check `flux-controllers-ready`: requires running source-controller and helm-controller.

use super::helm_releases;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, undetermined_result};
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::object::ObjectRef;
use crate::model::object_status::{self, ObjectState};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-controllers-ready",
    section: Section::Flux,
    title: "running source-controller and helm-controller",
    level: Level::Error,
    why: "Without its controllers, Flux does nothing. All its objects keep their last status, so everything looks \
        ready.",
    fix: "Run flux check, or look at the Deployments: kubectl get deployments --all-namespaces. They may have \
        another name or run on another cluster.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: true, run: check };

/// Fails for each controller without a ready Deployment.
fn check(context: &CheckContext<'_>) -> CheckResult {
    if let Err(answer) = helm_releases(context, &CARD) {
        return answer;
    }
    let found = match &context.view.flux.controllers {
        Ok(found) => found,
        Err(failure) => return undetermined_result(&CARD, failure),
    };
    let mut result = CheckResultBuilder::new(&CARD);
    for name in ["source-controller", "helm-controller"] {
        let of_name = |object: &&serde_json::Value| object.pointer("/metadata/name").is_some_and(|own| own == name);
        let Some(object) = found.iter().find(of_name) else {
            // Flux may run on another cluster, as in our own tests: then only the status of its objects shows whether it runs.
            let (message, hint) =
                ("is in no namespace of this cluster", "kubectl get deployments --all-namespaces | grep controller");
            let absent = CARD.finding(format!("Deployment {name}"), message, hint);
            result.record([Finding { level: Level::Warning, ..absent }]);
            continue;
        };
        let (object_ref, now) = (ObjectRef::from_manifest(object), object_status::compute_status(object, context.now));
        result.record(object_ref.filter(|_| now.state != ObjectState::Current).map(|object_ref| {
            let hint = format!("kubectl -n {} describe deployment {}", object_ref.namespace, object_ref.name);
            CARD.finding(object_ref.to_string(), now.reason.clone(), hint)
        }));
    }
    result.build()
}
