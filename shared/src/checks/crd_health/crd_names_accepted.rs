//! Check `crd-names-accepted`.

use crate::checks::crd_health::{each, said};
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section};

/// The card.
pub static CARD: Card = Card {
    id: "crd-names-accepted",
    section: Section::Crds,
    title: "the names of every CRD are accepted",
    level: Level::Error,
    why: "Another CRD of the same group holds the plural, singular, short name or kind. The CRD stays Established under its old names, and the new ones are silently not served.",
    fix: "Find the CRD that holds the name with kubectl get crds, and rename or remove one of the two.",
};

/// Whether each CRD got the names that it asks for.
pub fn check(seen: &Seen<'_>) -> Checked {
    each(seen, &CARD, |crd| {
        let name = crd.name();
        let message = format!("its names are not accepted: {}", said(crd.condition("NamesAccepted")));
        let hint = format!("kubectl describe crd {name}");
        (!crd.has("NamesAccepted")).then(|| CARD.finding(format!("CRD {name}"), message, hint))
    })
}
