//! Each source is told one version.

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::plan::flux::FluxRoute;

/// The card.
pub static CARD: Card = Card {
    id: "flux-source-pinned",
    section: Section::Guards,
    title: "each source is told one version",
    level: Level::Warning,
    why: "A range or a tag that can be pushed anew moves a release by itself, whenever it likes, the application before its CRDs. The upgrade holds it meanwhile and leaves it at one version.",
    fix: "Nothing has to be done: after the upgrade the source is told the one version. Who wants a range back sets it again, knowing this.",
};

/// The guard.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let moving: Vec<&FluxRoute> = context.flux.routes().filter(|route| route.target.is_some()).collect();
    let findings = moving.iter().filter_map(|route| {
        let (why, chart) = (route.floating_reason()?, route.chart.as_ref()?);
        let version = route.target.as_ref().map_or("", |wanted| &wanted.version);
        Some(CARD.finding(chart.object_ref().to_string(), why, format!("it will be told {version} alone")))
    });
    CheckResult::new(&CARD, moving.len(), Verdict::from_findings(findings.collect()))
}
