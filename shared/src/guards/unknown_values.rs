//! User values whose key the new chart no longer has.

use serde_json::Value;

use crate::guards::Guard;
use crate::guards::context::GuardContext;
use crate::model::check::{Card, CheckResult, Level, Section, Verdict};
use crate::model::task::Task;

/// Id, level and texts of the guard for `--explain` and CHECKS.md.
pub static CARD: Card = Card {
    id: "unknown-values",
    section: Section::Guards,
    title: "values that the new chart still supports",
    level: Level::Warning,
    why: "helm ignores a value that no template reads. If the chart renamed a setting, it silently returns to its \
        default.",
    fix: "Find the new key with helm show values CHART. Then set the new key and remove the old one.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Reports keys of the user values that are in the defaults of the installed chart but not of the new one.
#[must_use]
fn check(context: &GuardContext<'_>) -> CheckResult {
    let Some(app) = &context.app_chart else {
        return CheckResult::new(&CARD, 0, Verdict::Skipped { reason: "the application is not upgraded".to_owned() });
    };
    let record = match context.view.newest_revision(app.release) {
        Ok(record) => record,
        Err(failure) => return CheckResult::new(&CARD, 0, Verdict::Undetermined { reason: failure.to_string() }),
    };
    let Some(record) = record else {
        return CheckResult::new(
            &CARD,
            0,
            Verdict::Skipped { reason: "no installed release to compare with".to_owned() },
        );
    };
    let mut gone = Vec::new();
    let set = context.config.reveal();
    collect_removed_keys(set, record.chart_values.reveal(), &app.chart.values, "", &mut gone);
    let findings = gone.into_iter().map(|key| {
        let message = format!("is set, but {} {} no longer has it", app.chart.name, app.chart.version);
        CARD.finding(format!("value {key}"), message, CARD.fix)
    });
    CheckResult::new(&CARD, count_values(set), Verdict::from_findings(findings.collect()))
}

/// Recurses while all three are maps. A default that is an empty map accepts any key, so nothing is compared there.
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
