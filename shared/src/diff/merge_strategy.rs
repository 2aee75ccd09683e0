//! How lists and maps are merged and owned: `x-kubernetes-list-type`, `-list-map-keys`, `-map-type`.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::kind::{Effect, format_change};
use super::walk::{ChangeCollector, PositionPair};

/// A change of merging. It moves the ownership of server-side apply, and `set` and `map` refuse duplicates.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum ListChange {
    /// `x-kubernetes-list-type: atomic` written down or left out: it is the default, nothing changes.
    #[serde(rename = "list-type-stated")]
    ListTypeStated {
        /// Before.
        old: Option<Value>,
        /// After.
        new: Option<Value>,
    },
    /// `x-kubernetes-list-type`; absent is `atomic`.
    #[serde(rename = "list-type-changed")]
    ListType {
        /// Before.
        old: Value,
        /// After.
        new: Value,
    },
    /// `x-kubernetes-list-map-keys`, of a list that stays a map.
    #[serde(rename = "list-map-keys-changed")]
    ListMapKeys {
        /// Before.
        old: Option<Value>,
        /// After.
        new: Option<Value>,
    },
    /// `x-kubernetes-map-type: granular` written down or left out: it is the default, nothing changes.
    #[serde(rename = "map-type-stated")]
    MapTypeStated {
        /// Before.
        old: Option<Value>,
        /// After.
        new: Option<Value>,
    },
    /// `x-kubernetes-map-type`; absent is `granular`.
    #[serde(rename = "map-type-changed")]
    MapType {
        /// Before.
        old: Value,
        /// After.
        new: Value,
    },
}

impl ListChange {
    /// How grave this can be.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::ListTypeStated { .. } | Self::MapTypeStated { .. } => Effect::Text,
            Self::MapType { .. } => Effect::Risky,
            Self::ListType { new, .. } if new == "atomic" => Effect::Risky,
            Self::ListType { .. } | Self::ListMapKeys { .. } => Effect::Breaking,
        }
    }
}

impl fmt::Display for ListChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListTypeStated { old, new } => {
                write!(f, "list type written differently, same meaning: {}", format_change(old.as_ref(), new.as_ref()))
            }
            Self::ListType { old, new } => write!(f, "list type changed: {}", format_change(Some(old), Some(new))),
            Self::ListMapKeys { old, new } => {
                write!(f, "list map keys changed: {}", format_change(old.as_ref(), new.as_ref()))
            }
            Self::MapTypeStated { old, new } => {
                write!(f, "map type written differently, same meaning: {}", format_change(old.as_ref(), new.as_ref()))
            }
            Self::MapType { old, new } => write!(f, "map type changed: {}", format_change(Some(old), Some(new))),
        }
    }
}

const LIST_TYPE_KEYWORD: &str = "x-kubernetes-list-type";
const LIST_MAP_KEYS_KEYWORD: &str = "x-kubernetes-list-map-keys";
const MAP_TYPE_KEYWORD: &str = "x-kubernetes-map-type";

/// The keywords that this file speaks for.
pub(super) const KEYWORDS: [&str; 3] = [LIST_TYPE_KEYWORD, LIST_MAP_KEYS_KEYWORD, MAP_TYPE_KEYWORD];

pub(super) fn compare(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    let both = |key: &str| (pair.old_keyword(key).cloned(), pair.new_keyword(key).cloned());
    let (old, new) = both(LIST_TYPE_KEYWORD);
    let effective = |stated: &Option<Value>| stated.clone().unwrap_or_else(|| "atomic".into());
    let type_changed = effective(&old) != effective(&new);
    if type_changed {
        collector.add(pair, ListChange::ListType { old: effective(&old), new: effective(&new) });
    } else if old != new {
        collector.add(pair, ListChange::ListTypeStated { old, new });
    }
    let (old, new) = both(LIST_MAP_KEYS_KEYWORD);
    if old != new && !type_changed {
        collector.add(pair, ListChange::ListMapKeys { old, new });
    }
    let (old, new) = both(MAP_TYPE_KEYWORD);
    let effective = |stated: &Option<Value>| stated.clone().unwrap_or_else(|| "granular".into());
    if effective(&old) != effective(&new) {
        collector.add(pair, ListChange::MapType { old: effective(&old), new: effective(&new) });
    } else if old != new {
        collector.add(pair, ListChange::MapTypeStated { old, new });
    }
}
