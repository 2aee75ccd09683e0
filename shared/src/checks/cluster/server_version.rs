//! Health check `server-version`: requires an API server of version 1.31 or newer.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::undetermined_result;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::cluster_view::ReadFailure;

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "server-version",
    section: Section::Cluster,
    title: "an API server of version 1.31 or newer",
    level: Level::Error,
    why: "The product needs Kubernetes 1.31 or newer. An older API server also validates CRDs by other rules, so \
        these checks would not hold.",
    fix: "Upgrade the hub cluster first, one minor version at a time.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Fails if the API server is older than 1.31.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let hub = &context.view.cluster;
    let Some(found) = hub.minor_version() else {
        let reason = format!("{:?} is not a version", hub.version);
        return undetermined_result(&CARD, &ReadFailure { target: "the version of the API server".to_owned(), reason });
    };
    let message = format!("is {}, older than 1.31", hub.version);
    let finding = (found < (1, 31)).then(|| CARD.finding("API server", message, "kubectl version"));
    CheckResult::new(&CARD, 1, Verdict::from_findings(finding.into_iter().collect()))
}
