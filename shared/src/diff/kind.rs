//! The kinds of change, and how grave each can be.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    fields::FieldChange, limits::LimitChange, logic::LogicChange, merge_strategy::ListChange, names::NameChange,
    rules::RuleChange, serving::ServingChange, text::TextChange, types::TypeChange, versions::VersionChange,
};

/// How grave a change can be, before any object was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Words, columns, names for people: no object and no client can notice.
    Text,
    /// It allows more, or adds a field that no object has yet.
    Safe,
    /// What objects mean, who owns what, or what clients see may change: wants a look.
    Risky,
    /// Objects may become invalid or lose fields, or clients may lose their version.
    Breaking,
}

/// One kind of change with its old and new value; the families follow the parts of a CRD.
///
/// In JSON, each is one flat object with a `kind` (see the table in [`super`]).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ChangeKind {
    /// Group, scope, names, labels and annotations.
    Name(NameChange),
    /// Versions, and which of them is served, stored or deprecated.
    Version(VersionChange),
    /// Conversion, subresources, columns and selectable fields.
    Serving(ServingChange),
    /// Fields, what is required, and what is kept though not specified.
    Field(FieldChange),
    /// Types, null and defaults.
    Type(TypeChange),
    /// Enums, limits, patterns and formats.
    Limit(LimitChange),
    /// CEL rules.
    Rule(RuleChange),
    /// How lists and maps are merged.
    List(ListChange),
    /// `allOf`, `anyOf`, `oneOf`, `not`.
    Logic(LogicChange),
    /// Documentation.
    Text(TextChange),
    /// A keyword that nothing here understands.
    Unknown(UnknownChange),
}

/// A keyword that nothing here understands changed: never silently safe.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename = "keyword-changed")]
pub struct UnknownChange {
    /// Its name.
    pub keyword: String,
    /// Before.
    pub old: Option<Value>,
    /// After.
    pub new: Option<Value>,
}

impl ChangeKind {
    /// How grave this can be without evidence from objects.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Name(change) => change.effect(),
            Self::Version(change) => change.effect(),
            Self::Serving(change) => change.effect(),
            Self::Field(change) => change.effect(),
            Self::Type(change) => change.effect(),
            Self::Limit(change) => change.effect(),
            Self::Rule(change) => change.effect(),
            Self::List(change) => change.effect(),
            Self::Logic(change) => change.effect(),
            Self::Text(change) => change.effect(),
            Self::Unknown(_) => Effect::Breaking,
        }
    }

    /// The tag in JSON, which is also what a waiver or a check names: `field-removed`.
    #[must_use]
    pub fn tag(&self) -> String {
        let json = serde_json::to_value(self).unwrap_or_default();
        json["kind"].as_str().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(change) => change.fmt(f),
            Self::Version(change) => change.fmt(f),
            Self::Serving(change) => change.fmt(f),
            Self::Field(change) => change.fmt(f),
            Self::Type(change) => change.fmt(f),
            Self::Limit(change) => change.fmt(f),
            Self::Rule(change) => change.fmt(f),
            Self::List(change) => change.fmt(f),
            Self::Logic(change) => change.fmt(f),
            Self::Text(change) => change.fmt(f),
            Self::Unknown(UnknownChange { keyword, old, new }) => {
                write!(f, "{keyword} changed: {}", format_change(old.as_ref(), new.as_ref()))
            }
        }
    }
}

macro_rules! families {
    ($($family:ident($change:ty)),* $(,)?) => {
        $(impl From<$change> for ChangeKind {
            fn from(change: $change) -> Self {
                Self::$family(change)
            }
        })*
    };
}

families! {
    Name(NameChange), Version(VersionChange), Serving(ServingChange), Field(FieldChange), Type(TypeChange),
    Limit(LimitChange), Rule(RuleChange), List(ListChange), Logic(LogicChange), Text(TextChange), Unknown(UnknownChange),
}

/// Characters of a value that a line shows; JSON has the whole.
const MAX_VALUE_CHARS: usize = 60;

/// A value for a line of text: shortened, on one line.
pub(super) fn format_value(value: &Value) -> String {
    shorten(&value_text(value))
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= MAX_VALUE_CHARS {
        return text.to_owned();
    }
    text.chars().take(MAX_VALUE_CHARS - 1).chain(['…']).collect()
}

/// `old → new`. Of two long values, the parts that differ: what both begin and end with is left out.
pub(super) fn format_change(old: Option<&Value>, new: Option<&Value>) -> String {
    let side = |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), value_text);
    let (old, new) = (side(old), side(new));
    let is_long = |text: &str| text.chars().count() > MAX_VALUE_CHARS;
    if !is_long(&old) && !is_long(&new) {
        return format!("{old} → {new}");
    }
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let count_equal = |pairs: &mut dyn Iterator<Item = (&char, &char)>| pairs.take_while(|(a, b)| a == b).count();
    let start = count_equal(&mut old.iter().zip(&new));
    let end = count_equal(&mut old[start..].iter().rev().zip(new[start..].iter().rev()));
    format!("{} → {}", cut_out(&old, start, end), cut_out(&new, start, end))
}

/// Characters of the equal parts that are shown around a difference.
const CONTEXT_CHARS: usize = 12;

/// The part of a text between `start` characters and the last `end` ones, with a little of both around it.
fn cut_out(text: &[char], start: usize, end: usize) -> String {
    let from = start.saturating_sub(CONTEXT_CHARS);
    let to = (text.len() - end + CONTEXT_CHARS).min(text.len());
    let mut part: String = text[from..to].iter().collect();
    if part.chars().count() > 2 * MAX_VALUE_CHARS {
        part = part.chars().take(2 * MAX_VALUE_CHARS).chain(['…']).collect();
    } else if to < text.len() {
        part.push('…');
    }
    if from > 0 { format!("…{part}") } else { part }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_two_long_values_the_difference_is_shown() {
        let with = |end: &str| {
            json!(format!(
                "self.all(x, x.name.startsWith('a-long-prefix-that-both-have') && x.size < {end}) || self.old"
            ))
        };
        let shown = format_change(Some(&with("10")), Some(&with("12")));
        assert_eq!(shown, "…& x.size < 10) || self.ol… → …& x.size < 12) || self.ol…");
        assert_eq!(format_change(Some(&json!(1)), None), "1 → none");
        let longer = json!(format!("{}{}", "a".repeat(70), "b".repeat(300)));
        let cut = format_change(Some(&json!("a".repeat(70))), Some(&longer));
        assert!(cut.contains("bbb") && cut.chars().count() < 200, "{cut}");
    }
}
