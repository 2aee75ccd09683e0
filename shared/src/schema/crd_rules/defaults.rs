//! Defaults must be right by their own schema, and hold nothing that it does not know
//! (apiextensions-apiserver `pkg/apiserver/schema/defaulting/validation.go`).

use serde_json::Value;

use super::{get_str, has_default, has_match_within, is_flag_set};
use crate::model::rejection::Rejection;
use crate::schema::error::{SchemaError, format_go_value};
use crate::schema::node::Node;
use crate::schema::object_path::ObjectPath;
use crate::schema::prune;
use crate::schema::value_validation::{ValidationMode, validate};
use crate::schema::{ServerVersion, cel};

/// Whether a default somewhere holds what its schema does not know.
pub(super) fn has_unpruned_default(schema: &Value) -> bool {
    let mut found = false;
    visit_defaults(schema, "", true, &mut |here, _, _| found |= is_unpruned(&Node::read(here, ServerVersion::NEWEST)));
    found
}

/// What the server says of all defaults.
#[derive(Default)]
pub(super) struct DefaultRejections {
    pub(super) rejections: Vec<Rejection>,
    /// Whether a rule could not be asked about a default: then the server may refuse one that is right here.
    pub(super) is_undetermined: bool,
}

/// Refusals of all defaults.
pub(super) fn check_defaults(schema: &Value, path: &str, pruned: bool) -> DefaultRejections {
    let mut defaults = DefaultRejections::default();
    let all = &mut defaults.rejections;
    let is_undetermined = &mut defaults.is_undetermined;
    visit_defaults(schema, path, true, &mut |here, path, embedded| {
        let node = Node::read(here, ServerVersion::NEWEST);
        let Some(default) = &node.default else { return };
        let place = format!("{path}.default");
        if pruned && is_unpruned(&node) {
            all.push(Rejection::new(
                place.clone(),
                format!("Invalid value: {}: must not have unknown fields", format_go_value(default)),
            ));
        }
        // What is a resource must say so before anything else is looked at.
        let lacking = ["apiVersion", "kind"]
            .into_iter()
            .filter(|name| embedded && default.is_object() && default[*name].is_null());
        let lacking: Vec<Rejection> =
            lacking.map(|name| Rejection::new(format!("{place}.{name}"), "Required value")).collect();
        if !lacking.is_empty() || has_match_within(here, &has_idle_format) {
            all.extend(lacking);
            return;
        }
        let errors = validate(default, &node, &ObjectPath::ROOT, ValidationMode::Default).errors;
        let is_valid = errors.is_empty();
        for error in errors {
            let (field, words) = error.server_message();
            let below = if field == "<nil>" || error.path.is_empty() { String::new() } else { format!(".{field}") };
            all.push(Rejection::new(format!("{place}{below}"), words));
        }
        if is_valid {
            let outcome = cel::evaluate_default_rules(default, &node);
            *is_undetermined |= !outcome.undetermined.is_empty();
            let to_rejection =
                |error: &SchemaError| Rejection::new(format!("{path}.{}", error.path), error.server_message().1);
            all.extend(outcome.errors.iter().map(to_rejection));
        }
    });
    defaults
}

fn is_unpruned(node: &Node) -> bool {
    let Some(default) = &node.default else { return false };
    let mut gone = Vec::new();
    prune::prune_default(&mut default.clone(), node, &mut gone);
    !gone.is_empty()
}

/// A format that its type has not: with objects the server leaves it aside, with defaults it does not.
fn has_idle_format(schema: &Value) -> bool {
    !schema["format"].is_null() && !matches!(get_str(schema, "type"), "string" | "integer" | "number")
}

/// Every place with a default, and whether what stands there is a resource. Below `additionalProperties` the server does not look.
fn visit_defaults(schema: &Value, path: &str, root: bool, act: &mut dyn FnMut(&Value, &str, bool)) {
    if has_default(schema) {
        act(schema, path, root || is_flag_set(schema, "x-kubernetes-embedded-resource"));
    }
    if schema["items"].is_object() {
        visit_defaults(&schema["items"], &format!("{path}.items"), false, act);
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        visit_defaults(below, &format!("{path}.properties[{name}]"), false, act);
    }
}
