//! How lists and maps are merged and owned: `x-kubernetes-list-type`, `-list-map-keys`, `-map-type`.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::kind::{Effect, arrow};
use super::walk::{Found, Pair};

/// A change of merging. It moves the ownership of server-side apply, and `set` and `map` refuse duplicates.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
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
                write!(f, "list type stated otherwise, same meaning: {}", arrow(old.as_ref(), new.as_ref()))
            }
            Self::ListType { old, new } => write!(f, "list type changed: {}", arrow(Some(old), Some(new))),
            Self::ListMapKeys { old, new } => write!(f, "list keys changed: {}", arrow(old.as_ref(), new.as_ref())),
            Self::MapTypeStated { old, new } => {
                write!(f, "map type stated otherwise, same meaning: {}", arrow(old.as_ref(), new.as_ref()))
            }
            Self::MapType { old, new } => write!(f, "map type changed: {}", arrow(Some(old), Some(new))),
        }
    }
}

const LIST: &str = "x-kubernetes-list-type";
const KEYS: &str = "x-kubernetes-list-map-keys";
const MAP: &str = "x-kubernetes-map-type";

/// The keywords that this file speaks for.
pub(super) const KEYWORDS: [&str; 3] = [LIST, KEYS, MAP];

pub(super) fn compare(pair: &Pair<'_>, found: &mut Found) {
    let both = |key: &str| (pair.old_of(key).cloned(), pair.new_of(key).cloned());
    let (old, new) = both(LIST);
    let meant = |stated: &Option<Value>| stated.clone().unwrap_or_else(|| "atomic".into());
    let type_changed = meant(&old) != meant(&new);
    if type_changed {
        found.add(pair, ListChange::ListType { old: meant(&old), new: meant(&new) });
    } else if old != new {
        found.add(pair, ListChange::ListTypeStated { old, new });
    }
    let (old, new) = both(KEYS);
    if old != new && !type_changed {
        found.add(pair, ListChange::ListMapKeys { old, new });
    }
    let (old, new) = both(MAP);
    let meant = |stated: &Option<Value>| stated.clone().unwrap_or_else(|| "granular".into());
    if meant(&old) != meant(&new) {
        found.add(pair, ListChange::MapType { old: meant(&old), new: meant(&new) });
    } else if old != new {
        found.add(pair, ListChange::MapTypeStated { old, new });
    }
}
