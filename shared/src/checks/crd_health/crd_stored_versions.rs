//! Health check `crd-stored-versions`: requires only the storage version in status.storedVersions.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::check_each_crd;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-stored-versions",
    section: Section::Crds,
    title: "only the storage version in status.storedVersions",
    level: Level::Warning,
    why: "Objects may still be stored in the old version. The API server rejects a later CRD without this version, \
        in the middle of an upgrade.",
    fix: "Run helm mural crds migrate to rewrite every object in the storage version and then trim the list. Do not \
        trim the list alone: it is not a proof.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: false, run: check };

/// Reports versions in `status.storedVersions` other than the storage version.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let (name, storage) = (crd.name(), crd.storage_version());
        let left: Vec<&str> = crd.stored_versions().into_iter().filter(|version| *version != storage).collect();
        let still = if left.len() == 1 {
            "is still listed in status.storedVersions"
        } else {
            "are still listed in status.storedVersions"
        };
        let message = format!("{} {still}, in addition to {storage}", left.join(", "));
        let hint = format!("helm mural crds migrate {name}");
        (!left.is_empty()).then(|| CARD.finding(format!("CRD {name}"), message, hint))
    })
}
