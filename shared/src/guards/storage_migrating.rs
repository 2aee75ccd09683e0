//! CRDs that would lose a version while a storage migration of their objects runs.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "storage-migrating",
    section: Section::Guards,
    title: "no running storage migration of a version that the chart removes",
    level: Level::Error,
    why: "On Kubernetes 1.37, a running migration can remove a version from status.storedVersions before its objects \
        are rewritten. The API server then accepts a CRD without the version, and these objects become unreadable.",
    fix: "Wait until the condition StorageMigrating of the CRD is False: kubectl get storageversionmigrations",
};

/// The tasks that it applies to.
pub const GUARD: Guard =
    Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::Rollback, Task::Repair, Task::ApplyCrds], check };

/// Fails for each live CRD with the condition `StorageMigrating` that would lose a version.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let live = match &context.view.crds {
        Ok(live) => live,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    let pairs = context.planned_crds().filter_map(|next| Some((live.get(next.name())?, next)));
    let migrating = pairs.filter(|(now, _)| now.has_condition("StorageMigrating"));
    let findings = migrating.filter_map(|(now, next)| check_dropped_versions(now, next));
    CheckResult::new(&CARD, context.forecasts.len(), Verdict::from_findings(findings.collect()))
}

fn check_dropped_versions(now: &Crd, next: &Crd) -> Option<Finding> {
    let gone: Vec<&str> = now
        .versions()
        .filter(|version| next.versions().all(|other| other.name != version.name))
        .map(|version| version.name)
        .collect();
    if gone.is_empty() {
        return None;
    }
    let message = format!("would lose {} while a storage migration of its objects runs", gone.join(", "));
    let hint = format!("kubectl wait --for=condition=StorageMigrating=false crd/{} --timeout=10m", now.name());
    Some(CARD.finding(format!("CRD {}", now.name()), message, hint))
}
