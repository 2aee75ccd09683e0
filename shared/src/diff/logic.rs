//! `allOf`, `anyOf`, `oneOf` and `not`: branches are compared as sets, never by their index.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::kind::{Effect, format_change, format_value};
use super::path::Segment;
use super::rules::extract_pairs;
use super::walk::{ChangeCollector, PositionPair, WalkContext, walk};

/// A change of a condition made of schemas.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum LogicChange {
    /// A condition where there was none.
    #[serde(rename = "condition-added")]
    Added {
        /// Which.
        combinator: Combinator,
        /// Its branches, or what must not hold.
        new: Value,
    },
    /// A condition is gone.
    #[serde(rename = "condition-removed")]
    Removed {
        /// Which.
        combinator: Combinator,
        /// Its branches, or what must not hold.
        old: Value,
    },
    /// One more branch.
    #[serde(rename = "branch-added")]
    BranchAdded {
        /// Of which condition.
        combinator: Combinator,
        /// The branch.
        new: Value,
        /// Whether it only asks for fields that are new, so that no object can match it yet.
        requires_new_field: bool,
    },
    /// One branch less.
    #[serde(rename = "branch-removed")]
    BranchRemoved {
        /// Of which condition.
        combinator: Combinator,
        /// The branch.
        old: Value,
    },
    /// A branch of `oneOf`, or of `not`, differs: whether that is wider or narrower is undetermined.
    #[serde(rename = "branch-changed")]
    BranchChanged {
        /// Of which condition.
        combinator: Combinator,
        /// Before.
        old: Value,
        /// After.
        new: Value,
    },
}

/// A condition made of schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Combinator {
    /// Each must hold.
    AllOf,
    /// At least one must hold.
    AnyOf,
    /// Exactly one must hold.
    OneOf,
    /// It must not hold.
    Not,
}

impl Combinator {
    const fn keyword(self) -> &'static str {
        match self {
            Self::AllOf => "allOf",
            Self::AnyOf => "anyOf",
            Self::OneOf => "oneOf",
            Self::Not => "not",
        }
    }

    const fn segment(self, at: usize) -> Segment {
        match self {
            Self::AllOf => Segment::AllOf(at),
            Self::AnyOf => Segment::AnyOf(at),
            Self::OneOf => Segment::OneOf(at),
            Self::Not => Segment::Not,
        }
    }
}

impl LogicChange {
    /// How grave this can be. One more branch of `oneOf` can match where another matched already ("Found 2 valid
    /// alternatives"), one less of it can leave none.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self {
            Self::Removed { .. }
            | Self::BranchAdded { combinator: Combinator::AnyOf, .. }
            | Self::BranchAdded { combinator: Combinator::OneOf, requires_new_field: true, .. }
            | Self::BranchRemoved { combinator: Combinator::AllOf, .. } => Effect::Safe,
            Self::Added { .. } | Self::BranchAdded { .. } | Self::BranchRemoved { .. } | Self::BranchChanged { .. } => {
                Effect::Breaking
            }
        }
    }
}

impl fmt::Display for LogicChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { combinator: of, new } => write!(f, "{} added: {}", of.keyword(), format_value(new)),
            Self::Removed { combinator: of, old } => write!(f, "{} removed: {}", of.keyword(), format_value(old)),
            Self::BranchAdded { combinator: of, new, .. } => {
                write!(f, "branch of {} added: {}", of.keyword(), format_value(new))
            }
            Self::BranchRemoved { combinator: of, old } => {
                write!(f, "branch of {} removed: {}", of.keyword(), format_value(old))
            }
            Self::BranchChanged { combinator: of, old, new } => {
                write!(f, "branch of {} changed: {}", of.keyword(), format_change(Some(old), Some(new)))
            }
        }
    }
}

pub(super) fn compare(pair: &PositionPair<'_>, collector: &mut ChangeCollector) {
    for combinator in [Combinator::AllOf, Combinator::AnyOf, Combinator::OneOf, Combinator::Not] {
        match (pair.old_keyword(combinator.keyword()), pair.new_keyword(combinator.keyword())) {
            (None, Some(new)) => collector.add(pair, LogicChange::Added { combinator, new: new.clone() }),
            (Some(old), None) => collector.add(pair, LogicChange::Removed { combinator, old: old.clone() }),
            (Some(old), Some(new)) if old != new => compare_both(combinator, pair, (old, new), collector),
            _ => {}
        }
    }
}

fn compare_both(
    combinator: Combinator,
    pair: &PositionPair<'_>,
    (old, new): (&Value, &Value),
    collector: &mut ChangeCollector,
) {
    let (Value::Array(all_old), Value::Array(all_new)) = (old, new) else {
        let change = LogicChange::BranchChanged { combinator, old: old.clone(), new: new.clone() };
        return collector.add_at(pair.path.child(combinator.segment(0)), change);
    };
    let (mut gone, mut added) = (all_old.clone(), all_new.clone());
    drop(extract_pairs(&mut gone, &mut added, |old, new| old == new));
    // "None of these": with a new alternative added to it, it decides as before about every object that exists.
    drop(extract_pairs(&mut gone, &mut added, |old, new| {
        combinator == Combinator::OneOf && *old == without_new_alternatives(pair, new)
    }));
    let index = |all: &[Value], branch: &Value| all.iter().position(|other| other == branch).unwrap_or_default();
    if let ([old], [new]) = (gone.as_slice(), added.as_slice()) {
        return compare_branch(combinator, pair, (old, new, index(all_new, new)), collector);
    }
    for old in gone {
        let path = pair.path.child(combinator.segment(index(all_old, &old)));
        collector.add_at(path, LogicChange::BranchRemoved { combinator, old });
    }
    for new in added {
        let path = pair.path.child(combinator.segment(index(all_new, &new)));
        let requires_new_field = requires_new_field(pair, &new);
        collector.add_at(path, LogicChange::BranchAdded { combinator, new, requires_new_field });
    }
}

/// Whether a branch asks for a field that no object can hold yet: new here, and not kept unspecified before.
fn requires_new_field(pair: &PositionPair<'_>, branch: &Value) -> bool {
    let is_new = |name: &str| {
        let has_property = |schema: &Value| schema.get("properties").is_some_and(|all| all.get(name).is_some());
        has_property(pair.new) && !has_property(pair.old)
    };
    let mut required = branch["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    !pair.old_preserves_unknown() && required.any(is_new)
}

/// `not: {anyOf: [...]}` without the alternatives that no object can match yet.
fn without_new_alternatives(pair: &PositionPair<'_>, branch: &Value) -> Value {
    let mut branch = branch.clone();
    if let Some(Value::Array(alternatives)) = branch.pointer_mut("/not/anyOf") {
        alternatives.retain(|alternative| !requires_new_field(pair, alternative));
    }
    branch
}

/// One branch became another. In `allOf` and `anyOf` a narrower branch makes a narrower whole, so the walk goes on inside.
fn compare_branch(
    combinator: Combinator,
    pair: &PositionPair<'_>,
    (old, new, at): (&Value, &Value, usize),
    collector: &mut ChangeCollector,
) {
    let path = pair.path.child(combinator.segment(at));
    if combinator == Combinator::OneOf {
        let change = LogicChange::BranchChanged { combinator, old: old.clone(), new: new.clone() };
        return collector.add_at(path, change);
    }
    let context = WalkContext { value_validation_only: true, ..pair.context };
    walk(&PositionPair { path, old, new, required: false, context }, collector);
}
