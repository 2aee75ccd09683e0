//! Charts from a registry whose digest is unknown, so that a moved tag would go unnoticed.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::chart::{ChartRef, DigestKind};
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "chart-digest",
    section: Section::Guards,
    title: "charts that are pinned by digest",
    level: Level::Warning,
    why: "A tag can be moved between the plan and the upgrade. A digest cannot.",
    fix: "Log in with helm registry login so that the digest can be read, or pin the chart: oci://…@sha256:…",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each registry chart without a digest. A chart from a file or folder is identified by its own bytes.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let charts: Vec<_> = [&context.crds_chart, &context.app_chart].into_iter().flatten().collect();
    let unpinned = charts.iter().filter(|facts| {
        let registry = ChartRef::parse(&facts.reference).is_ok_and(|reference| reference.is_from_registry());
        registry && facts.digest.kind != DigestKind::Manifest
    });
    let findings = unpinned.map(|facts| {
        let message = "was pulled by its tag: the registry does not return a digest without a login".to_owned();
        CARD.finding(facts.reference.clone(), message, CARD.fix)
    });
    CheckResult::new(&CARD, charts.len(), Verdict::from_findings(findings.collect()))
}
