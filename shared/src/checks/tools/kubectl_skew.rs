//! Health check `kubectl-skew`: requires kubectl within one minor version of the API server.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::undetermined_result;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::cluster_view::ReadFailure;

/// Id, level and texts of the check for `--explain` and CHECKS.md. The rule: <https://kubernetes.io/releases/version-skew-policy/#kubectl>
pub static CARD: Card = Card {
    id: "kubectl-skew",
    section: Section::Tools,
    title: "kubectl within one minor version of the API server",
    level: Level::Warning,
    why: "Kubernetes supports kubectl one minor version older or newer than the API server. Larger differences are \
        not tested.",
    fix: "Use kubectl of the minor version of the cluster, or one minor version next to it.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Compares the minor versions of kubectl and the API server.
fn check(context: &CheckContext<'_>) -> CheckResult {
    let kubectl = match &context.tools.kubectl {
        Ok(version) => version,
        Err(failure) => return undetermined_result(&CARD, failure),
    };
    let Some((major, minor)) = context.view.cluster.minor_version() else {
        let reason = format!("{:?} is not a version", context.view.cluster.version);
        return undetermined_result(&CARD, &ReadFailure { target: "the version of the API server".to_owned(), reason });
    };
    let near = major == kubectl.major && minor.abs_diff(kubectl.minor) <= 1;
    let message = format!("is {kubectl}, the API server is {}", context.view.cluster.version);
    let finding = (!near).then(|| CARD.finding("kubectl", message, "kubectl version"));
    CheckResult::new(&CARD, 1, Verdict::from_findings(finding.into_iter().collect()))
}
