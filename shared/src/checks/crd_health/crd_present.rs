//! Check `crd-present`.

use crate::checks::crd_health::{apply, both, records_unseen};
use crate::checks::gathered::{Gathered, skipped, undetermined};
use crate::checks::seen::Seen;
use crate::model::check::{Card, Checked, Level, Section};
use crate::model::inventory::From;

/// The card.
pub static CARD: Card = Card {
    id: "crd-present",
    section: Section::Crds,
    title: "every CRD of the chart is on the cluster",
    level: Level::Error,
    why: "The application's controllers watch these kinds from their start; without one they crash or stay blind. helm installs CRDs once and never again: what was deleted does not come back by an upgrade.",
    fix: "Apply the chart's CRDs: kubectl mural upgrade with --crds, or helm mural crds apply CHART.",
};

/// Whether each CRD that should be there is.
pub fn check(seen: &Seen<'_>) -> Checked {
    let (wanted, live) = match both(seen, &CARD) {
        Ok(both) => both,
        Err(answer) => return answer,
    };
    if let (From::Live, Some(not_seen)) = (seen.named.crds_from, records_unseen(seen)) {
        return undetermined(&CARD, not_seen);
    }
    if seen.named.crds_from == From::Live {
        return skipped(&CARD, "no release names its CRDs, so none can be missed (--crds-chart names them)");
    }
    let mut gathered = Gathered::new(&CARD);
    for name in wanted {
        let missing = !live.contains_key(name);
        let hint = format!("kubectl get crds; {}", apply(seen));
        gathered.looked(missing.then(|| CARD.finding(format!("CRD {name}"), "is not on the cluster", hint)));
    }
    gathered.checked()
}
