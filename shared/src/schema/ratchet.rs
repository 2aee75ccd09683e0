//! What an update forgives (KEP-4008; apiserver `pkg/cel/common/equality.go`, apiextensions-apiserver
//! `pkg/apiserver/validation/ratcheting.go`), where nothing but metadata changes.
//!
//! The server forgives an error where it finds the older value and finds it equal. It looks for both through the schema,
//! and so there are values that it does not call equal though nobody touched them: a field that the schema does not name
//! (below `x-kubernetes-preserve-unknown-fields`, in an embedded resource, in metadata) makes all that stands above it
//! unequal; so does an item of a list that is a map, where it lacks a key or has another item's.

use serde_json::Value;

use super::node::{ListType, Node};

/// Whether the server calls an unchanged value equal.
pub(super) fn is_same(value: &Value, node: &Node) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| node.below(name).is_some_and(|(below, _)| is_same(value, below)))
        }
        Value::Array(items) if matches!(node.list_type, ListType::Map(_)) => {
            items.iter().all(|item| found_again(item, items, node).is_some_and(|below| is_same(item, below)))
        }
        _ => true,
    }
}

/// The schema of an item whose older self is found: in a list that is a map, by its keys, and not behind another with
/// the same keys and other contents.
pub(super) fn found_again<'a>(item: &Value, items: &[Value], node: &'a Node) -> Option<&'a Node> {
    let ListType::Map(keys) = &node.list_type else { return None };
    let of = |item: &Value| -> Option<Vec<String>> {
        let scalar = |value: &Value| !value.is_null() && !value.is_object() && !value.is_array();
        keys.iter().map(|key| item.get(key).filter(|value| scalar(value)).map(Value::to_string)).collect()
    };
    let own = of(item).filter(|own| !own.is_empty())?;
    let first = items.iter().find(|other| of(other).as_ref() == Some(&own))?;
    node.items.as_deref().filter(|_| first == item)
}
