//! Values that never show themselves.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::url_login::{find_url_logins, mask_url_logins};

pub use super::url_login::MASK;

/// A value whose `Debug` is a mask, and which has neither `Display` nor `Serialize`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Hidden<T>(T);

impl<T> Hidden<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: only where it is handed to helm, kubectl or the API server, or compared.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Words in a key that make its value a secret, in lower case.
const SECRET_WORDS: [&str; 19] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "privatekey",
    "private_key",
    "credential",
    "clientsecret",
    "auth",
    "hash",
    "passphrase",
    "pwd",
    "private",
    "login",
    "dsn",
    "connectionstring",
    "license",
];

/// Whether a key's value is to be masked: by its name, since helm's values carry no types.
///
/// Errs on the side of hiding. Keys that end in `Name` or `Ref` name a secret and hold none.
#[must_use]
pub fn is_secret_key(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let names_one = ["name", "ref", "enabled", "mode", "driver", "url", "type"].iter().any(|end| lower.ends_with(end));
    !names_one && SECRET_WORDS.iter().any(|word| lower.contains(word))
}

/// A copy in which every scalar below a secret key and each login of a URL is the mask. Maps and lists keep their shape.
#[must_use]
pub fn mask_value(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, inner)| {
                    (key.clone(), if is_secret_key(key) { mask_scalars(inner) } else { mask_value(inner) })
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(mask_value).collect()),
        Value::String(text) => Value::String(mask_url_logins(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A short word would mask half of every sentence, and is no secret.
pub(super) const MIN_SECRET_BYTES: usize = 4;

/// The strings below secret keys, which must not appear in texts of other programs.
#[must_use]
pub fn collect_secrets(value: &Value) -> Hidden<Vec<String>> {
    let mut found = Vec::new();
    collect_strings(value, false, &mut found);
    // The longest first: a short one may stand in a longer one.
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found.dedup();
    Hidden(found)
}

/// The paths of values that are secret: texts at any depth below a secret key, and URLs with a login. Items of a list have their
/// position: `tokens[0]`.
#[must_use]
pub fn list_secret_paths(values: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_secret_paths(values, "", false, &mut found);
    found
}

fn collect_secret_paths(values: &Value, at: &str, below_secret_key: bool, found: &mut BTreeSet<String>) {
    match values {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                collect_secret_paths(inner, &path, below_secret_key || is_secret_key(key), found);
            }
        }
        Value::Array(items) => {
            for (position, inner) in items.iter().enumerate() {
                collect_secret_paths(inner, &format!("{at}[{position}]"), below_secret_key, found);
            }
        }
        Value::String(text) if !text.is_empty() && (below_secret_key || !find_url_logins(text).is_empty()) => {
            found.insert(at.to_owned());
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn collect_strings(value: &Value, secret: bool, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, inner)| collect_strings(inner, secret || is_secret_key(key), found));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_strings(inner, secret, found)),
        Value::String(text) if secret && text.len() >= MIN_SECRET_BYTES => found.push(text.clone()),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// A text in which each of these secrets and each login of a URL is the mask.
#[must_use]
pub fn mask_secrets(text: &str, secrets: &Hidden<Vec<String>>) -> String {
    let masked = secrets.reveal().iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK));
    mask_url_logins(&masked)
}

fn mask_scalars(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, inner)| (key.clone(), mask_scalars(inner))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(mask_scalars).collect()),
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(_) | Value::String(_) => Value::String(MASK.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hidden_values_do_not_print() {
        assert_eq!(format!("{:?}", Hidden::new("canary")), MASK);
    }

    #[test]
    fn texts_of_other_programs_are_masked() {
        let values = json!({"auth": {"list": ["canary-1", "canary-12"]}, "name": "canvas", "password": "abc"});
        let masked_text = mask_secrets("Invalid value: \"canary-12\": canvas", &collect_secrets(&values));
        assert_eq!(masked_text, "Invalid value: \"***\": canvas");
    }

    #[test]
    fn secrets_are_masked_by_key_and_the_rest_stays() {
        let values = json!({"global": {"auth": {"sessionSecret": "x"}, "dns": {"domain": "a.example"}},
            "dex": {"clients": [{"id": "ui", "clientSecret": "y"}]}, "certSecretName": "tls", "enabled": true});
        assert_eq!(
            mask_value(&values),
            json!({"global": {"auth": {"sessionSecret": MASK}, "dns": {"domain": "a.example"}},
                "dex": {"clients": [{"id": "ui", "clientSecret": MASK}]}, "certSecretName": "tls", "enabled": true})
        );
    }
}
