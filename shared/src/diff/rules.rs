//! CEL rules: `x-kubernetes-validations`.

use std::fmt;

use kube_cel::cel::parser::Parser;
use serde::Serialize;
use serde_json::Value;

use super::kind::{Effect, format_change, format_value};
use super::walk::{ChangeCollector, PositionPair};

/// A change of a CEL rule. Old and new are whole rules with their messages.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum RuleChange {
    /// A new rule.
    #[serde(rename = "rule-added")]
    Added {
        /// The rule.
        new: Value,
    },
    /// A rule is gone.
    #[serde(rename = "rule-removed")]
    Removed {
        /// The rule.
        old: Value,
    },
    /// The rule of one message has another text.
    #[serde(rename = "rule-changed")]
    Changed {
        /// Before.
        old: Value,
        /// After.
        new: Value,
    },
    /// The same rule says or points to something else when it fails.
    #[serde(rename = "rule-message-changed")]
    Message {
        /// Before.
        old: Value,
        /// After.
        new: Value,
    },
}

impl RuleChange {
    /// How grave this can be.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Added { new } | Self::Changed { new, .. } if is_transition_rule(new) => Effect::Risky,
            Self::Added { .. } | Self::Changed { .. } => Effect::Breaking,
            Self::Removed { .. } => Effect::Safe,
            Self::Message { .. } => Effect::Text,
        }
    }
}

/// Whether the API server evaluates a rule only when an update changes its value: it reads `oldSelf`, and does not ask for
/// an optional one. No stored object and no create can break it (KEP-2876,
/// <https://kubernetes.io/docs/reference/using-api/cel/#transition-rules>).
#[must_use]
pub fn is_transition_rule(rule: &Value) -> bool {
    let expression = Parser::new().enable_optional_syntax(true).parse(rule["rule"].as_str().unwrap_or_default().trim());
    rule["optionalOldSelf"] != true
        && expression.is_ok_and(|expression| expression.references().has_variable("oldSelf"))
}

/// The rule, and what it says when it fails.
fn describe_rule(rule: &Value) -> String {
    let expression = format_value(&rule["rule"]);
    match rule["message"].as_str().filter(|message| !message.is_empty()) {
        Some(message) => format!("{expression} ({message})"),
        None => expression,
    }
}

impl fmt::Display for RuleChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { new } if is_transition_rule(new) => {
                write!(f, "CEL rule for changes added: {}", describe_rule(new))
            }
            Self::Added { new } => write!(f, "CEL rule added: {}", describe_rule(new)),
            Self::Removed { old } => write!(f, "CEL rule removed: {}", describe_rule(old)),
            Self::Changed { old, new } => {
                write!(f, "CEL rule changed: {}", format_change(Some(&old["rule"]), Some(&new["rule"])))?;
                new["message"].as_str().map_or(Ok(()), |message| write!(f, " ({message})"))
            }
            Self::Message { old, new } if old["message"] != new["message"] => {
                write!(f, "message of a CEL rule changed: {}", format_change(old.get("message"), new.get("message")))
            }
            Self::Message { new, .. } => write!(f, "message of a CEL rule changed: {}", format_value(&new["rule"])),
        }
    }
}

/// The keywords that this file speaks for.
pub(super) const KEYWORDS: [&str; 1] = ["x-kubernetes-validations"];

/// What a rule decides: its text, and whether it runs without an old value.
fn identify_rule(rule: &Value) -> (String, bool) {
    (rule["rule"].as_str().unwrap_or_default().trim().to_owned(), rule["optionalOldSelf"] == true)
}

pub(super) fn compare(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    let of = |schema: &Value| -> Vec<Value> { schema[KEYWORDS[0]].as_array().cloned().unwrap_or_default() };
    let (mut old, mut new) = (of(pair.old), of(pair.new));
    remove_equal(&mut old, &mut new);
    for (old, new) in extract_pairs(&mut old, &mut new, |old, new| identify_rule(old) == identify_rule(new)) {
        collector.add(pair, RuleChange::Message { old, new });
    }
    let same_words = |old: &Value, new: &Value| !old["message"].is_null() && old["message"] == new["message"];
    for (old, new) in extract_pairs(&mut old, &mut new, same_words) {
        collector.add(pair, RuleChange::Changed { old, new });
    }
    old.into_iter().for_each(|old| collector.add(pair, RuleChange::Removed { old }));
    new.into_iter().for_each(|new| collector.add(pair, RuleChange::Added { new }));
}

fn remove_equal(old: &mut Vec<Value>, new: &mut Vec<Value>) {
    drop(extract_pairs(old, new, |old, new| old == new));
}

/// Takes out what belongs together, each at most once.
pub(super) fn extract_pairs(
    old: &mut Vec<Value>,
    new: &mut Vec<Value>,
    belong: impl Fn(&Value, &Value) -> bool,
) -> Vec<(Value, Value)> {
    let mut pairs = Vec::new();
    let mut rest = Vec::new();
    for before in old.drain(..) {
        match new.iter().position(|after| belong(&before, after)) {
            Some(at) => pairs.push((before, new.remove(at))),
            None => rest.push(before),
        }
    }
    *old = rest;
    pairs
}
