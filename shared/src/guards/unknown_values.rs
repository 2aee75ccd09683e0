//! Values that the new chart no longer knows.

use serde_json::Value;

use crate::guards::context::Admission;
use crate::model::check::{Card, Checked, Level, Section, Verdict};

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
pub fn check(admission: &Admission<'_>) -> Checked {
    let Some(app) = &admission.app else {
        return Checked::new(&CARD, 0, Verdict::Skipped { reason: "the application stays where it is".to_owned() });
    };
    let record = match admission.view.newest(app.release) {
        Ok(record) => record,
        Err(not_seen) => return Checked::new(&CARD, 0, Verdict::Undetermined { reason: not_seen.to_string() }),
    };
    let Some(record) = record else {
        return Checked::new(&CARD, 0, Verdict::Skipped { reason: "nothing is installed to compare with".to_owned() });
    };
    let mut gone = Vec::new();
    let set = admission.config.reveal();
    compare(set, record.chart_values.reveal(), &app.chart.values, "", &mut gone);
    let findings = gone.into_iter().map(|key| {
        let message = format!("is set, and {} {} no longer has it", app.chart.name, app.chart.version);
        CARD.finding(format!("value {key}"), message, CARD.fix)
    });
    Checked::new(&CARD, count(set), Verdict::from_findings(findings.collect()))
}

/// Goes down where all three are maps. A default that is an empty map takes any key: there is nothing to compare with.
fn compare(set: &Value, before: &Value, after: &Value, path: &str, gone: &mut Vec<String>) {
    let (Value::Object(set), Value::Object(before)) = (set, before) else { return };
    let open = after.as_object().is_none_or(serde_json::Map::is_empty) && !path.is_empty();
    for (key, value) in set {
        let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (before.get(key), after.get(key)) {
            (Some(_), None) if !open => gone.push(here),
            (Some(before), Some(after)) => compare(value, before, after, &here, gone),
            _ => {}
        }
    }
}

fn count(values: &Value) -> usize {
    values.as_object().map_or(1, |map| map.values().map(count).sum())
}
