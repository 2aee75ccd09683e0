//! Health check `crd-terminating`: requires CRDs that are not being deleted.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::check_each_crd;
use crate::checks::health_check::HealthCheck;
use crate::model::check::{Card, CheckResult, Level, Section};

/// Id, level and texts of the check for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-terminating",
    section: Section::Crds,
    title: "CRDs that are not being deleted",
    level: Level::Error,
    why: "The API server deletes all objects of a deleted CRD. The CRD waits for their finalizers and rejects new \
        objects.",
    fix: "Save the remaining objects at once with kubectl get KIND --all-namespaces -o yaml. After the deletion, \
        apply the CRD again and restore them.",
};

/// What it reads, and how its findings change with time.
pub const CHECK: HealthCheck = HealthCheck { card: &CARD, reads: &[], heals_with_time: true, run: check };

/// Reports CRDs that are being deleted.
fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let name = crd.name();
        let going = crd.json().pointer("/metadata/deletionTimestamp").is_some() || crd.has_condition("Terminating");
        let hint = format!("kubectl get {name} --all-namespaces -o yaml");
        going.then(|| CARD.finding(format!("CRD {name}"), "is being deleted with all its objects", hint))
    })
}
