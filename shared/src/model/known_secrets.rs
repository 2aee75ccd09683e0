//! The secrets of an installation, found by where they go: a value is secret if it reaches a Secret.
//!
//! Input are values and the objects of manifests, stored and rendered; output is [`Secrets`], which masks these texts wherever
//! they appear: in a plan, a report, an event, the journal or a support bundle. Masks by key name are in `secret.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::secret::{MASK, MIN_SECRET_BYTES, collect_secrets, mask_value};
use super::secret_forms::{SecretForm, fold_indentation, list_forms};
use super::url_login::{find_url_logins, mask_ranges};

/// Digits from which a number can be a secret: a port, a size or a replica count is none.
const MIN_DIGITS: usize = 6;
/// Bytes from which a default value of a chart is a secret if it is a part of the content of a Secret.
const MIN_DEFAULT_BYTES: usize = 8;
/// Bytes from which a line of a file in a Secret is searched for alone.
const MIN_LINE_BYTES: usize = 16;

/// Where secrets come from.
#[derive(Default)]
pub struct SecretSources<'a> {
    /// Values of the operator: of stored revisions and of the next one.
    pub values: Vec<&'a Value>,
    /// Default values of the charts.
    pub chart_values: Vec<&'a Value>,
    /// Objects of stored manifests and of the new render, hooks too. Only the Secrets among them hold secrets.
    pub objects: Vec<&'a Value>,
}

/// Every secret text of an installation, to be masked in other texts.
///
/// A text is secret if one of these applies:
/// - It is below a secret key of the values.
/// - It is the content of a key of a Secret, or a longer line of it, or the password of a URL in it.
/// - It is a value, and it is the content of a key of a Secret or a part of it.
///
/// It is found as it is, base64-encoded, percent-encoded and as JSON escapes it; base64 also within a longer base64 text.
///
/// Short texts must not mask half of an output:
/// - Texts below 4 bytes, `true`, `false`, `null`, and numbers below 6 digits are not searched for.
/// - Words of lower-case letters below 8 bytes are not searched for: names of objects and commands contain them. Below a secret
///   key they are masked all the same.
/// - Texts below 8 bytes, and numbers, are found only as a whole word, unless they are below a secret key of the values.
/// - A default of a chart that is only a part of the content of a Secret counts from 8 bytes: `info` is none.
/// - Names, namespaces and kinds of objects are no secrets: every line of an output contains them.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<SecretSearch>>);

struct SecretSearch {
    /// None if there are too many texts to search for: then everything is masked.
    automaton: Option<AhoCorasick>,
    forms: Vec<SecretForm>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Secrets {
    /// The secrets in these sources.
    #[must_use]
    pub fn collect(sources: &SecretSources<'_>) -> Self {
        let SecretSources { values, chart_values, objects } = sources;
        let objects = flatten_lists(objects);
        let mut collector = SecretCollector { public_names: list_public_names(&objects), ..SecretCollector::default() };
        for value in values.iter().chain(chart_values) {
            collect_secrets(value).reveal().iter().for_each(|text| collector.add_keyed(text));
        }
        let texts: BTreeSet<String> = objects.iter().flat_map(|object| list_secret_texts(object)).collect();
        texts.iter().for_each(|text| collector.add_content(text));
        let folded: Vec<String> = texts.iter().map(|text| fold_indentation(text)).collect();
        let (mut leaves, mut defaults) = (BTreeSet::new(), BTreeSet::new());
        values.iter().for_each(|value| collect_leaves(value, &mut leaves));
        chart_values.iter().for_each(|value| collect_leaves(value, &mut defaults));
        leaves.extend(defaults.into_iter().filter(|text| text.len() >= MIN_DEFAULT_BYTES));
        for leaf in leaves.iter().filter(|leaf| !is_plain(leaf)) {
            let forms = [list_forms(leaf), list_forms(&fold_indentation(leaf))].concat();
            if texts.iter().chain(&folded).any(|text| forms.iter().any(|form| form.is_in(text))) {
                collector.add_content(leaf);
            }
        }
        collector.finish()
    }

    /// A text without these secrets and without the logins of URLs.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let mut ranges = find_url_logins(text);
        if let Some(search) = &self.0 {
            let Some(automaton) = &search.automaton else { return MASK.to_owned() };
            let found = automaton.find_overlapping_iter(text).filter(|found| {
                let form = search.forms.get(found.pattern().as_usize());
                form.is_none_or(|form| form.fits(text, found.range()))
            });
            ranges.extend(found.map(|found| found.range()));
        }
        mask_ranges(text, ranges)
    }

    /// A copy in which all texts below secret keys, and these secrets anywhere, are masked.
    #[must_use]
    pub fn mask_value(&self, value: &Value) -> Value {
        self.mask_texts(&mask_value(value))
    }

    fn mask_texts(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => Value::Object(
                map.iter().map(|(key, inner)| (key.clone(), self.mask_texts(inner))).collect::<Map<_, _>>(),
            ),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.mask_texts(item)).collect()),
            Value::String(text) => Value::String(self.mask(text)),
            Value::Number(number) => {
                let text = number.to_string();
                let masked = self.mask(&text);
                if masked == text { value.clone() } else { Value::String(masked) }
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }
}

/// Collects the texts to search for.
#[derive(Default)]
struct SecretCollector {
    forms: BTreeSet<SecretForm>,
    public_names: BTreeSet<String>,
}

impl SecretCollector {
    /// A text below a secret key of the values: found anywhere.
    fn add_keyed(&mut self, text: &str) {
        if matches!(text, "true" | "false" | "null") || is_common_word(text) {
            return;
        }
        self.forms.extend(list_forms(text));
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            self.forms.insert(SecretForm::anywhere(text));
        }
        self.add_parts(text);
    }

    /// The content of a key of a Secret, or a value in it.
    fn add_content(&mut self, text: &str) {
        self.add_text(text);
        self.add_parts(text);
    }

    fn add_text(&mut self, text: &str) {
        let text = text.trim();
        if !is_plain(text) && !self.public_names.contains(text) {
            self.forms.extend(list_forms(text));
        }
    }

    /// What is secret inside a secret text: its lines, the passwords of its URLs, and the secret keys of its JSON.
    fn add_parts(&mut self, text: &str) {
        for login in find_url_logins(text).into_iter().filter_map(|range| text.get(range)) {
            self.add_text(login.split_once(':').map_or(login, |(_, password)| password));
        }
        if text.trim_end().contains('\n') {
            self.add_text(&fold_indentation(text));
            text.lines().for_each(|line| self.add_line(line.trim()));
        }
        if text.trim_start().starts_with(['{', '['])
            && let Ok(json) = serde_json::from_str::<Value>(text)
        {
            collect_secrets(&json).reveal().iter().for_each(|text| self.add_keyed(text));
        }
    }

    /// A line of a file: of `key: value` and `key = value` the value, below a secret key also a short one.
    fn add_line(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(['=', ':']).filter(|(_, value)| !value.trim().is_empty()) else {
            if line.len() >= MIN_LINE_BYTES && !line.starts_with("-----") {
                self.add_text(line);
            }
            return;
        };
        let value = value.trim().trim_matches(['"', '\'', ',']);
        if super::secret::is_secret_key(key.trim()) || value.len() >= MIN_LINE_BYTES {
            self.add_text(value);
        }
    }

    fn finish(self) -> Secrets {
        // One text can be found in several ways: the widest counts.
        let mut widest: BTreeMap<&str, &SecretForm> = BTreeMap::new();
        for form in &self.forms {
            widest.entry(form.text()).and_modify(|old| *old = (*old).max(form)).or_insert(form);
        }
        if widest.is_empty() {
            return Secrets::default();
        }
        let forms: Vec<SecretForm> = widest.into_values().cloned().collect();
        let automaton = AhoCorasick::new(forms.iter().map(SecretForm::text)).ok();
        Secrets(Some(Arc::new(SecretSearch { automaton, forms })))
    }
}

/// Whether a text is a short word such as `none` or `auditor`, which names of objects and commands contain.
fn is_common_word(text: &str) -> bool {
    text.len() < MIN_DEFAULT_BYTES && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Whether a text is too short or too common to be searched for.
fn is_plain(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.len() < MIN_SECRET_BYTES
        || is_common_word(text)
        || matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "none")
        || (digits < MIN_DIGITS && text.parse::<f64>().is_ok())
}

/// The texts of a Secret: each key of `stringData`, and each of `data` as it is and decoded.
fn list_secret_texts(object: &Value) -> Vec<String> {
    if object["kind"] != "Secret" {
        return Vec::new();
    }
    let texts_of = |field: &str| -> Vec<String> {
        let fields = object[field].as_object().into_iter().flatten();
        fields.map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
    };
    let data = texts_of("data");
    let decoded: Vec<String> = data.iter().filter_map(|text| decode_base64(text)).collect();
    // base64 in a text, as in a registry login, is decoded once more.
    let twice: Vec<String> = decoded.iter().filter_map(|text| decode_base64(text)).collect();
    [texts_of("stringData"), data, decoded, twice].concat()
}

fn decode_base64(text: &str) -> Option<String> {
    let compact: String = text.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(compact).ok()?).ok()
}

/// The objects, those inside of `kind: List` too.
fn flatten_lists<'a>(objects: &[&'a Value]) -> Vec<&'a Value> {
    let items = objects.iter().filter(|object| object["kind"] == "List").filter_map(|list| list["items"].as_array());
    objects.iter().copied().chain(items.flatten()).collect()
}

fn list_public_names(objects: &[&Value]) -> BTreeSet<String> {
    let names = objects.iter().flat_map(|object| {
        [&object["kind"], &object["metadata"]["name"], &object["metadata"]["namespace"], &object["apiVersion"]]
    });
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn collect_leaves(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|inner| collect_leaves(inner, into)),
        Value::Array(items) => items.iter().for_each(|item| collect_leaves(item, into)),
        Value::String(text) => drop(into.insert(text.trim().to_owned())),
        Value::Number(number) => drop(into.insert(number.to_string())),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests;
