//! `allOf`, `anyOf`, `oneOf`, `not` (kube-openapi `pkg/validation/validate/schema_props.go`).

use serde_json::Value;

use super::node::Node;
use super::place::Place;
use super::said::SchemaError;
use super::validate::{Found, Look, validate};

/// Looks through all branches.
pub(super) fn branches(value: &Value, node: &Node, place: &Place<'_>, look: Look<'_>) -> Found {
    let mut found = Found { matched: 1, ..Found::default() };
    if !node.any_of.is_empty() {
        any_of(value, node, place, look, &mut found);
    }
    if !node.one_of.is_empty() {
        one_of(value, node, place, look, &mut found);
    }
    if !node.all_of.is_empty() {
        all_of(value, node, place, look, &mut found);
    }
    if let Some(not) = &node.not {
        let inner = validate(value, not, place, look);
        if inner.is_valid() {
            unplaced(place, "must not validate the schema (not)", &mut found);
        }
        found.unsure.extend(inner.unsure);
    }
    found
}

fn unplaced(place: &Place<'_>, words: &str, found: &mut Found) {
    found.errors.push(SchemaError::unplaced(place, format!("{:?} {words}", place.dotted())));
}

/// The one that fitted best, the first of equals.
fn better(best: &mut Option<Found>, next: Found) {
    if best.as_ref().is_none_or(|best| next.matched > best.matched) {
        *best = Some(next);
    }
}

fn any_of(value: &Value, node: &Node, place: &Place<'_>, look: Look<'_>, found: &mut Found) {
    let mut best = None;
    for branch in &node.any_of {
        let one = validate(value, branch, place, look);
        if one.is_valid() {
            found.take(one);
            return;
        }
        better(&mut best, one);
    }
    unplaced(place, "must validate at least one schema (anyOf)", found);
    if let Some(best) = best {
        found.take(best);
    }
}

fn one_of(value: &Value, node: &Node, place: &Place<'_>, look: Look<'_>, found: &mut Found) {
    let (mut best, mut fitting, mut count) = (None, None, 0_usize);
    for branch in &node.one_of {
        let one = validate(value, branch, place, look);
        if one.is_valid() {
            count += 1;
            best = None;
            fitting.get_or_insert(one);
        } else if count == 0 {
            better(&mut best, one);
        }
    }
    if count == 1 {
        if let Some(fitting) = fitting {
            found.take(fitting);
        }
        return;
    }
    let told = if count == 0 { "Found none valid".to_owned() } else { format!("Found {count} valid alternatives") };
    unplaced(place, &format!("must validate one and only one schema (oneOf). {told}"), found);
    if let Some(best) = best {
        found.take(best);
    }
}

fn all_of(value: &Value, node: &Node, place: &Place<'_>, look: Look<'_>, found: &mut Found) {
    let mut valid = 0_usize;
    for branch in &node.all_of {
        let one = validate(value, branch, place, look);
        valid += usize::from(one.is_valid());
        found.take(one);
    }
    if valid != node.all_of.len() {
        let told = if valid == 0 { ". None validated" } else { "" };
        unplaced(place, &format!("must validate all the schemas (allOf){told}"), found);
    }
}
