//! New CEL rules that this API server may reject: unsupported functions, and loops without a limit.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::{SchemaPath, Segment, list_positions};
use crate::model::check::{Card, Level, Section};
use crate::model::crd::Crd;
use crate::schema::{ServerVersion, parse_rule_features};

pub(crate) static RULE_UNSUPPORTED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rule-unsupported",
        section: Section::CrdChanges,
        title: "a new CEL rule that this API server does not support",
        level: Level::Error,
        why: "The API server compiles a new rule with the functions of the previous minor version. It rejects the \
            whole CRD if the rule uses a newer function or does not compile.",
        fix: "Write the rule with older functions, or upgrade the cluster first. Test other versions with \
            --server-version.",
    },
    affects: AffectedParty::Server,
    source: "https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiserver/pkg/cel/environment/base.go",
};

pub(crate) static RULE_COST_UNBOUNDED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rule-costly",
        section: Section::CrdChanges,
        title: "a new CEL rule with an unbounded loop",
        level: Level::Warning,
        why: "The API server estimates the highest cost of a rule. Nested loops over lists without a limit exceed \
            the cost budget, and the API server rejects the whole CRD.",
        fix: "Set maxItems on the lists and maxProperties on the maps.",
    },
    affects: AffectedParty::Server,
    source: "https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go",
};

/// A finding about a CEL rule, with its version and schema path.
pub(crate) struct RuleFinding {
    pub(crate) check: &'static ChangeCheck,
    pub(crate) level: Level,
    pub(crate) version: String,
    pub(crate) path: SchemaPath,
    pub(crate) message: String,
}

/// Checks the rules that only the new CRD has.
pub(crate) fn find(old: &Crd, new: &Crd, server: ServerVersion) -> Vec<RuleFinding> {
    let known: BTreeSet<String> = schema_positions(old).flat_map(|(_, _, here, _)| rule_expressions(here)).collect();
    let mut found = Vec::new();
    for (version, path, here, root) in schema_positions(new) {
        for rule in rule_expressions(here).into_iter().filter(|rule| !known.contains(rule)) {
            let wrong = [check_support(&rule, server), check_cost(&rule, &path, here, root)];
            found.extend(wrong.into_iter().flatten().map(|(check, level, message)| RuleFinding {
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

type SchemaPosition<'a> = (&'a str, SchemaPath, &'a Value, &'a Value);

fn schema_positions(crd: &Crd) -> impl Iterator<Item = SchemaPosition<'_>> {
    crd.versions().flat_map(|version| {
        let schema = version.schema.unwrap_or(&Value::Null);
        list_positions(schema).into_iter().map(move |(path, here)| (version.name, path, here, schema))
    })
}

fn rule_expressions(here: &Value) -> Vec<String> {
    let all = here["x-kubernetes-validations"].as_array().into_iter().flatten();
    all.filter_map(|rule| Some(rule["rule"].as_str()?.trim().to_owned())).collect()
}

fn shorten_rule(rule: &str) -> String {
    let short: String = rule.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
    format!("{short:?}")
}

type RuleIssue = (&'static ChangeCheck, Level, String);

fn check_support(rule: &str, server: ServerVersion) -> Option<RuleIssue> {
    let Some(uses) = parse_rule_features(rule) else {
        let message =
            format!("CEL rule {} cannot be parsed here; only the API server can validate it", shorten_rule(rule));
        return Some((&RULE_UNSUPPORTED, Level::Warning, message));
    };
    let (name, introduced_in) =
        uses.versioned_functions.into_iter().rfind(|(_, introduced_in)| server <= *introduced_in)?;
    let message = format!(
        "CEL rule {} uses {name} of Kubernetes {introduced_in}: a new rule can use it one minor version later, but this server is {server}",
        shorten_rule(rule)
    );
    Some((&RULE_UNSUPPORTED, Level::Error, message))
}

/// The lists and maps above a path without `maxItems` or `maxProperties`, outermost first.
fn find_unbounded_ancestors(path: &SchemaPath, root: &Value) -> Vec<SchemaPath> {
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

/// Estimates how often a rule runs, as a power of the item count: once per enclosing item and per item of its loops.
fn check_cost(rule: &str, path: &SchemaPath, here: &Value, root: &Value) -> Option<RuleIssue> {
    // All that stands in each other must fit into one request: lists around a place count once.
    let mut unbounded_loops: Vec<SchemaPath> = find_unbounded_ancestors(path, root).into_iter().take(1).collect();
    let own = [("array", "maxItems"), ("object", "maxProperties")];
    let is_open = own.iter().any(|(kind, bound)| {
        here["type"] == *kind
            && here[*bound].is_null()
            && (*kind == "array" || here["additionalProperties"].is_object())
    });
    let loops = parse_rule_features(rule).map_or(0, |uses| uses.loop_depth);
    if is_open && loops > 0 {
        unbounded_loops.extend(std::iter::repeat_n(path.clone(), loops));
    }
    if unbounded_loops.len() < 2 || is_trivial(rule) {
        return None;
    }
    let names: BTreeSet<String> = unbounded_loops.iter().map(ToString::to_string).collect();
    let names: Vec<String> = names.into_iter().collect();
    let message = format!(
        "CEL rule {} runs n^{} times without a limit on n ({}): the API server may reject it as too costly",
        shorten_rule(rule),
        unbounded_loops.len(),
        names.join(", ")
    );
    Some((&RULE_COST_UNBOUNDED, Level::Warning, message))
}

fn is_trivial(rule: &str) -> bool {
    matches!(rule, "true" | "false")
}
