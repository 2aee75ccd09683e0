//! Check `flux-controllers-run`.

use super::helm_releases;
use crate::checks::gathered::{Gathered, undetermined};
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::object::ObjectRef;
use crate::model::status::{self, State};

/// The card.
pub static CARD: Card = Card {
    id: "flux-controllers-run",
    section: Section::Flux,
    title: "source-controller and helm-controller run",
    level: Level::Error,
    why: "Without its controllers Flux does nothing, and all its objects keep the status that they had: everything looks ready.",
    fix: "Bring the controllers back: flux check, or look at their Deployments and pods. They may also run under another name, or on another cluster.",
};

/// Whether each controller's Deployment is there and ready.
pub fn check(seen: &Seen<'_>) -> Checked {
    if let Err(answer) = helm_releases(seen, &CARD) {
        return answer;
    }
    let found = match &seen.view.flux.controllers {
        Ok(found) => found,
        Err(not_seen) => return undetermined(&CARD, not_seen),
    };
    let mut gathered = Gathered::new(&CARD);
    for name in ["source-controller", "helm-controller"] {
        let of_name = |object: &&serde_json::Value| object.pointer("/metadata/name").is_some_and(|own| own == name);
        let Some(object) = found.iter().find(of_name) else {
            // Flux may run on another cluster, as in our own tests: what it keeps then tells whether it lives.
            let (message, hint) = (
                "is in no namespace: it runs elsewhere, or not at all",
                "kubectl get deployments --all-namespaces | grep controller",
            );
            let absent = CARD.finding(format!("Deployment {name}"), message, hint);
            gathered.looked([Finding { level: Level::Warning, ..absent }]);
            continue;
        };
        let (named, now) = (ObjectRef::of(object), status::status(object, seen.now));
        gathered.looked(named.filter(|_| now.state != State::Current).map(|named| {
            let hint = format!("kubectl -n {} describe deployment {}", named.namespace, named.name);
            CARD.finding(named.to_string(), now.reason.clone(), hint)
        }));
    }
    gathered.checked()
}
