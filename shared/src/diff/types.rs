//! Types, null and defaults.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::kind::{Effect, format_change, format_value};
use super::normal_form::INT_OR_STRING;
use super::walk::{ChangeCollector, PositionPair};

/// A change of what a value may be, or of what stands in where there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum TypeChange {
    /// `type`, or `x-kubernetes-int-or-string` as the type `int-or-string`.
    #[serde(rename = "type-changed")]
    Type {
        /// Before; absent where any type went.
        old: Option<String>,
        /// After.
        new: Option<String>,
    },
    /// Null is allowed now.
    #[serde(rename = "nullable-added")]
    NullableAdded,
    /// Null is allowed no longer: a stored null is dropped or becomes the default on read.
    #[serde(rename = "nullable-removed")]
    NullableRemoved,
    /// A default for a field that had none: it appears on read, at once and without a write.
    #[serde(rename = "default-added")]
    DefaultAdded {
        /// After.
        new: Value,
    },
    /// The default is gone: objects that were never rewritten lose the value.
    #[serde(rename = "default-removed")]
    DefaultRemoved {
        /// Before.
        old: Value,
        /// Whether the field is required, so that objects without it become invalid.
        required: bool,
    },
    /// Another default: objects that never set the field change their meaning.
    #[serde(rename = "default-changed")]
    DefaultChanged {
        /// Before.
        old: Value,
        /// After.
        new: Value,
    },
}

/// Whether every value of the old type is one of the new type.
fn is_wider_type(old: Option<&str>, new: Option<&str>) -> bool {
    match (old, new) {
        (_, None) | (Some("integer"), Some("number")) => true,
        (Some("integer" | "string"), Some(new)) => new == INT_OR_STRING,
        _ => false,
    }
}

impl TypeChange {
    /// How grave this can be.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Type { old, new } if is_wider_type(old.as_deref(), new.as_deref()) => Effect::Safe,
            Self::NullableAdded => Effect::Safe,
            Self::DefaultAdded { .. } | Self::DefaultChanged { .. } | Self::DefaultRemoved { required: false, .. } => {
                Effect::Risky
            }
            Self::Type { .. } | Self::NullableRemoved | Self::DefaultRemoved { required: true, .. } => Effect::Breaking,
        }
    }
}

impl fmt::Display for TypeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let type_name = |name: &Option<String>| name.clone().unwrap_or_else(|| "any".to_owned());
        match self {
            Self::Type { old, new } => write!(f, "type changed: {} → {}", type_name(old), type_name(new)),
            Self::NullableAdded => f.write_str("null is now allowed"),
            Self::NullableRemoved => f.write_str("null is no longer allowed"),
            Self::DefaultAdded { new } => write!(f, "default added: {}", format_value(new)),
            Self::DefaultRemoved { old, required: false } => write!(f, "default removed: {}", format_value(old)),
            Self::DefaultRemoved { old, required: true } => {
                write!(f, "default of a required field removed: {}", format_value(old))
            }
            Self::DefaultChanged { old, new } => write!(f, "default changed: {}", format_change(Some(old), Some(new))),
        }
    }
}

/// Whether what stands below can still be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeRelation {
    /// The same type, or one that holds the old one.
    Compatible,
    /// Another type.
    Incompatible,
}

/// The keywords that this file speaks for.
pub(super) const KEYWORDS: [&str; 3] = ["type", "nullable", "default"];

pub(super) fn compare(pair: &PositionPair<'_>, collector: &mut ChangeCollector) -> TypeRelation {
    compare_nullable(pair, collector);
    let (old, new) = (stated_type(pair, pair.old), stated_type(pair, pair.new));
    if old == new {
        compare_default(pair, collector);
        return TypeRelation::Compatible;
    }
    // A type where there was none may still have the same fields below it, and so may one that lost its type.
    let comparable = old.is_none() || is_wider_type(old.as_deref(), new.as_deref());
    collector.add(pair, TypeChange::Type { old, new });
    if !comparable {
        return TypeRelation::Incompatible;
    }
    compare_default(pair, collector);
    TypeRelation::Compatible
}

/// The root is an object, said or not: schemas made for `v1beta1` often do not say it.
fn stated_type(pair: &PositionPair<'_>, schema: &Value) -> Option<String> {
    let stated = schema["type"].as_str().map(str::to_owned);
    if pair.path.segments().is_empty() { stated.or_else(|| Some("object".to_owned())) } else { stated }
}

fn compare_nullable(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    match (pair.old_keyword("nullable").is_some(), pair.new_keyword("nullable").is_some()) {
        (false, true) => collector.add(pair, TypeChange::NullableAdded),
        (true, false) => collector.add(pair, TypeChange::NullableRemoved),
        _ => {}
    }
}

fn compare_default(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    match (pair.old_keyword("default"), pair.new_keyword("default")) {
        (None, Some(new)) => collector.add(pair, TypeChange::DefaultAdded { new: new.clone() }),
        (Some(old), None) => {
            collector.add(pair, TypeChange::DefaultRemoved { old: old.clone(), required: pair.required });
        }
        (Some(old), Some(new)) if old != new => {
            collector.add(pair, TypeChange::DefaultChanged { old: old.clone(), new: new.clone() });
        }
        _ => {}
    }
}
