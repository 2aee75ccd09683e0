//! Types, null and defaults.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::kind::{Effect, arrow, shown};
use super::normal::INT_OR_STRING;
use super::walk::{Found, Pair};

/// A change of what a value may be, or of what stands in where there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum TypeChange {
    /// `type`, or `x-kubernetes-int-or-string`, told as the type `int-or-string`.
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
fn widens(old: Option<&str>, new: Option<&str>) -> bool {
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
            Self::Type { old, new } if widens(old.as_deref(), new.as_deref()) => Effect::Safe,
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
        let named = |name: &Option<String>| name.clone().unwrap_or_else(|| "any".to_owned());
        match self {
            Self::Type { old, new } => write!(f, "type changed: {} → {}", named(old), named(new)),
            Self::NullableAdded => f.write_str("null is allowed now"),
            Self::NullableRemoved => f.write_str("null is allowed no longer"),
            Self::DefaultAdded { new } => write!(f, "default added: {}", shown(new)),
            Self::DefaultRemoved { old, required: false } => write!(f, "default removed: {}", shown(old)),
            Self::DefaultRemoved { old, required: true } => {
                write!(f, "default of a required field removed: {}", shown(old))
            }
            Self::DefaultChanged { old, new } => write!(f, "default changed: {}", arrow(Some(old), Some(new))),
        }
    }
}

/// Whether what stands below can still be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The same type, or one that holds the old one.
    Same,
    /// Another type.
    Other,
}

/// The keywords that this file speaks for.
pub(super) const KEYWORDS: [&str; 3] = ["type", "nullable", "default"];

pub(super) fn compare(pair: &Pair<'_>, found: &mut Found) -> Shape {
    nullable(pair, found);
    let (old, new) = (named(pair, pair.old), named(pair, pair.new));
    if old == new {
        default(pair, found);
        return Shape::Same;
    }
    // A type where there was none may still have the same fields below it, and so may one that lost its type.
    let comparable = old.is_none() || widens(old.as_deref(), new.as_deref());
    found.add(pair, TypeChange::Type { old, new });
    if !comparable {
        return Shape::Other;
    }
    default(pair, found);
    Shape::Same
}

/// The root is an object, said or not: schemas made for `v1beta1` often do not say it.
fn named(pair: &Pair<'_>, schema: &Value) -> Option<String> {
    let stated = schema["type"].as_str().map(str::to_owned);
    if pair.path.segments().is_empty() { stated.or_else(|| Some("object".to_owned())) } else { stated }
}

fn nullable(pair: &Pair<'_>, found: &mut Found) {
    match (pair.old_of("nullable").is_some(), pair.new_of("nullable").is_some()) {
        (false, true) => found.add(pair, TypeChange::NullableAdded),
        (true, false) => found.add(pair, TypeChange::NullableRemoved),
        _ => {}
    }
}

fn default(pair: &Pair<'_>, found: &mut Found) {
    match (pair.old_of("default"), pair.new_of("default")) {
        (None, Some(new)) => found.add(pair, TypeChange::DefaultAdded { new: new.clone() }),
        (Some(old), None) => {
            found.add(pair, TypeChange::DefaultRemoved { old: old.clone(), required: pair.required });
        }
        (Some(old), Some(new)) if old != new => {
            found.add(pair, TypeChange::DefaultChanged { old: old.clone(), new: new.clone() });
        }
        _ => {}
    }
}
