//! No chart renders a CRD twice.

use std::collections::BTreeMap;

use crate::diff;
use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use serde_json::Value;

/// The card.
pub static CARD: Card = Card {
    id: "crd-duplicated",
    section: Section::Guards,
    title: "no chart has a CRD twice",
    level: Level::Error,
    why: "Of two copies the one that is written last wins, and a schema that nobody chose is served. It happens when a subchart brings a CRD that the chart has too.",
    fix: "The chart has to be mended: one copy of each CRD. Ask its maker, or take another version.",
};

/// The guard: two copies that differ are refused; equal ones are told.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let looked_at = context.charts().flat_map(|facts| facts.rendered).filter_map(Crd::name_of).count();
    let findings = context.charts().flat_map(find_duplicates).collect();
    CheckResult::new(&CARD, looked_at, Verdict::from_findings(findings))
}

fn find_duplicates(facts: &ChartFacts<'_>) -> Vec<Finding> {
    let mut copies: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for document in facts.rendered {
        if let Some(name) = Crd::name_of(document) {
            copies.entry(name).or_default().push(document);
        }
    }
    copies.retain(|_, copies| copies.len() > 1);
    copies.into_iter().map(|(name, copies)| build_finding(facts, name, &copies)).collect()
}

fn build_finding(facts: &ChartFacts<'_>, name: &str, copies: &[&Value]) -> Finding {
    let equal = copies.windows(2).all(|pair| matches!(pair, [one, other] if diff::is_same_crd(one, other)));
    let (level, which) =
        if equal { (Level::Warning, "all equal") } else { (Level::Error, "and they differ: which one wins is chance") };
    let chart = facts.chart;
    let message = format!("is {} times in the chart {} {}, {which}", copies.len(), chart.name, chart.version);
    Finding { level, ..CARD.finding(format!("CRD {name}"), message, CARD.fix) }
}
