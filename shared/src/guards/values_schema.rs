//! Values that do not match `values.schema.json` of the new charts.

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::chart::ValuesSchemaError;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "values-schema",
    section: Section::Guards,
    title: "values that match values.schema.json of the charts",
    level: Level::Error,
    why: "helm validates the values only during the upgrade, after the new CRDs are applied.",
    fix: "Change the value in the values file or with --set. helm show values CHART lists the expected values.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Fails for each invalid value, with the message of helm; subcharts are included.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let charts: Vec<_> = context.charts().collect();
    if charts.is_empty() {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "no chart is upgraded".to_owned() });
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
            let message = format!("does not match the schema of {} {}: {words}", chart.chart.name, chart.chart.version);
            CARD.finding(place, message, CARD.fix)
        })
    });
    CheckResult::new(&CARD, charts.len(), Verdict::from_findings(findings.collect()))
}
