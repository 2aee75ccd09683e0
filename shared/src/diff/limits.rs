//! What a value must satisfy: enums, limits, patterns, formats.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::kind::{Effect, format_change, format_value};
use super::walk::{ChangeCollector, PositionPair};

/// A change of a constraint on one value.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum LimitChange {
    /// Any value went, now only these.
    #[serde(rename = "enum-added")]
    EnumAdded {
        /// The values.
        new: Vec<Value>,
    },
    /// Only these went, now any.
    #[serde(rename = "enum-removed")]
    EnumRemoved {
        /// The values.
        old: Vec<Value>,
    },
    /// More values go. An old reader may not expect them.
    #[serde(rename = "enum-values-added")]
    EnumValuesAdded {
        /// Those that are new.
        new: Vec<Value>,
    },
    /// Fewer values go.
    #[serde(rename = "enum-values-removed")]
    EnumValuesRemoved {
        /// Those that are gone.
        old: Vec<Value>,
    },
    /// A limit where there was none, or a narrower one.
    #[serde(rename = "limit-tightened")]
    Tightened {
        /// Which one.
        limit: Limit,
        /// Before.
        old: Option<Value>,
        /// After.
        new: Value,
    },
    /// A wider limit, or none where there was one.
    #[serde(rename = "limit-loosened")]
    Loosened {
        /// Which one.
        limit: Limit,
        /// Before.
        old: Value,
        /// After.
        new: Option<Value>,
    },
    /// A pattern, multiple or uniqueness where there was none, or another one.
    #[serde(rename = "pattern-changed")]
    Pattern {
        /// Before.
        old: Option<Value>,
        /// After; absent where any text goes now.
        new: Option<Value>,
    },
    /// `format`
    #[serde(rename = "format-changed")]
    Format {
        /// Before.
        old: Option<Value>,
        /// After.
        new: Option<Value>,
    },
    /// `multipleOf`
    #[serde(rename = "multiple-of-changed")]
    MultipleOf {
        /// Before.
        old: Option<Value>,
        /// After.
        new: Option<Value>,
    },
}

/// A limit that can be wider or narrower. The exclusive ones are flags beside `minimum` and `maximum` (OpenAPI 3.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the keywords")]
pub enum Limit {
    Minimum,
    MinLength,
    MinItems,
    MinProperties,
    Maximum,
    MaxLength,
    MaxItems,
    MaxProperties,
    ExclusiveMinimum,
    ExclusiveMaximum,
    UniqueItems,
}

impl Limit {
    const ALL: [(Self, &str); 11] = [
        (Self::Minimum, "minimum"),
        (Self::MinLength, "minLength"),
        (Self::MinItems, "minItems"),
        (Self::MinProperties, "minProperties"),
        (Self::Maximum, "maximum"),
        (Self::MaxLength, "maxLength"),
        (Self::MaxItems, "maxItems"),
        (Self::MaxProperties, "maxProperties"),
        (Self::ExclusiveMinimum, "exclusiveMinimum"),
        (Self::ExclusiveMaximum, "exclusiveMaximum"),
        (Self::UniqueItems, "uniqueItems"),
    ];

    /// The keyword.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        Self::ALL.iter().find(|(limit, _)| *limit == self).map_or("", |(_, keyword)| keyword)
    }

    /// Whether a greater value leaves fewer objects valid.
    const fn is_lower_bound(self) -> bool {
        matches!(self, Self::Minimum | Self::MinLength | Self::MinItems | Self::MinProperties)
    }
}

/// String formats that the API server checks, without `-`; it ignores all others
/// (`apiextensions-apiserver/pkg/apiserver/validation/formats.go`). The last two since 1.34.
const ENFORCED_FORMATS: [&str; 26] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

/// `int64` and `double` are what JSON numbers are anyhow; `int32` and `float` bind from Kubernetes 1.36 on.
fn format_effect(new: Option<&Value>) -> Effect {
    let Some(name) = new.and_then(Value::as_str) else { return Effect::Safe };
    match name {
        "int32" | "float" => Effect::Risky,
        "int64" | "double" | "password" => Effect::Safe,
        _ if ENFORCED_FORMATS.contains(&name.replace('-', "").as_str()) => Effect::Breaking,
        _ => Effect::Text,
    }
}

fn is_whole_multiple(old: Option<&Value>, new: Option<&Value>) -> bool {
    match (old.and_then(Value::as_f64), new.and_then(Value::as_f64)) {
        (_, None) => true,
        (Some(old), Some(new)) => new != 0.0 && (old / new).fract() == 0.0,
        (None, Some(_)) => false,
    }
}

impl LimitChange {
    /// How grave this can be.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::EnumRemoved { .. } | Self::EnumValuesAdded { .. } | Self::Loosened { .. } => Effect::Safe,
            Self::Pattern { new: None, .. } => Effect::Safe,
            Self::MultipleOf { old, new } if is_whole_multiple(old.as_ref(), new.as_ref()) => Effect::Safe,
            Self::Format { new, .. } => format_effect(new.as_ref()),
            Self::EnumAdded { .. }
            | Self::EnumValuesRemoved { .. }
            | Self::Tightened { .. }
            | Self::Pattern { .. }
            | Self::MultipleOf { .. } => Effect::Breaking,
        }
    }
}

fn format_values(values: &[Value]) -> String {
    values.iter().map(format_value).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for LimitChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnumAdded { new } => write!(f, "enum added: {}", format_values(new)),
            Self::EnumRemoved { old } => write!(f, "enum removed: {}", format_values(old)),
            Self::EnumValuesAdded { new } => write!(f, "enum value added: {}", format_values(new)),
            Self::EnumValuesRemoved { old } => write!(f, "enum value removed: {}", format_values(old)),
            Self::Tightened { limit, old, new } => {
                write!(f, "{} tightened: {}", limit.keyword(), format_change(old.as_ref(), Some(new)))
            }
            Self::Loosened { limit, old, new } => {
                write!(f, "{} loosened: {}", limit.keyword(), format_change(Some(old), new.as_ref()))
            }
            Self::Pattern { old, new } => write!(f, "pattern changed: {}", format_change(old.as_ref(), new.as_ref())),
            Self::Format { old, new } => write!(f, "format changed: {}", format_change(old.as_ref(), new.as_ref())),
            Self::MultipleOf { old, new } => {
                write!(f, "multipleOf changed: {}", format_change(old.as_ref(), new.as_ref()))
            }
        }
    }
}

/// The keywords that this file speaks for.
pub(super) const KEYWORDS: [&str; 15] = [
    "enum",
    "pattern",
    "format",
    "multipleOf",
    "minimum",
    "minLength",
    "minItems",
    "minProperties",
    "maximum",
    "maxLength",
    "maxItems",
    "maxProperties",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "uniqueItems",
];

pub(super) fn compare(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    compare_enums(pair, collector);
    for (limit, keyword) in Limit::ALL {
        compare_limit(limit, pair.old_keyword(keyword), pair.new_keyword(keyword))
            .into_iter()
            .for_each(|change| collector.add(pair, change));
    }
    let both = |key: &str| (pair.old_keyword(key).cloned(), pair.new_keyword(key).cloned());
    let (old, new) = both("pattern");
    if old != new {
        collector.add(pair, LimitChange::Pattern { old, new });
    }
    let (old, new) = both("format");
    if old != new {
        collector.add(pair, LimitChange::Format { old, new });
    }
    let (old, new) = both("multipleOf");
    if old != new {
        collector.add(pair, LimitChange::MultipleOf { old, new });
    }
}

fn compare_enums(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    let of = |value: Option<&Value>| value.and_then(Value::as_array).cloned();
    match (of(pair.old_keyword("enum")), of(pair.new_keyword("enum"))) {
        (None, Some(new)) => collector.add(pair, LimitChange::EnumAdded { new }),
        (Some(old), None) => collector.add(pair, LimitChange::EnumRemoved { old }),
        (Some(old), Some(new)) => {
            let without = |all: &[Value], others: &[Value]| -> Vec<Value> {
                all.iter().filter(|value| !others.contains(value)).cloned().collect()
            };
            let (gone, added) = (without(&old, &new), without(&new, &old));
            if !gone.is_empty() {
                collector.add(pair, LimitChange::EnumValuesRemoved { old: gone });
            }
            if !added.is_empty() {
                collector.add(pair, LimitChange::EnumValuesAdded { new: added });
            }
        }
        (None, None) => {}
    }
}

fn compare_limit(limit: Limit, old: Option<&Value>, new: Option<&Value>) -> Option<LimitChange> {
    match (old.cloned(), new.cloned()) {
        (old, new) if old == new => None,
        (Some(old), None) => Some(LimitChange::Loosened { limit, old, new: None }),
        (None, Some(new)) => Some(LimitChange::Tightened { limit, old: None, new }),
        (Some(old), Some(new)) => {
            let rises = old.as_f64() < new.as_f64();
            Some(if rises == limit.is_lower_bound() {
                LimitChange::Tightened { limit, old: Some(old), new }
            } else {
                LimitChange::Loosened { limit, old, new: Some(new) }
            })
        }
        (None, None) => None,
    }
}
