//! Check `crd-stored-versions`.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::check_each_crd;
use crate::model::check::{Card, CheckResult, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "crd-stored-versions",
    section: Section::Crds,
    title: "no CRD still lists an old stored version",
    level: Level::Warning,
    why: "Objects may still be stored in the old version. A later chart that drops it is then refused by the API server, in the middle of an upgrade.",
    fix: "helm mural crds migrate rewrites every object of the kind in the storage version and trims the list then. Trimming the list alone is not enough: it is a claim, not a proof.",
};

/// Whether `status.storedVersions` holds the storage version alone.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let (name, storage) = (crd.name(), crd.storage_version());
        let left: Vec<&str> = crd.stored_versions().into_iter().filter(|version| *version != storage).collect();
        let still = if left.len() == 1 { "is still listed as stored" } else { "are still listed as stored" };
        let message = format!("{} {still}, beside {storage}", left.join(", "));
        let hint = format!("helm mural crds migrate {name}");
        (!left.is_empty()).then(|| CARD.finding(format!("CRD {name}"), message, hint))
    })
}
