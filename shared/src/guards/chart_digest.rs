//! It is known which bytes each chart is.

use crate::guards::context::Admission;
use crate::model::chart::{ChartRef, DigestOf};
use crate::model::check::{Card, Checked, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "chart-digest",
    section: Section::Guards,
    title: "each chart is pinned by its digest",
    level: Level::Warning,
    why: "A tag can be moved between the plan and the upgrade; a digest cannot.",
    fix: "Log in with helm registry login, so that the registry can be asked for the digest, or pin it: oci://…@sha256:….",
};

/// The guard. A chart from a file or a folder is its own bytes; one from a registry should have the registry's digest.
#[must_use]
pub fn check(admission: &Admission<'_>) -> Checked {
    let charts: Vec<_> = [&admission.crds, &admission.app].into_iter().flatten().collect();
    let unpinned = charts.iter().filter(|facts| {
        let registry = ChartRef::parse(&facts.reference).is_ok_and(|reference| reference.from_registry());
        registry && facts.digest.of != DigestOf::Manifest
    });
    let findings = unpinned.map(|facts| {
        let message = "was pulled by its tag: the registry did not tell a digest without a login".to_owned();
        CARD.finding(facts.reference.clone(), message, CARD.fix)
    });
    Checked::new(&CARD, charts.len(), Verdict::from_findings(findings.collect()))
}
