//! Builds SARIF 2.1.0 logs for code scanning: the parts that all reports share.

use serde_json::{Value, json};

use super::style::sanitize;
use crate::model::check::{Card, Level};

/// Builds the log of one run.
#[must_use]
pub fn build_log(program: &str, cards: &[&Card], results: &[Value]) -> Value {
    let rules: Vec<Value> = cards
        .iter()
        .map(|card| {
            json!({"id": card.id, "shortDescription": {"text": card.title},
                "fullDescription": {"text": card.why}, "help": {"text": card.fix}})
        })
        .collect();
    json!({"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{"tool": {"driver": {"name": program, "version": env!("CARGO_PKG_VERSION"), "rules": rules}}, "results": results}]})
}

/// A finding at a place in a file. `waived` is the person of the waiver and the reason.
#[must_use]
pub fn build_result(rule: &str, level: Level, text: &str, uri: &str, place: &str, waived: Option<&str>) -> Value {
    let suppressed: Vec<Value> =
        waived.iter().map(|reason| json!({"kind": "external", "justification": reason})).collect();
    json!({"ruleId": rule, "level": to_sarif_level(level), "message": {"text": sanitize(text)}, "suppressions": suppressed,
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}}, "logicalLocations": [{"fullyQualifiedName": sanitize(place)}]}]})
}

/// SARIF's words for our levels.
#[must_use]
pub const fn to_sarif_level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "note",
    }
}
