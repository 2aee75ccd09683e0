//! The API server itself accepts every CRD.

use super::Admission;
use crate::checks::{Card, Checked, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "crds-dry-run",
    section: Section::Guards,
    title: "the API server accepts every CRD",
    level: Level::Error,
    why: "A CRD that the server refuses half-way leaves some CRDs new and some old, with the application between them.",
    fix: "Mend what the server names. A stored version that would vanish needs its objects migrated first.",
};

/// The guard: a server-side dry-run of each CRD of the charts runs the same validation as the write.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    if !admission.server_asked {
        return Checked::new(
            &CARD,
            0,
            Verdict::Undetermined { reason: "--dry-run=client asks the server for no dry-run".to_owned() },
        );
    }
    let refused = admission.forecasts.iter().filter_map(|(name, answer)| Some((name, answer.as_ref().err()?)));
    let findings = refused.map(|(name, words)| {
        let hint = if words.contains("storedVersions") {
            "objects are still stored in that version: migrate them first, and keep the version in the chart until then"
        } else {
            CARD.fix
        };
        CARD.finding(format!("CRD {name}"), format!("the server refuses it: {words}"), hint)
    });
    Checked::new(&CARD, admission.forecasts.len(), Verdict::from_findings(findings.collect()))
}
