//! No CRD that drops a version is applied while the server migrates its objects.

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Finding, Level, Section, Verdict};
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
pub fn check(admission: &Admission<'_>) -> Checked {
    let live = match &admission.view.crds {
        Ok(live) => live,
        Err(not_seen) => return Checked::new(&CARD, 0, Verdict::Undetermined { reason: not_seen.to_string() }),
    };
    let pairs = admission.planned().filter_map(|next| Some((live.get(next.name())?, next)));
    let migrating = pairs.filter(|(now, _)| now.has("StorageMigrating"));
    let findings = migrating.filter_map(|(now, next)| drops(now, next));
    Checked::new(&CARD, admission.forecasts.len(), Verdict::from_findings(findings.collect()))
}

fn drops(now: &Crd, next: &Crd) -> Option<Finding> {
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
