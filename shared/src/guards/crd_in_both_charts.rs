//! No CRD is in both charts.

use crate::diff;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use serde_json::Value;

/// The card.
pub static CARD: Card = Card {
    id: "crd-in-both-charts",
    section: Section::Guards,
    title: "the charts do not fight over a CRD",
    level: Level::Error,
    why: "A CRD that both charts have with different content is another one after every upgrade of either: fields come and go.",
    fix: "The charts have to be mended: each CRD in one of them. Ask for two versions that fit, or tell their maker.",
};

/// The guard: the same name with different content is refused; equal copies are told, since two charts then write one CRD.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let (Some(crds), Some(app)) = (&context.crds_chart, &context.app_chart) else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "only one chart moves".to_owned() });
    };
    let theirs = |name: &str| crds.rendered.iter().find(|other| Crd::name_of(other) == Some(name));
    let ours: Vec<(&str, &Value)> =
        app.rendered.iter().filter_map(|document| Some((Crd::name_of(document)?, document))).collect();
    let findings = ours.iter().filter_map(|(name, document)| compare_copies(name, theirs(name)?, document));
    CheckResult::new(&CARD, ours.len(), Verdict::from_findings(findings.collect()))
}

fn compare_copies(name: &str, one: &Value, other: &Value) -> Option<Finding> {
    let changes = diff::compare_crds(one, other);
    let Some(first) = changes.first() else {
        let message = "is in both charts, equal: the CRD chart's is written".to_owned();
        return Some(Finding { level: Level::Info, ..CARD.finding(format!("CRD {name}"), message, "") });
    };
    let rest = if changes.len() > 1 { format!(" and {} more", changes.len() - 1) } else { String::new() };
    let message = format!("is in both charts, and they differ: {first}{rest}");
    Some(CARD.finding(format!("CRD {name}"), message, CARD.fix))
}
