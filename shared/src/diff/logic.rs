//! `allOf`, `anyOf`, `oneOf` and `not`: branches are compared as sets, never by their index.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::kind::{Effect, arrow, shown};
use super::path::Segment;
use super::rules::take_pairs;
use super::walk::{Context, Found, Pair, walk};

/// A change of a condition made of schemas.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum LogicChange {
    /// A condition where there was none.
    #[serde(rename = "condition-added")]
    Added {
        /// Which.
        of: Of,
        /// Its branches, or what must not hold.
        new: Value,
    },
    /// A condition is gone.
    #[serde(rename = "condition-removed")]
    Removed {
        /// Which.
        of: Of,
        /// Its branches, or what must not hold.
        old: Value,
    },
    /// One more branch.
    #[serde(rename = "branch-added")]
    BranchAdded {
        /// Of which condition.
        of: Of,
        /// The branch.
        new: Value,
        /// Whether it only asks for fields that are new, so that no object can match it yet.
        fresh: bool,
    },
    /// One branch less.
    #[serde(rename = "branch-removed")]
    BranchRemoved {
        /// Of which condition.
        of: Of,
        /// The branch.
        old: Value,
    },
    /// A branch of `oneOf`, or what must not hold, is another: whether that is wider or narrower cannot be told.
    #[serde(rename = "branch-changed")]
    BranchChanged {
        /// Of which condition.
        of: Of,
        /// Before.
        old: Value,
        /// After.
        new: Value,
    },
}

/// A condition made of schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Of {
    /// Each must hold.
    AllOf,
    /// At least one must hold.
    AnyOf,
    /// Exactly one must hold.
    OneOf,
    /// It must not hold.
    Not,
}

impl Of {
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
            | Self::BranchAdded { of: Of::AnyOf, .. }
            | Self::BranchAdded { of: Of::OneOf, fresh: true, .. }
            | Self::BranchRemoved { of: Of::AllOf, .. } => Effect::Safe,
            Self::Added { .. } | Self::BranchAdded { .. } | Self::BranchRemoved { .. } | Self::BranchChanged { .. } => {
                Effect::Breaking
            }
        }
    }
}

impl fmt::Display for LogicChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { of, new } => write!(f, "{} added: {}", of.keyword(), shown(new)),
            Self::Removed { of, old } => write!(f, "{} removed: {}", of.keyword(), shown(old)),
            Self::BranchAdded { of, new, .. } => write!(f, "branch of {} added: {}", of.keyword(), shown(new)),
            Self::BranchRemoved { of, old } => write!(f, "branch of {} removed: {}", of.keyword(), shown(old)),
            Self::BranchChanged { of, old, new } => {
                write!(f, "branch of {} changed: {}", of.keyword(), arrow(Some(old), Some(new)))
            }
        }
    }
}

pub(super) fn compare(pair: &Pair<'_>, found: &mut Found) {
    for of in [Of::AllOf, Of::AnyOf, Of::OneOf, Of::Not] {
        match (pair.old_of(of.keyword()), pair.new_of(of.keyword())) {
            (None, Some(new)) => found.add(pair, LogicChange::Added { of, new: new.clone() }),
            (Some(old), None) => found.add(pair, LogicChange::Removed { of, old: old.clone() }),
            (Some(old), Some(new)) if old != new => both(of, pair, (old, new), found),
            _ => {}
        }
    }
}

fn both(of: Of, pair: &Pair<'_>, (old, new): (&Value, &Value), found: &mut Found) {
    let (Value::Array(all_old), Value::Array(all_new)) = (old, new) else {
        let change = LogicChange::BranchChanged { of, old: old.clone(), new: new.clone() };
        return found.add_at(pair.path.child(of.segment(0)), change);
    };
    let (mut gone, mut added) = (all_old.clone(), all_new.clone());
    drop(take_pairs(&mut gone, &mut added, |old, new| old == new));
    // "None of these": with a new alternative added to it, it decides as before about every object that exists.
    drop(take_pairs(&mut gone, &mut added, |old, new| of == Of::OneOf && *old == without_fresh(pair, new)));
    let index = |all: &[Value], branch: &Value| all.iter().position(|other| other == branch).unwrap_or_default();
    if let ([old], [new]) = (gone.as_slice(), added.as_slice()) {
        return one_branch(of, pair, (old, new, index(all_new, new)), found);
    }
    for old in gone {
        let path = pair.path.child(of.segment(index(all_old, &old)));
        found.add_at(path, LogicChange::BranchRemoved { of, old });
    }
    for new in added {
        let path = pair.path.child(of.segment(index(all_new, &new)));
        let fresh = is_fresh(pair, &new);
        found.add_at(path, LogicChange::BranchAdded { of, new, fresh });
    }
}

/// Whether a branch asks for a field that no object can hold yet: new here, and not kept unspecified before.
fn is_fresh(pair: &Pair<'_>, branch: &Value) -> bool {
    let is_new = |name: &str| {
        let named = |schema: &Value| schema.get("properties").is_some_and(|all| all.get(name).is_some());
        named(pair.new) && !named(pair.old)
    };
    let mut asked = branch["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    !pair.old_keeps() && asked.any(is_new)
}

/// `not: {anyOf: [...]}` without the alternatives that no object can match yet.
fn without_fresh(pair: &Pair<'_>, branch: &Value) -> Value {
    let mut branch = branch.clone();
    if let Some(Value::Array(alternatives)) = branch.pointer_mut("/not/anyOf") {
        alternatives.retain(|alternative| !is_fresh(pair, alternative));
    }
    branch
}

/// One branch became another. In `allOf` and `anyOf` a narrower branch makes a narrower whole, so the walk goes on inside.
fn one_branch(of: Of, pair: &Pair<'_>, (old, new, at): (&Value, &Value, usize), found: &mut Found) {
    let path = pair.path.child(of.segment(at));
    if of == Of::OneOf {
        let change = LogicChange::BranchChanged { of, old: old.clone(), new: new.clone() };
        return found.add_at(path, change);
    }
    let context = Context { only_restricts: true, ..pair.context };
    walk(&Pair { path, old, new, required: false, context }, found);
}
