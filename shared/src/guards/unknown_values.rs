//! Values that the new chart no longer knows.

use serde_json::Value;

use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};

/// The card.
pub static CARD: Card = Card {
    id: "unknown-values",
    section: Section::Guards,
    title: "the new chart knows every value that is set",
    level: Level::Warning,
    why: "helm takes a value that no template reads without a word: a setting that the new chart has renamed is silently back at its default.",
    fix: "Read the chart's notes on what it was renamed to: helm show values CHART. Then set the new key, and unset the old one.",
};

/// The guard: keys of the next revision's user values that the former chart's defaults had, and the new chart's have not.
#[must_use]
pub fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(app) = &context.app_chart else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application stays where it is".to_owned() });
    };
    let record = match context.view.newest_revision(app.release) {
        Ok(record) => record,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    let Some(record) = record else {
        return CheckResult::new(
            &CARD,
            0,
            Verdict::Skipped { reason: "nothing is installed to compare with".to_owned() },
        );
    };
    let mut gone = Vec::new();
    let set = context.config.reveal();
    collect_removed_keys(set, record.chart_values.reveal(), &app.chart.values, "", &mut gone);
    let findings = gone.into_iter().map(|key| {
        let message = format!("is set, and {} {} no longer has it", app.chart.name, app.chart.version);
        CARD.finding(format!("value {key}"), message, CARD.fix)
    });
    CheckResult::new(&CARD, count_values(set), Verdict::from_findings(findings.collect()))
}

/// Goes down where all three are maps. A default that is an empty map takes any key: there is nothing to compare with.
fn collect_removed_keys(set: &Value, before: &Value, after: &Value, path: &str, gone: &mut Vec<String>) {
    let (Value::Object(set), Value::Object(before)) = (set, before) else { return };
    let open = after.as_object().is_none_or(serde_json::Map::is_empty) && !path.is_empty();
    for (key, value) in set {
        let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (before.get(key), after.get(key)) {
            (Some(_), None) if !open => gone.push(here),
            (Some(before), Some(after)) => collect_removed_keys(value, before, after, &here, gone),
            _ => {}
        }
    }
}

fn count_values(values: &Value) -> usize {
    values.as_object().map_or(1, |map| map.values().map(count_values).sum())
}
