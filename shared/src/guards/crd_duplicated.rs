//! CRDs that one chart renders more than once.

use std::collections::BTreeMap;

use crate::diff;
use crate::guards::Guard;
use crate::guards::context::{ChartFacts, GuardContext};
use crate::model::check::{Card, CheckResult, Finding, Level, Section, Verdict};
use crate::model::crd::Crd;
use crate::model::manifest::release_objects;
use crate::model::task::Task;
use serde_json::Value;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "crd-duplicated",
    section: Section::Guards,
    title: "each CRD only once in a chart",
    level: Level::Error,
    why: "The last copy that is written wins, so the served schema is arbitrary. This happens if a subchart contains \
        a CRD that the chart has too.",
    fix: "Ask the vendor to remove the second copy, or use another version of the chart.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for copies with different content. Equal copies are a finding of a lower level.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let looked_at = context.charts().flat_map(|facts| release_objects(facts.rendered)).filter_map(Crd::name_of).count();
    let findings = context.charts().flat_map(find_duplicates).collect();
    CheckResult::new(&CARD, looked_at, Verdict::from_findings(findings))
}

fn find_duplicates(facts: &ChartFacts<'_>) -> Vec<Finding> {
    let mut copies: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for document in release_objects(facts.rendered) {
        if let Some(name) = Crd::name_of(document) {
            copies.entry(name).or_default().push(document);
        }
    }
    copies.retain(|_, copies| copies.len() > 1);
    copies.into_iter().map(|(name, copies)| build_finding(facts, name, &copies)).collect()
}

fn build_finding(facts: &ChartFacts<'_>, name: &str, copies: &[&Value]) -> Finding {
    let equal = copies.windows(2).all(|pair| matches!(pair, [one, other] if diff::is_same_crd(one, other)));
    let (level, which) = if equal {
        (Level::Warning, "all equal")
    } else {
        (Level::Error, "with different content: the last copy wins")
    };
    let chart = facts.chart;
    let message = format!("occurs {} times in the chart {} {}, {which}", copies.len(), chart.name, chart.version);
    Finding { level, ..CARD.finding(format!("CRD {name}"), message, CARD.fix) }
}
