//! Served versions that do not hold the same.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::checks::crd_changes::{Check, Hurts};
use crate::diff::{Change, Effect, SchemaPath, schema_changes};
use crate::model::check::{Card, Level, Section};
use crate::model::crd::Crd;

/// Stands between the two versions of a pair.
pub(crate) const BETWEEN: &str = " → ";

/// Served versions hold the same where nothing converts between them.
pub(crate) static CHECK: Check = Check {
    card: Card {
        id: "served-versions-differ",
        section: Section::Changes,
        title: "served versions hold the same where nothing converts between them",
        level: Level::Warning,
        why: "With the conversion strategy None only the apiVersion is rewritten: what one version holds and the other does not is lost by a write through the other, or refused there.",
        fix: "Let both versions hold the same fields, or convert with a webhook.",
    },
    hurts: Hurts::Objects,
    source: "crdify served-version pairs; crds.md 1.3",
};

/// What one served version holds and another does not.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    /// `v1beta1 → v1`
    pub(crate) pair: String,
    /// Where in the schema.
    pub(crate) path: Option<SchemaPath>,
    /// In words.
    pub(crate) what: String,
}

/// What goes wrong from one served version to another; pairs in the order of their names.
#[must_use]
pub(crate) fn find(crd: &Crd) -> BTreeSet<Difference> {
    if crd.json().pointer("/spec/conversion/strategy").is_some_and(|strategy| strategy == "Webhook") {
        return BTreeSet::new();
    }
    let served: Vec<&str> = crd.versions().filter(|version| version.served).map(|version| version.name).collect();
    let pairs = served.iter().flat_map(|from| served.iter().filter(move |to| *to != from).map(move |to| (*from, *to)));
    pairs.flat_map(|(from, to)| between(crd, from, to)).collect()
}

fn between(crd: &Crd, from: &str, to: &str) -> Vec<Difference> {
    let (Some(old), Some(new)) = (schema(crd, from), schema(crd, to)) else { return Vec::new() };
    let breaking = schema_changes(old, new).into_iter().filter(|change| change.kind.effect() == Effect::Breaking);
    let told = |change: Change| Difference {
        pair: format!("{from}{BETWEEN}{to}"),
        what: change.kind.to_string(),
        path: change.path,
    };
    breaking.map(told).collect()
}

fn schema<'a>(crd: &'a Crd, version: &str) -> Option<&'a Value> {
    let all = crd.json().pointer("/spec/versions")?.as_array()?;
    all.iter().find(|one| one["name"] == version)?.pointer("/schema/openAPIV3Schema")
}
