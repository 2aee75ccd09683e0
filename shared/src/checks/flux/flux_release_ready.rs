//! Health check `flux-release-ready`: requires every HelmRelease Ready, with its newest revision deployed.

use super::helm_releases;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::flux::{FluxObject, HelmRelease};
use crate::model::release_status::ReleaseStatus;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-release-ready",
    section: Section::Flux,
    title: "every HelmRelease Ready, with its newest revision deployed",
    level: Level::Error,
    why: "Ready can refer to an older spec. A HelmRelease without retries left waits until its spec changes.",
    fix: "Find the cause with kubectl describe helmrelease NAME. Then try again: flux reconcile helmrelease NAME \
        --reset --force",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: true, run: check };

/// Checks that each HelmRelease has observed its spec, is Ready, and has a deployed revision first in its history. Failures since
/// the last success are warnings.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let all = match helm_releases(context, &CARD) {
        Ok(all) => all,
        Err(answer) => return answer,
    };
    let mut result = CheckResultBuilder::new(&CARD);
    all.iter().for_each(|one| result.record(judge(one)));
    result.build()
}

fn judge(one: &HelmRelease) -> Option<Finding> {
    let object_ref = one.object_ref();
    let hint = format!("kubectl describe {}", object_ref.to_kubectl_args());
    let fail = |level: Level, message: String| {
        Some(Finding { level, ..CARD.finding(object_ref.to_string(), message, hint.clone()) })
    };
    // What it gave up of an older spec says nothing of the newest; one that is suspended looks at none.
    if let Some(stalled) = one.stalled_condition().filter(|_| one.is_observed() || one.is_suspended()) {
        return fail(Level::Error, format!("is stalled: {} {}", stalled.reason, stalled.message));
    }
    if one.is_suspended() {
        return None;
    }
    if !one.is_observed() {
        return fail(Level::Error, "helm-controller has not observed its newest spec yet".to_owned());
    }
    match one.ready_condition() {
        Some(ready) if ready.status == "True" => {}
        Some(ready) => {
            return fail(Level::Error, format!("is not ready: {} ({}) {}", ready.status, ready.reason, ready.message));
        }
        None => return fail(Level::Error, "has no Ready condition yet".to_owned()),
    }
    match one.history().first() {
        Some(newest) if newest.status == ReleaseStatus::Deployed => {}
        Some(newest) => return fail(Level::Error, format!("its revision {} is {}", newest.revision, newest.status)),
        None => return fail(Level::Error, "has not created a release yet".to_owned()),
    }
    let failures = one.upgrade_failures() + one.install_failures();
    if one.is_remediated() || failures > 0 {
        return fail(Level::Warning, format!("has failed {failures} times since its last success"));
    }
    None
}
