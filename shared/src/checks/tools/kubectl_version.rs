//! Health check `kubectl-version`: requires kubectl 1.31 or newer.

use crate::model::tool_versions::MIN_KUBECTL_VERSION;

use super::check_minimum_version;
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "kubectl-version",
    section: Section::Tools,
    title: "kubectl 1.31 or newer",
    level: Level::Error,
    why: "Kubernetes does not support an older kubectl with any cluster version that the product supports.",
    fix: "Install a newer kubectl (https://kubernetes.io/docs/tasks/tools/), or put it first on PATH.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Fails if kubectl is older than `MIN_KUBECTL_VERSION`; undetermined if it cannot be run.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_minimum_version(&CARD, &context.tools.kubectl, &MIN_KUBECTL_VERSION, |version| {
        let hint = "kubectl version --client; https://kubernetes.io/docs/tasks/tools/";
        CARD.finding("kubectl", format!("is {version}, older than {MIN_KUBECTL_VERSION}"), hint)
    })
}
