//! Defaults must be right by their own schema, and hold nothing that it does not know
//! (apiextensions-apiserver `pkg/apiserver/schema/defaulting/validation.go`).

use serde_json::Value;

use super::{any, flag, has_default, text};
use crate::model::refusal::Refusal;
use crate::schema::node::Node;
use crate::schema::place::Place;
use crate::schema::prune;
use crate::schema::said::{SchemaError, printed};
use crate::schema::validate::{Look, validate};
use crate::schema::{ServerVersion, cel};

/// Whether a default somewhere holds what its schema does not know.
pub(super) fn any_unpruned(schema: &Value) -> bool {
    let mut found = false;
    each(schema, "", true, &mut |here, _, _| found |= is_unpruned(&Node::read(here, ServerVersion::NEWEST)));
    found
}

/// What the server says of all defaults.
#[derive(Default)]
pub(super) struct Said {
    pub(super) refusals: Vec<Refusal>,
    /// Whether a rule could not be asked about a default: then the server may refuse one that is right here.
    pub(super) unsure: bool,
}

/// Refusals of all defaults.
pub(super) fn refused(schema: &Value, path: &str, pruned: bool) -> Said {
    let mut said = Said::default();
    let all = &mut said.refusals;
    let unsure = &mut said.unsure;
    each(schema, path, true, &mut |here, path, embedded| {
        let node = Node::read(here, ServerVersion::NEWEST);
        let Some(default) = &node.default else { return };
        let place = format!("{path}.default");
        if pruned && is_unpruned(&node) {
            all.push(Refusal::new(
                place.clone(),
                format!("Invalid value: {}: must not have unknown fields", printed(default)),
            ));
        }
        // What is a resource must say so before anything else is looked at.
        let lacking = ["apiVersion", "kind"]
            .into_iter()
            .filter(|name| embedded && default.is_object() && default[*name].is_null());
        let lacking: Vec<Refusal> =
            lacking.map(|name| Refusal::new(format!("{place}.{name}"), "Required value")).collect();
        if !lacking.is_empty() || any(here, &has_idle_format) {
            all.extend(lacking);
            return;
        }
        let errors = validate(default, &node, &Place::ROOT, Look::Create).errors;
        let right = errors.is_empty();
        for error in errors {
            let (field, words) = error.server_words();
            let below = if field == "<nil>" || error.path.is_empty() { String::new() } else { format!(".{field}") };
            all.push(Refusal::new(format!("{place}{below}"), words));
        }
        if right {
            let heard = cel::ask_default(default, &node);
            *unsure |= !heard.unsure.is_empty();
            let told = |error: &SchemaError| Refusal::new(format!("{path}.{}", error.path), error.server_words().1);
            all.extend(heard.errors.iter().map(told));
        }
    });
    said
}

fn is_unpruned(node: &Node) -> bool {
    let Some(default) = &node.default else { return false };
    let mut gone = Vec::new();
    prune::prune_default(&mut default.clone(), node, &mut gone);
    !gone.is_empty()
}

/// A format that its type has not: with objects the server leaves it aside, with defaults it does not.
fn has_idle_format(schema: &Value) -> bool {
    !schema["format"].is_null() && !matches!(text(schema, "type"), "string" | "integer" | "number")
}

/// Every place with a default, and whether what stands there is a resource. Below `additionalProperties` the server does not look.
fn each(schema: &Value, path: &str, root: bool, act: &mut dyn FnMut(&Value, &str, bool)) {
    if has_default(schema) {
        act(schema, path, root || flag(schema, "x-kubernetes-embedded-resource"));
    }
    if schema["items"].is_object() {
        each(&schema["items"], &format!("{path}.items"), false, act);
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        each(below, &format!("{path}.properties[{name}]"), false, act);
    }
}
