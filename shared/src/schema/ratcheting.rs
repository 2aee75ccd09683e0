//! What an update forgives (KEP-4008; apiserver `pkg/cel/common/equality.go`, apiextensions-apiserver
//! `pkg/apiserver/validation/ratcheting.go`), where nothing but metadata changes.
//!
//! The server forgives an error where it finds the older value and finds it equal. It looks for both through the schema,
//! and so there are values that it does not call equal though they did not change: a field that the schema does not name
//! (below `x-kubernetes-preserve-unknown-fields`, in an embedded resource, in metadata) makes all that stands above it
//! unequal; so does an item of a list that is a map, where it lacks a key or stands behind another with the same keys.

use serde_json::Value;

use super::node::{ListType, Node};

/// The older value that the server finds for a value, and the schema through which it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct CorrelatedValue<'a> {
    pub(super) value: &'a Value,
    pub(super) node: &'a Node,
}

impl<'a> CorrelatedValue<'a> {
    /// The older value of a field.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        let (node, _) = self.node.child(name)?;
        Some(Self { value: self.value.get(name)?, node })
    }

    /// The older value of an item: only in a list that is a map, by its keys, and then the first that has them.
    pub(super) fn item(self, item: &Value) -> Option<Self> {
        let ListType::Map(keys) = &self.node.list_type else { return None };
        let is_key = |value: &&Value| !value.is_null() && !value.is_object() && !value.is_array();
        let key = |item: &'a Value, name: &str| item.get(name).filter(is_key);
        let own_keys: Option<Vec<_>> = keys.iter().map(|name| item.get(name).filter(is_key)).collect();
        let own_keys = own_keys.filter(|own_keys| !own_keys.is_empty())?;
        let mut items = self.value.as_array()?.iter();
        let value = items
            .find(|other| keys.iter().zip(&own_keys).all(|(name, own_keys)| key(other, name) == Some(*own_keys)))?;
        Some(Self { value, node: self.node.items.as_deref()? })
    }

    /// Whether the server calls a value equal to this older one.
    pub(super) fn is_equal_to(self, value: &Value) -> bool {
        let below = |older: Option<Self>, value| older.is_some_and(|older| older.is_equal_to(value));
        match (value, self.value) {
            (Value::Object(fields), Value::Object(older)) => {
                fields.len() == older.len() && fields.iter().all(|(name, value)| below(self.field(name), value))
            }
            (Value::Array(items), Value::Array(older)) if matches!(self.node.list_type, ListType::Map(_)) => {
                items.len() == older.len() && items.iter().all(|item| below(self.item(item), item))
            }
            (value, older) => value == older,
        }
    }
}
