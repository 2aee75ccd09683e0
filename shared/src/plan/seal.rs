//! Values that a saved plan knows again without holding them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::ask::StoredValues;
use crate::diff::values::flat;
use crate::model::chart::hex;
use crate::plan::drift::Moved;

/// Rounds of the whole seal: who has the file and guesses a password has to work for each guess.
const ROUNDS: usize = 20_000;

/// A seal of the application's values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seal {
    /// Another one in every file: equal values are not seen to be equal.
    pub salt: String,
    /// How the stored values are used.
    pub stored: StoredValues,
    /// All values, sealed together.
    pub whole: String,
    /// Two hexadecimal digits for each key: enough to say which value is another one, and too little to guess it by.
    pub keys: BTreeMap<String, String>,
}

impl Seal {
    /// Seals the user's values of the next revision.
    #[must_use]
    pub fn new(salt: &str, stored: StoredValues, values: &Value) -> Self {
        let short = |key: &str, value: &Value| {
            let sealed = sealed(salt, &format!("{key}\n{}", canonical(value)), 1);
            hex(sealed.get(..1).unwrap_or_default())
        };
        let keys = flat(values).into_iter().map(|(key, leaf)| (key.clone(), short(&key, &leaf.value)));
        let whole = hex(&sealed(salt, &canonical(values), ROUNDS));
        Self { salt: salt.to_owned(), stored, whole, keys: keys.collect() }
    }

    /// How these values are other than those.
    #[must_use]
    pub fn other_than(&self, now: &Self) -> Option<Moved> {
        let moved = |how: String| {
            let hint = "give apply the value flags that plan was given, or make a new plan with these";
            Some(Moved { what: "values".to_owned(), how, hint })
        };
        if self.stored != now.stored {
            let how = format!("{} now, and {} in the plan", said(now.stored), said(self.stored));
            return moved(how);
        }
        if self.whole == now.whole {
            return None;
        }
        let all: BTreeSet<&String> = self.keys.keys().chain(now.keys.keys()).collect();
        let others = all.into_iter().filter(|key| self.keys.get(*key) != now.keys.get(*key));
        let others: Vec<&str> = others.map(String::as_str).collect();
        match others.as_slice() {
            [] => moved("are not the ones that the plan was made with".to_owned()),
            some => moved(format!("are not the ones that the plan was made with: {}", some.join(", "))),
        }
    }
}

const fn said(stored: StoredValues) -> &'static str {
    match stored {
        StoredValues::HelmDefault => "no flag for the stored ones",
        StoredValues::Reuse => "--reuse-values",
        StoredValues::Reset => "--reset-values",
        StoredValues::ResetThenReuse => "--reset-then-reuse-values",
    }
}

fn sealed(salt: &str, text: &str, rounds: usize) -> Vec<u8> {
    let round =
        |bytes: &[u8]| Sha256::new().chain_update(salt).chain_update([0]).chain_update(bytes).finalize().to_vec();
    (1..rounds).fold(round(text.as_bytes()), |bytes, _| round(&bytes))
}

/// `sha256:<hex>` of a document, whatever the order of its keys.
#[must_use]
pub fn digest(value: &Value) -> String {
    format!("sha256:{}", hex(&Sha256::digest(canonical(value))))
}

/// A document as text with sorted keys.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            let fields =
                sorted.iter().map(|(key, inner)| format!("{}:{}", Value::from(key.as_str()), canonical(inner)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seal(values: &Value) -> Seal {
        Seal::new("salt", StoredValues::HelmDefault, values)
    }

    #[test]
    fn other_values_are_named_and_never_held() {
        let then = seal(&json!({"dex": {"password": "canary-one"}, "size": 1, "list": [1, 2]}));
        assert_eq!(
            then.other_than(&seal(&json!({"list": [1, 2], "size": 1, "dex": {"password": "canary-one"}}))),
            None
        );
        let other = then.other_than(&seal(&json!({"dex": {"password": "canary-two"}, "list": [1, 2]}))).unwrap();
        assert!(other.how.ends_with(": dex.password, size"), "{}", other.how);
        let text = serde_json::to_string(&then).unwrap();
        assert!(!text.contains("canary"), "{text}");
        assert_ne!(then.whole, Seal::new("pepper", StoredValues::HelmDefault, &json!({})).whole);
    }

    #[test]
    fn a_change_that_no_key_shows_is_still_one() {
        let then = seal(&json!({"a": 1}));
        // Two digits are the same once in 256: then only the whole seal tells.
        let now = Seal { keys: then.keys.clone(), ..seal(&json!({"a": 2})) };
        assert!(then.other_than(&now).unwrap().how.ends_with("made with"));
        let reused = Seal { stored: StoredValues::Reuse, ..then.clone() };
        assert!(then.other_than(&reused).unwrap().how.contains("--reuse-values now"));
    }

    #[test]
    fn the_order_of_keys_is_no_difference() {
        assert_eq!(digest(&json!({"a": 1, "b": {"c": [1]}})), digest(&json!({"b": {"c": [1]}, "a": 1})));
        assert_ne!(digest(&json!({"a": 1})), digest(&json!({"a": "1"})));
    }
}
