//! `allOf`, `anyOf`, `oneOf`, `not` (kube-openapi `pkg/validation/validate/schema_props.go`).

use serde_json::Value;

use super::error::SchemaError;
use super::node::Node;
use super::object_path::ObjectPath;
use super::value_validation::{NodeResult, ValidationMode, validate};

/// Looks through all branches.
pub(super) fn validate_branches(
    value: &Value,
    node: &Node,
    place: &ObjectPath<'_>,
    mode: ValidationMode<'_>,
) -> NodeResult {
    let mut result = NodeResult { match_count: 1, ..NodeResult::default() };
    if !node.any_of.is_empty() {
        validate_any_of(value, node, place, mode, &mut result);
    }
    if !node.one_of.is_empty() {
        validate_one_of(value, node, place, mode, &mut result);
    }
    if !node.all_of.is_empty() {
        validate_all_of(value, node, place, mode, &mut result);
    }
    if let Some(not) = &node.not {
        let inner = validate(value, not, place, mode);
        if inner.is_valid() {
            push_unplaced_error(place, "must not validate the schema (not)", &mut result);
        }
        result.undetermined.extend(inner.undetermined);
    }
    result
}

fn push_unplaced_error(place: &ObjectPath<'_>, words: &str, result: &mut NodeResult) {
    result.errors.push(SchemaError::without_field(place, format!("{:?} {words}", place.to_dotted())));
}

/// The one that fitted best, the first of equals.
fn update_best_match(best: &mut Option<NodeResult>, next: NodeResult) {
    if best.as_ref().is_none_or(|best| next.match_count > best.match_count) {
        *best = Some(next);
    }
}

fn validate_any_of(
    value: &Value,
    node: &Node,
    place: &ObjectPath<'_>,
    mode: ValidationMode<'_>,
    result: &mut NodeResult,
) {
    let mut best = None;
    for branch in &node.any_of {
        let one = validate(value, branch, place, mode);
        if one.is_valid() {
            result.merge(one);
            return;
        }
        update_best_match(&mut best, one);
    }
    push_unplaced_error(place, "must validate at least one schema (anyOf)", result);
    if let Some(best) = best {
        result.merge(best);
    }
}

fn validate_one_of(
    value: &Value,
    node: &Node,
    place: &ObjectPath<'_>,
    mode: ValidationMode<'_>,
    result: &mut NodeResult,
) {
    let (mut best, mut fitting, mut count) = (None, None, 0_usize);
    for branch in &node.one_of {
        let one = validate(value, branch, place, mode);
        if one.is_valid() {
            count += 1;
            best = None;
            fitting.get_or_insert(one);
        } else if count == 0 {
            update_best_match(&mut best, one);
        }
    }
    if count == 1 {
        if let Some(fitting) = fitting {
            result.merge(fitting);
        }
        return;
    }
    let summary = if count == 0 { "Found none valid".to_owned() } else { format!("Found {count} valid alternatives") };
    push_unplaced_error(place, &format!("must validate one and only one schema (oneOf). {summary}"), result);
    if let Some(best) = best {
        result.merge(best);
    }
}

fn validate_all_of(
    value: &Value,
    node: &Node,
    place: &ObjectPath<'_>,
    mode: ValidationMode<'_>,
    result: &mut NodeResult,
) {
    let mut valid = 0_usize;
    for branch in &node.all_of {
        let one = validate(value, branch, place, mode);
        valid += usize::from(one.is_valid());
        result.merge(one);
    }
    if valid != node.all_of.len() {
        let summary = if valid == 0 { ". None validated" } else { "" };
        push_unplaced_error(place, &format!("must validate all the schemas (allOf){summary}"), result);
    }
}
