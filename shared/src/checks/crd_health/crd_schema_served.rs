//! Check `crd-schema-served`.

use crate::checks::crd_health::both;
use crate::checks::gathered::{Gathered, undetermined};
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Finding, Level, Section};
use crate::model::crd::Crd;
use crate::model::vitals::Published;

/// The card.
pub static CARD: Card = Card {
    id: "crd-schema-served",
    section: Section::Crds,
    title: "the API server serves the schema that each CRD has",
    level: Level::Error,
    why: "After a change of a CRD the server builds its schema anew. Established says nothing of that: it was true before. Until the new schema is served, kubectl explain and client-side checks go by the old one.",
    fix: "Wait some seconds and look again. Where it stays: look at the CRD's conditions and at the API server's log, and whether one of several API servers lags behind.",
};

/// Whether each served version of each CRD is published with the CRD's own schema.
pub fn check(seen: &Seen<'_>) -> Checked {
    let (wanted, live) = match both(seen, &CARD) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    let published = match &seen.vitals.published {
        Ok(published) => published,
        Err(not_seen) => return undetermined(&CARD, not_seen),
    };
    let mut gathered = Gathered::new(&CARD);
    for crd in wanted.iter().filter_map(|name| live.get(name)) {
        // One that is not established is told by `crd-established`.
        for version in crd.versions().filter(|version| version.served && crd.has("Established")) {
            if let Some(one) = published.get(&(crd.name().to_owned(), version.name.to_owned())) {
                gathered.looked(finding(crd, version.name, one));
            }
        }
    }
    gathered.skipped("none of the CRDs is established");
    gathered.checked()
}

fn finding(crd: &Crd, version: &str, published: &Published) -> Option<Finding> {
    let message = match published {
        Published::Same => return None,
        Published::Differs(first) => format!("{version} is served with another schema, first at {first}"),
        Published::Missing => format!("{version} is not served"),
    };
    let hint = format!(
        "kubectl get crd {} --output yaml; kubectl get --raw /openapi/v3/apis/{}/{version}",
        crd.name(),
        crd.group()
    );
    Some(CARD.finding(format!("CRD {}", crd.name()), message, hint))
}
