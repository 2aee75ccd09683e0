//! Health check `namespace-exists`: requires the namespace of the installation.

use crate::checks::check_context::CheckContext;
use crate::checks::check_result_builder::undetermined_result;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "namespace-exists",
    section: Section::Cluster,
    title: "the namespace of the installation",
    level: Level::Error,
    why: "Without the namespace, nothing is installed there. Most often the context or the namespace is wrong.",
    fix: "Select the cluster with --context and the namespace with --namespace.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Fails if the namespace does not exist; undetermined if it could not be read.
fn check(seen: &CheckContext<'_>) -> CheckResult {
    let hub = &seen.view.cluster;
    let exists = match &hub.namespace_exists {
        Ok(exists) => *exists,
        Err(failure) => return undetermined_result(&CARD, failure),
    };
    let message = format!("does not exist on the cluster of context {}", hub.context);
    let hint = "kubectl get namespaces; helm list --all-namespaces";
    let finding = (!exists).then(|| CARD.finding(format!("Namespace {}", hub.namespace), message, hint));
    CheckResult::new(&CARD, 1, Verdict::from_findings(finding.into_iter().collect()))
}
