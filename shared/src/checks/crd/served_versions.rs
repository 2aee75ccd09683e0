//! Served versions that do not hold the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Check, Hurts};
use crate::checks::{Card, Level, Section};
use crate::diff::{Effect, schema_changes};
use crate::model::crd::Crd;

/// Served versions hold the same where nothing converts between them.
pub(super) static CHECK: Check = Check {
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

/// What goes wrong from one served version to another, in words; pairs in the order of the CRD's versions.
#[must_use]
pub(super) fn find(crd: &Crd) -> BTreeSet<(String, String)> {
    if crd.json().pointer("/spec/conversion/strategy").is_some_and(|strategy| strategy == "Webhook") {
        return BTreeSet::new();
    }
    let served: Vec<&str> = crd.versions().filter(|version| version.served).map(|version| version.name).collect();
    let pairs = served.iter().flat_map(|from| served.iter().filter(move |to| *to != from).map(move |to| (*from, *to)));
    pairs.flat_map(|(from, to)| between(crd, from, to)).collect()
}

fn between(crd: &Crd, from: &str, to: &str) -> Vec<(String, String)> {
    let (Some(old), Some(new)) = (schema(crd, from), schema(crd, to)) else { return Vec::new() };
    let breaking = schema_changes(old, new).into_iter().filter(|change| change.kind.effect() == Effect::Breaking);
    breaking.map(|change| (format!("{from} → {to}"), change.to_string())).collect()
}

fn schema<'a>(crd: &'a Crd, version: &str) -> Option<&'a Value> {
    let all = crd.json().pointer("/spec/versions")?.as_array()?;
    all.iter().find(|one| one["name"] == version)?.pointer("/schema/openAPIV3Schema")
}
