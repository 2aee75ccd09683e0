//! User values that the new chart does not read: keys that left it, and keys that look like a typing error.

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
    why: "helm ignores a value that no template reads. If the chart renamed a setting or the key has a typing error, the \
        setting silently has its default.",
    fix: "Find the key with helm show values CHART. Then set it and remove the other one.",
};

/// The tasks that it applies to.
pub const GUARD: Guard = Guard { card: &CARD, applies_to: &[Task::Upgrade, Task::ApplyCrds], check };

/// Reports keys of the user values that only the installed chart's defaults have, and unknown keys that are almost like a
/// key of the new chart. Another unknown key can be one that a template reads without a default, so it is no finding.
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
    let mut unread = Vec::new();
    let set = context.config.reveal();
    collect_unread_keys(set, record.chart_values.reveal(), &app.chart.values, "", &mut unread);
    let chart = format!("{} {}", app.chart.name, app.chart.version);
    let findings = unread.into_iter().map(|key| match key {
        UnreadKey::Removed(path) => {
            CARD.finding(format!("value {path}"), format!("is set, but {chart} no longer has it"), CARD.fix)
        }
        UnreadKey::Mistyped { path, similar } => CARD.finding(
            format!("value {path}"),
            format!("is set, but {chart} has no such value in its defaults; it has {similar}"),
            format!("set {similar} instead of {path}, if you meant it"),
        ),
    });
    CheckResult::new(&CARD, count_values(set), Verdict::from_findings(findings.collect()))
}

/// A key of the user values that the new chart does not read.
enum UnreadKey {
    /// The installed chart has it, the new one does not.
    Removed(String),
    /// Neither has it, and the new chart has a key that is almost the same. Both are full paths.
    Mistyped { path: String, similar: String },
}

/// Recurses while the user values and the new defaults are maps. A default that is an empty map accepts any key, so nothing
/// is compared there.
fn collect_unread_keys(set: &Value, before: &Value, after: &Value, path: &str, unread: &mut Vec<UnreadKey>) {
    let (Value::Object(set), Value::Object(known)) = (set, after) else { return };
    if known.is_empty() && !path.is_empty() {
        return;
    }
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, value) in set {
        match (before.get(key), known.get(key)) {
            (_, Some(after)) => {
                collect_unread_keys(value, before.get(key).unwrap_or(&Value::Null), after, &join(key), unread);
            }
            (Some(_), None) => unread.push(UnreadKey::Removed(join(key))),
            (None, None) => {
                let also_known = (path.is_empty() && key != GLOBAL_KEY).then_some(GLOBAL_KEY);
                let names = known.keys().map(String::as_str).chain(also_known);
                let free = names.filter(|name| !set.contains_key(*name));
                if let Some(similar) = free.into_iter().find(|name| is_typing_error(key, name)) {
                    unread.push(UnreadKey::Mistyped { path: join(key), similar: join(similar) });
                }
            }
        }
    }
}

/// helm passes these values to every subchart, whether or not the defaults have them.
const GLOBAL_KEY: &str = "global";
/// A shorter key is too often another word.
const MIN_KEY_LETTERS: usize = 4;

/// One letter too many, too few or wrong, or two exchanged. Keys that differ in digits only are different keys.
fn is_typing_error(key: &str, known: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>();
    let is_long = key.chars().count().min(known.chars().count()) >= MIN_KEY_LETTERS;
    is_long && letters(key) != letters(known) && strsim::osa_distance(&key.to_lowercase(), &known.to_lowercase()) <= 1
}

fn count_values(values: &Value) -> usize {
    values.as_object().map_or(1, |map| map.values().map(count_values).sum())
}
