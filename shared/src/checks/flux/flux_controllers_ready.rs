//! Check `flux-controllers-ready`.

use super::helm_releases;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::{CheckResultBuilder, undetermined_result};
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::object::ObjectRef;
use crate::model::object_status::{self, ObjectState};

/// The card.
pub static CARD: Card = Card {
    id: "flux-controllers-ready",
    section: Section::Flux,
    title: "source-controller and helm-controller run",
    level: Level::Error,
    why: "Without its controllers Flux does nothing, and all its objects keep the status that they had: everything looks ready.",
    fix: "Bring the controllers back: flux check, or look at their Deployments and pods. They may also run under another name, or on another cluster.",
};

/// Whether each controller's Deployment is there and ready.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
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
            // Flux may run on another cluster, as in our own tests: what it keeps then tells whether it lives.
            let (message, hint) = (
                "is in no namespace: it runs elsewhere, or not at all",
                "kubectl get deployments --all-namespaces | grep controller",
            );
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
