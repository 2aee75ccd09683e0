//! New CEL rules that this API server may not take: functions that it does not have yet, and loops without bounds.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::checks::crd_changes::{Check, Hurts};
use crate::diff::{SchemaPath, Segment, positions};
use crate::model::check::{Card, Level, Section};
use crate::model::crd::Crd;
use crate::schema::{ServerVersion, rule_uses};

/// Every new rule can be used by this server.
pub(crate) static USABLE: Check = Check {
    card: Card {
        id: "rule-not-usable",
        section: Section::Changes,
        title: "every new CEL rule can be used by this API server",
        level: Level::Error,
        why: "A new rule is compiled with the functions of the minor version before the server's own: with a function that is newer, or text that is no CEL, the whole CRD is refused.",
        fix: "Write the rule with older functions, or upgrade the cluster first (--server-version tells what holds elsewhere).",
    },
    hurts: Hurts::Server,
    source: "crds.md 1.1, 1.5; k8s.io/apiserver cel/environment",
};

/// No new rule runs in loops without bounds.
pub(crate) static COSTLY: Check = Check {
    card: Card {
        id: "rule-costly",
        section: Section::Changes,
        title: "no new CEL rule runs in loops without bounds",
        level: Level::Warning,
        why: "The API server estimates what a rule can cost at most: one that loops over a list without a bound, for each item of another or twice over, goes beyond its budget, and the whole CRD is refused.",
        fix: "Give the lists maxItems and the maps maxProperties.",
    },
    hurts: Hurts::Server,
    source: "crds.md 1.1; crd-schema-checker MustNotExceedCostBudget",
};

/// A rule and where it stands.
pub(crate) struct Use {
    pub(crate) check: &'static Check,
    pub(crate) level: Level,
    pub(crate) version: String,
    pub(crate) path: SchemaPath,
    pub(crate) message: String,
}

/// What is wrong with the rules that the old CRD does not have.
pub(crate) fn find(old: &Crd, new: &Crd, server: ServerVersion) -> Vec<Use> {
    let known: BTreeSet<String> = places(old).flat_map(|(_, _, here, _)| texts(here)).collect();
    let mut found = Vec::new();
    for (version, path, here, root) in places(new) {
        for rule in texts(here).into_iter().filter(|rule| !known.contains(rule)) {
            let wrong = [unusable(&rule, server), costly(&rule, &path, here, root)];
            found.extend(wrong.into_iter().flatten().map(|(check, level, message)| Use {
                check,
                level,
                version: version.to_owned(),
                path: path.clone(),
                message,
            }));
        }
    }
    found
}

type Place<'a> = (&'a str, SchemaPath, &'a Value, &'a Value);

fn places(crd: &Crd) -> impl Iterator<Item = Place<'_>> {
    crd.versions().flat_map(|version| {
        let schema = version.schema.unwrap_or(&Value::Null);
        positions(schema).into_iter().map(move |(path, here)| (version.name, path, here, schema))
    })
}

fn texts(here: &Value) -> Vec<String> {
    let all = here["x-kubernetes-validations"].as_array().into_iter().flatten();
    all.filter_map(|rule| Some(rule["rule"].as_str()?.trim().to_owned())).collect()
}

fn shown(rule: &str) -> String {
    let short: String = rule.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
    format!("{short:?}")
}

type Wrong = (&'static Check, Level, String);

fn unusable(rule: &str, server: ServerVersion) -> Option<Wrong> {
    let Some(uses) = rule_uses(rule) else {
        let message =
            format!("CEL rule {} cannot be read here; only the API server can say whether it takes it", shown(rule));
        return Some((&USABLE, Level::Warning, message));
    };
    let (name, since) = uses.newer.into_iter().rfind(|(_, since)| server <= *since)?;
    let message = format!(
        "CEL rule {} uses {name}, which came with Kubernetes {since}: a new rule may use it one version later, and this is {server}",
        shown(rule)
    );
    Some((&USABLE, Level::Error, message))
}

/// The lists and maps around a place that have no bound, the outer ones first.
fn unbounded(path: &SchemaPath, root: &Value) -> Vec<SchemaPath> {
    let (mut here, mut at, mut found) = (root, SchemaPath::root(), Vec::new());
    for segment in path.segments() {
        let (next, bound) = match segment {
            Segment::Property(name) => (&here["properties"][name.as_str()], None),
            Segment::Items => (&here["items"], Some("maxItems")),
            Segment::Values => (&here["additionalProperties"], Some("maxProperties")),
            Segment::AllOf(_) | Segment::AnyOf(_) | Segment::OneOf(_) | Segment::Not => return found,
        };
        if bound.is_some_and(|bound| here[bound].is_null()) {
            found.push(at.clone());
        }
        (here, at) = (next, at.child(segment.clone()));
    }
    found
}

/// How often it runs, as a power of the number of items: for each item around its place, and for each that it loops over.
fn costly(rule: &str, path: &SchemaPath, here: &Value, root: &Value) -> Option<Wrong> {
    // All that stands in each other must fit into one request: lists around a place count once.
    let mut around: Vec<SchemaPath> = unbounded(path, root).into_iter().take(1).collect();
    let own = [("array", "maxItems"), ("object", "maxProperties")];
    let is_open = own.iter().any(|(kind, bound)| {
        here["type"] == *kind
            && here[*bound].is_null()
            && (*kind == "array" || here["additionalProperties"].is_object())
    });
    let loops = rule_uses(rule).map_or(0, |uses| uses.loops);
    if is_open && loops > 0 {
        around.extend(std::iter::repeat_n(path.clone(), loops));
    }
    if around.len() < 2 || is_trivial(rule) {
        return None;
    }
    let names: BTreeSet<String> = around.iter().map(ToString::to_string).collect();
    let names: Vec<String> = names.into_iter().collect();
    let message = format!(
        "CEL rule {} runs n^{} times, and nothing bounds n ({}): the API server may refuse it as too costly",
        shown(rule),
        around.len(),
        names.join(", ")
    );
    Some((&COSTLY, Level::Warning, message))
}

fn is_trivial(rule: &str) -> bool {
    matches!(rule, "true" | "false")
}
