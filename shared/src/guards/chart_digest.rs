//! It is known which bytes each chart is.

use crate::guards::context::GuardContext;
use crate::model::chart::{ChartRef, DigestKind};
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};

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
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let charts: Vec<_> = [&context.crds_chart, &context.app_chart].into_iter().flatten().collect();
    let unpinned = charts.iter().filter(|facts| {
        let registry = ChartRef::parse(&facts.reference).is_ok_and(|reference| reference.is_from_registry());
        registry && facts.digest.kind != DigestKind::Manifest
    });
    let findings = unpinned.map(|facts| {
        let message = "was pulled by its tag: the registry did not tell a digest without a login".to_owned();
        CARD.finding(facts.reference.clone(), message, CARD.fix)
    });
    CheckResult::new(&CARD, charts.len(), Verdict::from_findings(findings.collect()))
}
