//! No CRD that drops a version is applied while the server migrates its objects.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;

/// The card.
pub static CARD: Card = Card {
    id: "storage-migrating",
    section: Section::Guards,
    title: "no version is dropped while its objects are migrated",
    level: Level::Error,
    why: "While a migration runs, status.storedVersions may lose a version before its objects are rewritten (seen on 1.37): a CRD without it is then accepted, and every such object becomes unreadable.",
    fix: "Wait until the CRD's condition StorageMigrating is False: kubectl get storageversionmigrations",
};

/// The guard: live CRDs whose condition `StorageMigrating` is true, against the versions that the charts' CRDs still have.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
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
    let message = format!("would lose {} while its objects are being migrated", gone.join(", "));
    let hint = format!("kubectl wait --for=condition=StorageMigrating=false crd/{} --timeout=10m", now.name());
    Some(CARD.finding(format!("CRD {}", now.name()), message, hint))
}
