//! The walk over two schemas at once: every position of both, each keyword with the file that speaks for it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::path::{SchemaPath, Segment};
use super::{Change, ChangeKind, kind::UnknownChange};
use super::{fields, limits, logic, merge_strategy, rules, text, types};

/// Keywords that hold schemas: the walk goes down into them, or `logic` compares them.
const SCHEMA_KEYWORDS: [&str; 7] = ["properties", "items", "additionalProperties", "allOf", "anyOf", "oneOf", "not"];

/// What holds for a whole version, or for a whole branch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WalkContext {
    /// The old CRD prunes nothing (`spec.preserveUnknownFields: true`).
    pub(super) old_preserves_all: bool,
    /// The new CRD prunes nothing.
    pub(super) new_preserves_all: bool,
    /// Inside `allOf` or `anyOf`: a schema there only restricts and keeps or prunes nothing (structural schemas).
    pub(super) value_validation_only: bool,
}

/// One position of both schemas, each in normal form.
pub(super) struct PositionPair<'a> {
    pub(super) path: SchemaPath,
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
    /// Whether the new schema requires this field.
    pub(super) required: bool,
    pub(super) context: WalkContext,
}

impl<'a> PositionPair<'a> {
    pub(super) fn old_keyword(&self, key: &str) -> Option<&'a Value> {
        self.old.get(key)
    }

    pub(super) fn new_keyword(&self, key: &str) -> Option<&'a Value> {
        self.new.get(key)
    }

    pub(super) fn child(&self, segment: Segment, old: &'a Value, new: &'a Value) -> Self {
        let required = matches!(&segment, Segment::Property(name) if is_required(self.new, name));
        Self { path: self.path.child(segment), old, new, required, context: self.context }
    }

    /// Whether a field that is not specified here stays in the object: before.
    pub(super) fn old_preserves_unknown(&self) -> bool {
        self.context.old_preserves_all || preserves_unknown(self.old)
    }

    /// Whether a field that is not specified here stays in the object: after.
    pub(super) fn new_preserves_unknown(&self) -> bool {
        self.context.new_preserves_all || preserves_unknown(self.new)
    }
}

fn preserves_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true || schema["additionalProperties"].is_object()
}

/// What was found so far.
pub(super) struct ChangeCollector {
    version: Option<String>,
    pub(super) changes: Vec<Change>,
}

impl ChangeCollector {
    pub(super) const fn new(version: Option<String>) -> Self {
        Self { version, changes: Vec::new() }
    }

    pub(super) fn add(&mut self, pair: &PositionPair<'_>, kind: impl Into<ChangeKind>) {
        self.add_at(pair.path.clone(), kind);
    }

    pub(super) fn add_at(&mut self, path: SchemaPath, kind: impl Into<ChangeKind>) {
        self.changes.push(Change { version: self.version.clone(), path: Some(path), kind: kind.into() });
    }
}

/// Compares one position and everything below it.
pub(super) fn walk(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    if pair.old == pair.new {
        return;
    }
    text::compare(pair, collector);
    if types::compare(pair, collector) == types::TypeRelation::Incompatible {
        // Another shape: what stands below has no counterpart, and the change of type says it all.
        return;
    }
    limits::compare(pair, collector);
    rules::compare(pair, collector);
    merge_strategy::compare(pair, collector);
    fields::compare(pair, collector);
    logic::compare(pair, collector);
    compare_unknown_keywords(pair, collector);
}

/// Whether some file speaks for this keyword.
fn is_known_keyword(key: &str) -> bool {
    SCHEMA_KEYWORDS.contains(&key)
        || [
            &text::KEYWORDS[..],
            &types::KEYWORDS,
            &limits::KEYWORDS,
            &rules::KEYWORDS,
            &merge_strategy::KEYWORDS,
            &fields::KEYWORDS,
        ]
        .iter()
        .any(|keywords| keywords.contains(&key))
}

fn compare_unknown_keywords(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    let none = Map::new();
    let (old, new) = (pair.old.as_object().unwrap_or(&none), pair.new.as_object().unwrap_or(&none));
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let (before, after) = (old.get(key), new.get(key));
        if before != after && !is_known_keyword(key) {
            let (keyword, old, new) = (key.clone(), before.cloned(), after.cloned());
            collector.add(pair, UnknownChange { keyword, old, new });
        }
    }
}

/// Every position of a schema with what stands there, the root first: `properties`, `items`, `additionalProperties` and
/// the branches of `allOf`, `anyOf`, `oneOf` and `not`.
#[must_use]
pub fn list_positions(schema: &Value) -> BTreeMap<SchemaPath, &Value> {
    let mut all = BTreeMap::new();
    let mut open = vec![(SchemaPath::root(), schema)];
    while let Some((path, schema)) = open.pop() {
        open.extend(list_children(schema).into_iter().map(|(segment, inner)| (path.child(segment), inner)));
        all.insert(path, schema);
    }
    all
}

/// The positions one step below, in order.
#[must_use]
pub fn list_children(schema: &Value) -> Vec<(Segment, &Value)> {
    let mut below: Vec<(Segment, &Value)> = Vec::new();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    below.extend(properties.map(|(name, inner)| (Segment::Property(name.clone()), inner)));
    for (key, segment) in [("items", Segment::Items), ("additionalProperties", Segment::Values), ("not", Segment::Not)]
    {
        below.extend(schema.get(key).filter(|inner| inner.is_object()).map(|inner| (segment, inner)));
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        let branches = schema.get(key).and_then(Value::as_array).into_iter().flatten().enumerate();
        below.extend(branches.map(|(at, inner)| match key {
            "allOf" => (Segment::AllOf(at), inner),
            "anyOf" => (Segment::AnyOf(at), inner),
            _ => (Segment::OneOf(at), inner),
        }));
    }
    below
}

/// Whether a schema requires a field by its own `required`.
pub(super) fn is_required(schema: &Value, name: &str) -> bool {
    schema.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|other| other == name))
}
