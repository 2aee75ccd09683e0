//! What a chart's author says changed in a version: the annotation `artifacthub.io/changes`.
//!
//! <https://artifacthub.io/docs/topics/annotations/helm/>: a YAML list, of texts or of `kind` and `description`. Input: the annotation.
//! Output: the entries, breaking ones marked. Text that cannot be read gives no entry: it is advice, not a guard.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::yaml::{self, ErrorDetail};

/// The annotation of `Chart.yaml`.
pub const CHANGES_ANNOTATION: &str = "artifacthub.io/changes";
/// How an author marks a breaking change in a text.
const BREAKING_WORDS: [&str; 3] = ["breaking", "action required", "incompatible"];

/// One change that the author names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedChange {
    /// `added`, `changed`, `deprecated`, `removed`, `fixed`, `security`; empty if the entry has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The author's words.
    pub description: String,
    /// Whether the author marks it as breaking: something is removed, or the text says so.
    pub is_breaking: bool,
}

/// Reads the annotation, breaking changes first.
#[must_use]
pub fn read_named_changes(annotation: &str) -> Vec<NamedChange> {
    let Ok(Value::Array(entries)) = yaml::parse_document(annotation, ErrorDetail::LocationOnly) else {
        return Vec::new();
    };
    let mut changes: Vec<NamedChange> = entries.iter().filter_map(read_entry).collect();
    changes.sort_by_key(|change| !change.is_breaking);
    changes
}

fn read_entry(entry: &Value) -> Option<NamedChange> {
    let (kind, description) = match entry {
        Value::String(text) => ("", text.as_str()),
        _ => (entry["kind"].as_str().unwrap_or_default(), entry["description"].as_str()?),
    };
    let words = description.to_lowercase();
    let is_breaking = kind == "removed" || BREAKING_WORDS.iter().any(|word| words.contains(word));
    let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(NamedChange { kind: kind.to_lowercase(), description, is_breaking })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_kinds_are_read_and_breaking_ones_come_first() {
        let text = "- Faster start\n- kind: removed\n  description: The old API\n- kind: changed\n  description: 'BREAKING: new\n    default'\n";
        let changes = read_named_changes(text);
        let breaking: Vec<bool> = changes.iter().map(|change| change.is_breaking).collect();
        assert_eq!(breaking, [true, true, false]);
        assert_eq!(changes[1].description, "BREAKING: new default");
        assert!(read_named_changes("not: a list").is_empty() && read_named_changes("- [").is_empty());
    }
}
