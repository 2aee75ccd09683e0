//! Keyed hashes of values: a saved plan recognizes values without storing them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::ask::StoredValues;
use crate::diff::value_changes::flatten_values;
use crate::model::chart::to_hex;
use crate::plan::drift::{DriftItem, DriftSubject};

/// Rounds of the combined hash: each password guess from a stolen file costs this much work.
const HASH_ROUNDS: usize = 20_000;

/// The keyed hash of the application's values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueHash {
    /// A different salt in every file, so that equal values have different hashes.
    pub salt: String,
    /// How the stored values are used.
    pub stored_values: StoredValues,
    /// The hash of all values together.
    pub combined_hash: String,
    /// Two hexadecimal digits for each key: enough to name the changed value, too little to guess it.
    pub key_hashes: BTreeMap<String, String>,
}

impl ValueHash {
    /// Hashes the user's values of the next revision.
    #[must_use]
    pub fn new(salt: &str, stored_values: StoredValues, values: &Value) -> Self {
        let short = |key: &str, value: &Value| {
            let hash = hash_with_salt(salt, &format!("{key}\n{}", to_canonical_json(value)), 1);
            to_hex(hash.get(..1).unwrap_or_default())
        };
        let keys = flatten_values(values).into_iter().map(|(key, leaf)| (key.clone(), short(&key, &leaf.value)));
        let combined_hash = to_hex(&hash_with_salt(salt, &to_canonical_json(values), HASH_ROUNDS));
        Self { salt: salt.to_owned(), stored_values, combined_hash, key_hashes: keys.collect() }
    }

    /// The drift of these values from those.
    #[must_use]
    pub fn find_drift(&self, now: &Self) -> Option<DriftItem> {
        let drift = |how: String| {
            let hint = "pass apply the value flags of the plan, or make a new plan with these";
            Some(DriftItem { subject: DriftSubject::Values, change: how, hint })
        };
        if self.stored_values != now.stored_values {
            let how = format!(
                "{} now, and {} in the plan",
                stored_values_flag(now.stored_values),
                stored_values_flag(self.stored_values)
            );
            return drift(how);
        }
        if self.combined_hash == now.combined_hash {
            return None;
        }
        let all: BTreeSet<&String> = self.key_hashes.keys().chain(now.key_hashes.keys()).collect();
        let others = all.into_iter().filter(|key| self.key_hashes.get(*key) != now.key_hashes.get(*key));
        let others: Vec<&str> = others.map(String::as_str).collect();
        match others.as_slice() {
            [] => drift("differ from the values of the plan".to_owned()),
            some => drift(format!("differ from the values of the plan: {}", some.join(", "))),
        }
    }
}

const fn stored_values_flag(stored: StoredValues) -> &'static str {
    match stored {
        StoredValues::HelmDefault => "no flag about stored values",
        StoredValues::Reuse => "--reuse-values",
        StoredValues::Reset => "--reset-values",
        StoredValues::ResetThenReuse => "--reset-then-reuse-values",
    }
}

fn hash_with_salt(salt: &str, text: &str, rounds: usize) -> Vec<u8> {
    let round =
        |bytes: &[u8]| Sha256::new().chain_update(salt).chain_update([0]).chain_update(bytes).finalize().to_vec();
    (1..rounds).fold(round(text.as_bytes()), |bytes, _| round(&bytes))
}

/// `sha256:<hex>` of a document, whatever the order of its keys.
#[must_use]
pub fn digest_json(value: &Value) -> String {
    format!("sha256:{}", to_hex(&Sha256::digest(to_canonical_json(value))))
}

/// A document as text with sorted keys.
fn to_canonical_json(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            let fields =
                sorted.iter().map(|(key, inner)| format!("{}:{}", Value::from(key.as_str()), to_canonical_json(inner)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(to_canonical_json).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hash_values(values: &Value) -> ValueHash {
        ValueHash::new("salt", StoredValues::HelmDefault, values)
    }

    #[test]
    fn other_values_are_named_and_never_held() {
        let then = hash_values(&json!({"dex": {"password": "canary-one"}, "size": 1, "list": [1, 2]}));
        assert_eq!(
            then.find_drift(&hash_values(&json!({"list": [1, 2], "size": 1, "dex": {"password": "canary-one"}}))),
            None
        );
        let other = then.find_drift(&hash_values(&json!({"dex": {"password": "canary-two"}, "list": [1, 2]}))).unwrap();
        assert!(other.change.ends_with(": dex.password, size"), "{}", other.change);
        let text = serde_json::to_string(&then).unwrap();
        assert!(!text.contains("canary"), "{text}");
        assert_ne!(then.combined_hash, ValueHash::new("pepper", StoredValues::HelmDefault, &json!({})).combined_hash);
    }

    #[test]
    fn a_change_that_no_key_shows_is_still_one() {
        let then = hash_values(&json!({"a": 1}));
        // Two digits are equal once in 256 cases: then only the combined hash differs.
        let now = ValueHash { key_hashes: then.key_hashes.clone(), ..hash_values(&json!({"a": 2})) };
        assert!(then.find_drift(&now).unwrap().change.ends_with("values of the plan"));
        let reused = ValueHash { stored_values: StoredValues::Reuse, ..then.clone() };
        assert!(then.find_drift(&reused).unwrap().change.contains("--reuse-values now"));
    }

    #[test]
    fn the_order_of_keys_is_no_difference() {
        assert_eq!(digest_json(&json!({"a": 1, "b": {"c": [1]}})), digest_json(&json!({"b": {"c": [1]}, "a": 1})));
        assert_ne!(digest_json(&json!({"a": 1})), digest_json(&json!({"a": "1"})));
    }
}
