//! Health check `helm-version`: requires helm 3.17 or newer.

use crate::model::tool_versions::MIN_HELM_VERSION;

use super::check_minimum_version;
use crate::checks::check_context::CheckContext;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "helm-version",
    section: Section::Tools,
    title: "helm 3.17 or newer",
    level: Level::Error,
    why: "An older helm cannot pull a chart by digest, so the installed chart cannot be verified.",
    fix: "Install a newer helm (https://helm.sh/docs/intro/install/), or put it first on PATH.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Fails if helm is older than `MIN_HELM_VERSION`; undetermined if it cannot be run.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_minimum_version(&CARD, &context.tools.helm, &MIN_HELM_VERSION, |version| {
        CARD.finding(
            "helm",
            format!("is {version}, older than {MIN_HELM_VERSION}"),
            "helm version; https://helm.sh/docs/intro/install/",
        )
    })
}
