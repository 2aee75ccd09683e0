//! Check `crd-terminating`.

use crate::checks::crd_health::each;
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section};

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
pub fn check(seen: &Seen<'_>) -> Checked {
    each(seen, &CARD, |crd| {
        let name = crd.name();
        let going = crd.json().pointer("/metadata/deletionTimestamp").is_some() || crd.has("Terminating");
        let hint = format!("kubectl get {name} --all-namespaces -o yaml");
        going.then(|| CARD.finding(format!("CRD {name}"), "is being deleted, and all its objects with it", hint))
    })
}
