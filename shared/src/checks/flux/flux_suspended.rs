//! Health check `flux-suspended`: requires Flux objects that are not suspended.

use super::helm_releases;
use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::CheckResultBuilder;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Finding, Level, Section};
use crate::model::flux::FluxObject;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-suspended",
    section: Section::Flux,
    title: "Flux objects that are not suspended",
    level: Level::Warning,
    why: "A suspended object keeps its last status, including Ready, and does nothing: Flux neither upgrades it nor \
        reverts manual changes.",
    fix: "Find out why it is suspended, then resume it: flux resume helmrelease NAME",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Reports suspended HelmReleases and sources of the two releases.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let all = match helm_releases(context, &CARD) {
        Ok(all) => all,
        Err(answer) => return answer,
    };
    let mut result = CheckResultBuilder::new(&CARD);
    all.iter().for_each(|one| result.record(judge(one)));
    for source in context.view.flux.sources.values() {
        match source {
            Ok(Some(source)) => result.record(judge(source)),
            Ok(None) => {}
            Err(failure) => result.record_failure(failure),
        }
    }
    result.build()
}

fn judge(object: &impl FluxObject) -> Option<Finding> {
    let object_ref = object.object_ref();
    let by = object.suspended_by_run().map(|run| format!(" by the upgrade run {run}")).unwrap_or_default();
    let hint = format!(
        "kubectl patch {} --type merge --patch '{{\"spec\":{{\"suspend\":false}}}}'",
        object_ref.to_kubectl_args()
    );
    object.is_suspended().then(|| CARD.finding(object_ref.to_string(), format!("is suspended{by}"), hint))
}
