//! Check `flux-source-ready`.

use super::check_each_source;
use crate::checks::check_context::CheckContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::flux::{FluxObject, FluxRef, FluxSource};

/// The card.
pub static CARD: Card = Card {
    id: "flux-source-ready",
    section: Section::Flux,
    title: "every source of the charts is fetched",
    level: Level::Error,
    why: "While a source cannot fetch, the HelmRelease goes on with the artifact of before: it stays Ready, and no new version arrives.",
    fix: "Read the source's Ready condition: a wrong version, a login that is missing, a registry that does not answer. Then ask for a new try: flux reconcile source oci NAME.",
};

/// Whether each source is there, its spec observed, and Ready.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_source(context, &CARD, |object_ref, source| judge(object_ref, source).into_iter().collect())
}

fn judge(object_ref: &FluxRef, source: Option<&FluxSource>) -> Option<Finding> {
    let hint = format!("kubectl describe {}", object_ref.to_kubectl_args());
    let Some(source) = source else {
        return Some(CARD.finding(object_ref.to_string(), "a HelmRelease names it and it is not there", hint));
    };
    // A HelmRepository of type oci is never reconciled, and has no status (source-controller `api/v1`).
    let static_one = object_ref.kind == "HelmRepository" && source.text("/spec/type") == "oci";
    // `flux-suspended` tells of one that is suspended.
    if source.is_ready() || source.is_suspended() || static_one {
        return None;
    }
    let message = match (source.is_observed(), source.ready_condition()) {
        (false, _) => "its controller has not looked at its newest spec yet".to_owned(),
        (true, Some(ready)) => format!("is not ready: {} ({}) {}", ready.status, ready.reason, ready.message),
        (true, None) => "has no Ready condition yet".to_owned(),
    };
    Some(CARD.finding(object_ref.to_string(), message, hint))
}
