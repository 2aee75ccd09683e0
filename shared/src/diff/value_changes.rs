//! Which values the application will have: helm's own merging rules, and what differs from now. Secrets are masked here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ask::StoredValues;
use crate::model::secret::{MASK, is_secret_key};

/// The user's values of the next revision, as `helm upgrade` will store them (helm `action/upgrade.go`, `reuseValues`).
///
/// `flags` is what the value flags say; `any_flag` whether there are any.
#[must_use]
pub fn compute_user_values(stored: StoredValues, flags: &Value, any_flag: bool, config: &Value) -> Value {
    match stored {
        StoredValues::Reset => flags.clone(),
        StoredValues::Reuse | StoredValues::ResetThenReuse => merge_values(config, flags),
        StoredValues::HelmDefault if any_flag => flags.clone(),
        StoredValues::HelmDefault => config.clone(),
    }
}

/// What stands in place of the new chart's own values, where anything does: with `--reuse-values` helm renders with the *old*
/// chart's defaults, so a key that only the new chart has is missing (helm `action/upgrade.go`, `reuseValues`).
#[must_use]
pub fn compute_chart_values(stored: StoredValues, config: &Value, chart_values: &Value) -> Option<Value> {
    (stored == StoredValues::Reuse).then(|| merge_values(chart_values, config))
}

/// `over` laid on `under`: maps are merged, everything else is replaced.
#[must_use]
pub fn merge_values(under: &Value, over: &Value) -> Value {
    let (Value::Object(under), Value::Object(over)) = (under, over) else { return over.clone() };
    let mut result: Map<String, Value> = under.clone();
    for (key, value) in over {
        let both = under.get(key).map_or_else(|| value.clone(), |old| merge_values(old, value));
        result.insert(key.clone(), both);
    }
    Value::Object(result)
}

/// What differs between two sets of values, sorted by key, secrets masked.
#[must_use]
pub fn diff_values(old: &Value, new: &Value) -> Vec<ValueChange> {
    let (old, new) = (flatten_values(old), flatten_values(new));
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(*key).map(|leaf| &leaf.value) != new.get(*key).map(|leaf| &leaf.value))
        .map(|key| ValueChange {
            key: key.clone(),
            old: old.get(key).map(Leaf::to_masked_text),
            new: new.get(key).map(Leaf::to_masked_text),
        })
        .collect()
}

pub(crate) struct Leaf {
    pub(crate) value: Value,
    is_secret: bool,
}

impl Leaf {
    fn to_masked_text(&self) -> String {
        match &self.value {
            _ if self.is_secret => MASK.to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// Every leaf by its dotted key. A list is one leaf, as helm replaces it whole; it is secret if anything in it may be.
pub(crate) fn flatten_values(value: &Value) -> BTreeMap<String, Leaf> {
    fn walk(value: &Value, key: &str, secret: bool, into: &mut BTreeMap<String, Leaf>) {
        match value {
            Value::Object(map) if !map.is_empty() || key.is_empty() => {
                for (name, inner) in map {
                    let path = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                    walk(inner, &path, secret || is_secret_key(name), into);
                }
            }
            leaf => {
                let secret = secret || has_secret(leaf);
                into.insert(key.to_owned(), Leaf { value: leaf.clone(), is_secret: secret });
            }
        }
    }
    let mut leaves = BTreeMap::new();
    walk(value, "", false, &mut leaves);
    leaves
}

fn has_secret(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, inner)| is_secret_key(key) || has_secret(inner)),
        Value::Array(items) => items.iter().any(has_secret),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// One value of the application that will be another than before, masked where it is secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueChange {
    /// `canvas.ui.oidc.sessionSecret`
    pub key: String,
    /// What it was; none where it was not set.
    pub old: Option<String>,
    /// What it will be; none where it is no longer set.
    pub new: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn helms_rules_for_stored_values() {
        let (flags, config, chart) = (json!({"a": 1}), json!({"a": 0, "b": 2}), json!({"b": 9, "c": 3}));
        let next = |stored, any| compute_user_values(stored, &flags, any, &config);
        assert_eq!(next(StoredValues::HelmDefault, true), json!({"a": 1}));
        assert_eq!(next(StoredValues::HelmDefault, false), json!({"a": 0, "b": 2}));
        assert_eq!(next(StoredValues::Reset, false), json!({"a": 1}));
        assert_eq!(next(StoredValues::Reuse, true), json!({"a": 1, "b": 2}));
        assert_eq!(compute_chart_values(StoredValues::Reuse, &config, &chart), Some(json!({"a": 0, "b": 2, "c": 3})));
        assert_eq!(next(StoredValues::ResetThenReuse, true), json!({"a": 1, "b": 2}));
    }

    #[test]
    fn a_changed_secret_is_seen_and_not_shown() {
        let old =
            json!({"dex": {"staticClients": [{"id": "ui", "clientSecret": "one"}]}, "global": {"timeout": "10s"}});
        let new =
            json!({"dex": {"staticClients": [{"id": "ui", "clientSecret": "two"}]}, "global": {"timeout": "30s"}});
        let found = diff_values(&old, &new);
        assert_eq!(
            found[0],
            ValueChange { key: "dex.staticClients".into(), old: Some(MASK.into()), new: Some(MASK.into()) }
        );
        assert_eq!(found[1].key, "global.timeout");
        assert_eq!((found[1].old.as_deref(), found[1].new.as_deref()), (Some("10s"), Some("30s")));
        assert!(!format!("{found:?}").contains("one"));
        assert!(diff_values(&old, &old).is_empty());
    }
}
