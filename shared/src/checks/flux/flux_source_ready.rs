//! Health check `flux-source-ready`: requires a fetched artifact of every chart source.

use super::check_each_source;
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::flux::{FluxObject, FluxRef, FluxSource};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-source-ready",
    section: Section::Flux,
    title: "a fetched artifact of every chart source",
    level: Level::Error,
    why: "If a source cannot fetch, the HelmRelease keeps the previous artifact: it stays Ready, and no new version \
        arrives.",
    fix: "Read the Ready condition of the source: a wrong version, a missing login, or a registry that does not \
        answer. Then try again: flux reconcile source oci NAME",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: true, run: check };

/// Checks that each source exists, has observed its spec and is Ready.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_source(context, &CARD, |object_ref, source| judge(object_ref, source).into_iter().collect())
}

fn judge(object_ref: &FluxRef, source: Option<&FluxSource>) -> Option<Finding> {
    let hint = format!("kubectl describe {}", object_ref.to_kubectl_args());
    let Some(source) = source else {
        return Some(CARD.finding(object_ref.to_string(), "does not exist, but a HelmRelease refers to it", hint));
    };
    // A HelmRepository of type oci is never reconciled, and has no status (source-controller `api/v1`).
    let static_one = object_ref.kind == "HelmRepository" && source.text("/spec/type") == "oci";
    // `flux-suspended` reports a suspended source.
    if source.is_ready() || source.is_suspended() || static_one {
        return None;
    }
    let message = match (source.is_observed(), source.ready_condition()) {
        (false, _) => "its controller has not observed its newest spec yet".to_owned(),
        (true, Some(ready)) => format!("is not ready: {} ({}) {}", ready.status, ready.reason, ready.message),
        (true, None) => "has no Ready condition yet".to_owned(),
    };
    Some(CARD.finding(object_ref.to_string(), message, hint))
}
