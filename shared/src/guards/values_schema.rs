//! Values that the new charts' own schemas refuse.

use crate::guards::context::GuardContext;
use crate::model::chart::ValuesSchemaError;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "values-schema",
    section: Section::Guards,
    title: "the charts' own schemas take the values",
    level: Level::Error,
    why: "helm validates the values against the chart's values.schema.json when it upgrades: by the page, that is after the new CRDs are applied.",
    fix: "Change the value in the values file, or with --set; helm show values CHART says what the chart expects.",
};

/// The guard: helm's own words on every value that a `values.schema.json` refuses, subcharts' included.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let charts: Vec<_> = context.charts().collect();
    if charts.is_empty() {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "no chart moves".to_owned() });
    }
    let findings = charts.iter().flat_map(|chart| {
        chart.schema_refusals.iter().map(|refusal| {
            let ValuesSchemaError { chart: of, path: place, message: words } = refusal;
            let in_subchart = *of != chart.chart.name && !of.is_empty();
            let place = match (in_subchart, place.is_empty()) {
                (false, true) => "values".to_owned(),
                (false, false) => format!("value {place}"),
                (true, true) => format!("values of {of}"),
                (true, false) => format!("value {of}.{place}"),
            };
            let message = format!("the schema of {} {} refuses it: {words}", chart.chart.name, chart.chart.version);
            CARD.finding(place, message, CARD.fix)
        })
    });
    CheckResult::new(&CARD, charts.len(), Verdict::from_findings(findings.collect()))
}
