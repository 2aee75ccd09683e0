//! Check `crd-terminating`.

use crate::checks::check_context::CheckContext;
use crate::checks::crd_health::check_each_crd;
use crate::model::check::{Card, CheckResult, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "crd-terminating",
    section: Section::Crds,
    title: "no CRD is being deleted",
    level: Level::Error,
    why: "With a CRD all objects of its kind are deleted. A CRD that is deleted waits for their finalizers; new objects of the kind are refused meanwhile.",
    fix: "Save what is left of its objects at once (kubectl get -o yaml), let the deletion end, then apply the CRD anew and restore them.",
};

/// Whether any CRD is on its way out.
pub fn check(context: &CheckContext<'_>) -> CheckResult {
    check_each_crd(context, &CARD, |crd| {
        let name = crd.name();
        let going = crd.json().pointer("/metadata/deletionTimestamp").is_some() || crd.has_condition("Terminating");
        let hint = format!("kubectl get {name} --all-namespaces -o yaml");
        going.then(|| CARD.finding(format!("CRD {name}"), "is being deleted, and all its objects with it", hint))
    })
}
