//! The changes of one object as lines for people: every field, list item and text line that differs, secrets masked.
//!
//! Input: an object as it is and as it will be. Output: lines; a line that belongs to the one above starts with two spaces.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::diff_noise::{DiffNoise, IgnoredPaths};
use super::line_diff::{DiffLine, diff_items};
use crate::model::secret::{MASK, collect_secrets, is_secret_key, mask_secrets, mask_value};
use crate::model::yaml::{self, ErrorDetail};

/// The most lines of one object; the rest is counted.
const MAX_LINES: usize = 200;
/// The most changed lines of one text; the rest is counted.
const MAX_TEXT_LINES: usize = 80;
/// The path of a pod's fields in a workload. It is left out, because every workload has it.
const POD_PATH: &str = "spec.template.spec.";
/// Labels with the version of the chart: most objects have them, and they are no information.
const VERSION_LABELS: [&str; 2] = ["helm.sh/chart", "app.kubernetes.io/version"];
/// The fields that identify an item of a list, in the order of preference.
const ITEM_KEYS: [&str; 8] = ["name", "mountPath", "containerPort", "port", "key", "ip", "host", "topologyKey"];
/// The start of a line that begins a private key.
const PRIVATE_KEY_MARK: &str = "PRIVATE KEY-----";

/// The differences of two versions of an object. Of a Secret only the names of the changed keys are shown.
pub(super) fn describe_changes(old: &Value, new: &Value, ignored_paths: &IgnoredPaths) -> Vec<String> {
    if new["kind"] == "Secret" {
        return vec![describe_secret(old, new)];
    }
    let mut all = Lines { lines: Vec::new(), noise: DiffNoise::new(ignored_paths) };
    all.compare(&Place::default(), old, new);
    let Lines { mut lines, noise } = all;
    if lines.len() > MAX_LINES {
        let rest = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push(format!("and {rest} more lines"));
    }
    lines.extend(noise.into_lines());
    if lines.is_empty() { vec!["labels only".to_owned()] } else { lines }
}

fn describe_secret(old: &Value, new: &Value) -> String {
    let fields = |value: &Value, section: &str| value[section].as_object().cloned().unwrap_or_default();
    let mut keys = BTreeSet::new();
    for section in ["data", "stringData"] {
        let (old, new) = (fields(old, section), fields(new, section));
        let all = old.keys().chain(new.keys());
        keys.extend(all.filter(|key| old.get(*key) != new.get(*key)).cloned());
    }
    let others = |value: &Value| {
        let mut rest = value.as_object().cloned().unwrap_or_default();
        rest.retain(|field, _| field != "data" && field != "stringData");
        rest
    };
    let rest = if others(old) == others(new) { "" } else { ", and its metadata" };
    let names = if keys.is_empty() { String::new() } else { format!(": {}", join(keys.iter())) };
    format!("{} key{} changed (masked){names}{rest}", keys.len(), if keys.len() == 1 { "" } else { "s" })
}

fn join<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Where in an object a value is.
#[derive(Debug, Clone, Default)]
struct Place {
    /// `spec.template.spec.containers[web].image`
    path: String,
    /// Whether a name on the way says that the value is secret.
    is_secret: bool,
}

impl Place {
    fn field(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, is_secret: self.is_secret || is_secret_key(name) || name == "httpHeaders" }
    }

    fn item(&self, name: &str) -> Self {
        Self { path: format!("{}[{name}]", self.path), is_secret: self.is_secret || is_secret_key(name) }
    }

    /// The path as the operator reads it: `web env MODE`, `init prep image`, `data.app.conf`.
    fn to_text(&self) -> String {
        let path = self.path.strip_prefix(POD_PATH).unwrap_or(&self.path);
        let (container, field) = match path.split_once("].") {
            Some((list, field)) => match list.split_once('[') {
                Some(("containers", name)) => (format!("{name} "), field),
                Some(("initContainers", name)) => (format!("init {name} "), field),
                _ => (String::new(), path),
            },
            None => (String::new(), path),
        };
        match field.strip_prefix("env[").and_then(|rest| rest.split_once(']')) {
            Some((name, ".value" | "")) => format!("{container}env {name}"),
            Some((name, rest)) => format!("{container}env {name}{rest}"),
            None => format!("{container}{field}"),
        }
    }
}

#[derive(Debug)]
struct Lines<'a> {
    lines: Vec<String>,
    noise: DiffNoise<'a>,
}

impl Lines<'_> {
    fn compare(&mut self, place: &Place, old: &Value, new: &Value) {
        match (old, new) {
            _ if old == new => {}
            _ if self.noise.takes(&place.path) => {}
            (Value::Object(old), Value::Object(new)) => self.compare_fields(place, old, new),
            // A field that comes or goes is shown by its leaves.
            (Value::Null, Value::Object(new)) if !new.is_empty() => self.compare_fields(place, &Map::new(), new),
            (Value::Object(old), Value::Null) if !old.is_empty() => self.compare_fields(place, old, &Map::new()),
            (Value::Array(old), Value::Array(new)) => self.compare_items(place, old, new),
            (Value::Null, Value::Array(new)) if !new.is_empty() => self.compare_items(place, &[], new),
            (Value::Array(old), Value::Null) if !old.is_empty() => self.compare_items(place, old, &[]),
            (Value::String(old), Value::String(new)) if is_text(old) || is_text(new) => {
                self.compare_texts(place, old, new);
            }
            (Value::Null, Value::String(new)) if is_text(new) => self.compare_texts(place, "", new),
            (Value::String(old), Value::Null) if is_text(old) => self.compare_texts(place, old, ""),
            (old, new) => self.lines.push(format_scalars(place, old, new)),
        }
    }

    fn compare_fields(&mut self, place: &Place, old: &Map<String, Value>, new: &Map<String, Value>) {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names.into_iter().filter(|name| !VERSION_LABELS.contains(&name.as_str())) {
            let value = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or_default();
            self.compare(&place.field(name), &value(old), &value(new));
        }
    }

    fn compare_items(&mut self, place: &Place, old: &[Value], new: &[Value]) {
        match find_item_key(old, new) {
            Some(key) => {
                let named = |items: &[Value], name: &str| items.iter().find(|item| to_name(item, key) == name).cloned();
                let mut names: Vec<String> = old.iter().map(|item| to_name(item, key)).collect();
                names.extend(new.iter().map(|item| to_name(item, key)).filter(|name| named(old, name).is_none()));
                for name in names {
                    let (old, new) = (named(old, &name).unwrap_or_default(), named(new, &name).unwrap_or_default());
                    self.compare_item(&place.item(&name), key, old, new);
                }
            }
            None => {
                let texts = |items: &[Value]| mask_items(items, place.is_secret);
                self.push_diff(place, diff_items(&texts(old), &texts(new)));
            }
        }
    }

    /// Compares two items with the same name, which the place already shows.
    fn compare_item(&mut self, place: &Place, key: &str, mut old: Value, mut new: Value) {
        let without_name = |value: &mut Value| value.as_object_mut().map(|fields| fields.remove(key));
        let (_, _) = (without_name(&mut old), without_name(&mut new));
        let sign = match (&old, &new) {
            (Value::Null, Value::Object(fields)) if fields.is_empty() => Some("added"),
            (Value::Object(fields), Value::Null) if fields.is_empty() => Some("removed"),
            _ => None,
        };
        match sign {
            Some(sign) => self.lines.push(format!("{} {sign}", place.to_text())),
            None => self.compare(place, &old, &new),
        }
    }

    fn compare_texts(&mut self, place: &Place, old: &str, new: &str) {
        if place.is_secret || old.contains(PRIVATE_KEY_MARK) || new.contains(PRIVATE_KEY_MARK) {
            return self.lines.push(format!("{} changed (masked)", place.to_text()));
        }
        let lines = |text: &str| mask_text(text).lines().map(str::to_owned).collect::<Vec<_>>();
        // The comparison is of the real lines: a changed secret shows as a changed, masked line.
        let raw = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let changes = diff_items(&raw(old), &raw(new));
        let (masked_old, masked_new) = (lines(old), lines(new));
        let masked = changes.into_iter().map(|change| match change {
            DiffLine::Removed { at, text } => {
                DiffLine::Removed { at, text: masked_old.get(at).cloned().unwrap_or(text) }
            }
            DiffLine::Added { at, text } => DiffLine::Added { at, text: masked_new.get(at).cloned().unwrap_or(text) },
        });
        let masked: Vec<DiffLine> = masked.collect();
        if masked.is_empty() {
            return self.lines.push(format!("{} differs only in its last line break", place.to_text()));
        }
        self.push_diff(place, masked);
    }

    fn push_diff(&mut self, place: &Place, changes: Vec<DiffLine>) {
        if changes.is_empty() {
            return self.lines.push(format!("{} changed (masked)", place.to_text()));
        }
        self.lines.push(format!("{}:", place.to_text()));
        let rest = changes.len().saturating_sub(MAX_TEXT_LINES);
        self.lines.extend(changes.into_iter().take(MAX_TEXT_LINES).map(|change| match change {
            DiffLine::Removed { text, .. } => format!("  - {text}"),
            DiffLine::Added { text, .. } => format!("  + {text}"),
        }));
        if rest > 0 {
            self.lines.push(format!("  and {rest} more changed lines"));
        }
    }
}

/// Whether a text is shown line by line.
fn is_text(text: &str) -> bool {
    text.trim_end().contains('\n')
}

fn format_scalars(place: &Place, old: &Value, new: &Value) -> String {
    let display = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        _ if place.is_secret => MASK.to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => mask_text(text.trim_end()),
        other => mask_value(other).to_string(),
    };
    let (old, new) = (display(old), display(new));
    let is_image = place.path.ends_with("].image");
    let common = old.rfind('/').filter(|at| is_image && new.get(..=*at) == old.get(..=*at));
    let (old, new) = match common {
        Some(at) => (old.get(at + 1..).unwrap_or(&old).to_owned(), new.get(at + 1..).unwrap_or(&new).to_owned()),
        None => (old, new),
    };
    format!("{} {old} → {new}", place.to_text())
}

/// The field that identifies each item in both lists; none if the items have no such field, or two have the same.
fn find_item_key(old: &[Value], new: &[Value]) -> Option<&'static str> {
    let is_unique = |items: &[Value], key: &str| {
        let names: BTreeSet<String> = items.iter().map(|item| to_name(item, key)).collect();
        names.len() == items.len() && !names.contains("")
    };
    ITEM_KEYS.into_iter().find(|key| is_unique(old, key) && is_unique(new, key))
}

fn to_name(item: &Value, key: &str) -> String {
    match &item[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// The items of a list as text. A value that follows a secret flag (`--token`, `abc`) is masked.
fn mask_items(items: &[Value], is_secret: bool) -> Vec<String> {
    let mut follows_secret_flag = false;
    let mask = |item: &Value| match item {
        _ if is_secret || std::mem::take(&mut follows_secret_flag) => MASK.to_owned(),
        Value::String(text) => {
            follows_secret_flag = text.starts_with('-') && !text.contains('=') && is_secret_key(text);
            mask_text(text)
        }
        other => mask_value(other).to_string(),
    };
    items.iter().map(mask).collect()
}

/// Masks the secrets in a text: values below secret keys if it is YAML or JSON, `key = value` and `key: value` with a secret key,
/// and logins in URLs.
fn mask_text(text: &str) -> String {
    let parsed = is_text(text).then(|| yaml::parse_document(text, ErrorDetail::LocationOnly).ok()).flatten();
    let secrets = collect_secrets(&parsed.unwrap_or_default());
    let masked = mask_secrets(text, &secrets);
    masked.split('\n').map(mask_assignment).collect::<Vec<_>>().join("\n")
}

/// `password = abc` becomes `password = ***`.
fn mask_assignment(line: &str) -> String {
    let Some(at) = line.find(['=', ':']) else { return line.to_owned() };
    let (key, value) = line.split_at(at);
    let key_name = key.trim().trim_matches(['"', '\'', '-']);
    if !is_secret_key(key_name) || value.get(1..).is_none_or(|value| value.trim().is_empty()) {
        return line.to_owned();
    }
    let separator = value.chars().next().unwrap_or('=');
    let space = if value.chars().nth(1) == Some(' ') { " " } else { "" };
    format!("{key}{separator}{space}{MASK}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(text: &str) -> Value {
        json!({"kind": "ConfigMap", "data": {"app.conf": text}})
    }

    fn pod(container: &Value) -> Value {
        json!({"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}})
    }

    #[test]
    fn a_text_shows_each_changed_line_and_no_secret() {
        let old = config("listen = 8080\nworkers = 4\npassword = canary-1\nlevel = info\n");
        let new = config("listen = 8443\nworkers = 4\npassword = canary-2\nlevel = debug\nrotate = daily\n");
        let lines = [
            "data.app.conf:",
            "  - listen = 8080",
            "  + listen = 8443",
            "  - password = ***",
            "  + password = ***",
            "  - level = info",
            "  + level = debug",
            "  + rotate = daily",
        ];
        let found = describe_changes(&old, &new, &IgnoredPaths::default());
        // The order of lines within one block is removed first, then added.
        let sorted = |lines: &mut Vec<String>| lines.sort();
        let (mut found, mut lines) = (found, lines.map(str::to_owned).to_vec());
        sorted(&mut found);
        sorted(&mut lines);
        assert_eq!(found, lines);
    }

    #[test]
    fn secrets_in_yaml_texts_and_private_keys_are_masked() {
        let nested = |secret: &str| config(&format!("auth:\n  users:\n  - canary-{secret}\n"));
        assert!(
            !describe_changes(&nested("one"), &nested("two"), &IgnoredPaths::default()).concat().contains("canary")
        );
        let key = |secret: &str| config(&format!("-----BEGIN PRIVATE KEY-----\ncanary-{secret}\n"));
        assert_eq!(
            describe_changes(&key("1"), &key("2"), &IgnoredPaths::default()),
            ["data.app.conf changed (masked)"]
        );
    }

    #[test]
    fn list_items_environment_and_nested_fields_are_complete() {
        let container = |args: Value, mode: &str, token: &str, cpu: &str| {
            pod(&json!({"name": "web", "args": args,
                "env": [{"name": "MODE", "value": mode}, {"name": "API_TOKEN", "value": token}],
                "resources": {"requests": {"cpu": cpu}}}))
        };
        let old = container(json!(["--a", "--b", "--token", "canary-1"]), "old", "canary-3", "100m");
        let new = container(json!(["--a", "--c", "--d", "--token", "canary-2"]), "new", "canary-4", "150m");
        assert_eq!(
            describe_changes(&old, &new, &IgnoredPaths::default()),
            [
                "web args:",
                "  - --b",
                "  + --c",
                "  + --d",
                "web env MODE old → new",
                "web env API_TOKEN *** → ***",
                "web resources.requests.cpu 100m → 150m",
            ]
        );
    }

    #[test]
    fn a_new_container_and_a_removed_volume_are_listed() {
        let old = json!({"kind": "Deployment", "spec": {"template": {"spec": {"volumes": [{"name": "tmp", "emptyDir": {}}]}}}});
        let new = json!({"kind": "Deployment", "spec": {"template": {"spec": {
            "volumes": [], "initContainers": [{"name": "prep", "image": "a/prep:2"}]}}}});
        assert_eq!(
            describe_changes(&old, &new, &IgnoredPaths::default()),
            ["init prep image none → a/prep:2", "volumes[tmp].emptyDir {} → none"]
        );
    }

    #[test]
    fn only_the_labels_of_the_chart_are_left_out() {
        let object = |version: &str| json!({"kind": "Service", "metadata": {"labels": {"helm.sh/chart": version}}});
        assert_eq!(describe_changes(&object("a-1"), &object("a-2"), &IgnoredPaths::default()), ["labels only"]);
    }
}
