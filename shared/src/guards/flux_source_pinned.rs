//! Sources that follow a version range or a mutable tag.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::flux::FluxObject;
use crate::model::task::Task;
use crate::plan::flux::FluxRoute;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "flux-source-pinned",
    section: Section::Guards,
    title: "a fixed version in each source",
    level: Level::Warning,
    why: "With a range or a mutable tag, Flux upgrades a release at any time, and possibly the application before \
        its CRDs. The upgrade suspends the HelmRelease meanwhile and pins the source to one version.",
    fix: "Do nothing: the upgrade pins the source. Set the range again afterwards if you accept the risk.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Reports each source to patch whose version floats; the upgrade pins it.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let moving: Vec<&FluxRoute> = context.flux.routes().filter(|route| route.target.is_some()).collect();
    let findings = moving.iter().filter_map(|route| {
        let (why, chart) = (route.floating_reason()?, route.chart.as_ref()?);
        let version = route.target.as_ref().map_or("", |wanted| &wanted.version);
        Some(CARD.finding(chart.object_ref().to_string(), why, format!("do nothing: the upgrade pins it to {version}")))
    });
    CheckResult::new(&CARD, moving.len(), Verdict::from_findings(findings.collect()))
}
