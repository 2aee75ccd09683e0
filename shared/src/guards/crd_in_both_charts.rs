//! CRDs that both charts contain.

use crate::diff;
use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::manifest::release_objects;
use crate::model::task::Task;
use serde_json::Value;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-in-both-charts",
    section: Section::Guards,
    title: "each CRD in only one of the two charts",
    level: Level::Error,
    why: "If the copies differ, each upgrade of either chart changes the CRD, and fields come and go.",
    fix: "Use two versions that match, and report the duplicate to the vendor.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for copies with different content. Equal copies are a finding of a lower level, because two charts write the same CRD.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let (Some(crds), Some(app)) = (&context.crds_chart, &context.app_chart) else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "only one chart is upgraded".to_owned() });
    };
    let theirs = |name: &str| release_objects(crds.rendered).find(|other| Crd::name_of(other) == Some(name));
    let ours: Vec<(&str, &Value)> =
        release_objects(app.rendered).filter_map(|document| Some((Crd::name_of(document)?, document))).collect();
    let findings = ours.iter().filter_map(|(name, document)| compare_copies(name, theirs(name)?, document));
    CheckResult::new(&CARD, ours.len(), Verdict::from_findings(findings.collect()))
}

fn compare_copies(name: &str, one: &Value, other: &Value) -> Option<Finding> {
    let changes = diff::compare_crds(one, other);
    let Some(first) = changes.first() else {
        let message = "is equal in both charts; the copy of the CRD chart is applied".to_owned();
        return Some(Finding { level: Level::Info, ..CARD.finding(format!("CRD {name}"), message, "") });
    };
    let rest = if changes.len() > 1 { format!(" and {} more", changes.len() - 1) } else { String::new() };
    let message = format!("differs between the two charts: {first}{rest}");
    Some(CARD.finding(format!("CRD {name}"), message, CARD.fix))
}
