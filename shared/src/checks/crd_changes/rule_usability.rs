//! New CEL rules that this API server may reject: unsupported functions, and loops without a limit.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::{SchemaPath, Segment, list_positions};
use crate::model::check::{Card, Level, Section};
use crate::model::crd::Crd;
use crate::schema::{ServerVersion, find_rule_type_error, parse_rule_features};

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

pub(crate) static RULES_NOT_ESTIMATED: ChangeCheck = ChangeCheck {
    card: Card {
        id: "rules-not-estimated",
        section: Section::CrdChanges,
        title: "a new CEL rule whose cost is not estimated",
        level: Level::Warning,
        why: "The API server checks the types of a new rule and estimates its cost from the limits of the schema. It \
            rejects the whole CRD if the cost exceeds the budget. This check does not repeat the estimate.",
        fix: "Run helm mural crds check NEW against a cluster: the API server answers in a dry-run.",
    },
    affects: AffectedParty::Server,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#resource-use-by-validation-functions",
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

/// One finding for each version with rules that only the API server can estimate, at the first of them.
pub(crate) fn find_not_estimated(old: &Crd, new: &Crd) -> Vec<RuleFinding> {
    let known: BTreeSet<(SchemaPath, String)> =
        schema_positions(old).flat_map(|(_, path, here, _)| rules_at(&path, here)).collect();
    let mut by_version: BTreeMap<&str, Vec<SchemaPath>> = BTreeMap::new();
    for (version, path, here, _) in schema_positions(new) {
        let unknown = rules_at(&path, here).into_iter().filter(|rule| !known.contains(rule) && !is_trivial(&rule.1));
        by_version.entry(version).or_default().extend(unknown.map(|(path, _)| path));
    }
    let findings = by_version.into_iter().filter_map(|(version, paths)| {
        let (count, path) = (paths.len(), paths.into_iter().next()?);
        let rules = if count == 1 { "1 new CEL rule".to_owned() } else { format!("{count} new CEL rules") };
        let message = format!("the types and the cost of {rules} are not estimated here: only the API server can say");
        Some(RuleFinding {
            check: &RULES_NOT_ESTIMATED,
            level: Level::Warning,
            version: version.to_owned(),
            path,
            message,
        })
    });
    findings.collect()
}

/// Rules of the new CRD that do not fit its schema, where the same rule fitted the old one or was not there. A rule need not
/// have changed: the field that it names may be gone.
pub(crate) fn find_type_errors(old: &Crd, new: &Crd) -> Vec<RuleFinding> {
    let known: BTreeSet<(SchemaPath, String)> =
        list_type_errors(old).into_iter().map(|(_, path, message)| (path, message)).collect();
    let fresh = list_type_errors(new)
        .into_iter()
        .filter(|(_, path, message)| !known.contains(&(path.clone(), message.clone())));
    let to_finding = |(version, path, message)| RuleFinding {
        check: &RULE_UNSUPPORTED,
        level: Level::Error,
        version,
        path,
        message,
    };
    fresh.map(to_finding).collect()
}

fn list_type_errors(crd: &Crd) -> Vec<(String, SchemaPath, String)> {
    let is_branch =
        |segment: &Segment| matches!(segment, Segment::AllOf(_) | Segment::AnyOf(_) | Segment::OneOf(_) | Segment::Not);
    let mut all = Vec::new();
    for (version, path, here, _) in schema_positions(crd) {
        // The values of a branch are those of the schema around it.
        if path.segments().iter().any(is_branch) {
            continue;
        }
        let is_resource = path.segments().is_empty() || here["x-kubernetes-embedded-resource"] == true;
        for rule in rule_expressions(here) {
            if let Some(error) = find_rule_type_error(&rule, here, is_resource) {
                let message = format!("CEL rule {} does not fit the schema: {error}", shorten_rule(&rule));
                all.push((version.to_owned(), path.clone(), message));
            }
        }
    }
    all
}

/// The rules of a position, each with the position: the same rule elsewhere has another cost.
fn rules_at(path: &SchemaPath, here: &Value) -> Vec<(SchemaPath, String)> {
    rule_expressions(here).into_iter().map(|rule| (path.clone(), rule)).collect()
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
