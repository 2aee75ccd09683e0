//! Served versions with different schemas and no conversion webhook.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::checks::crd_changes::{AffectedParty, ChangeCheck};
use crate::diff::{Change, ChangeKind, Effect, FieldChange, SchemaPath, compare_schemas};
use crate::model::check::{Card, Level, Section};
use crate::model::crd::Crd;

/// Separator between the two versions of a pair.
pub(crate) const VERSION_SEPARATOR: &str = " → ";

pub(crate) static CHECK: ChangeCheck = ChangeCheck {
    card: Card {
        id: "served-versions-differ",
        section: Section::CrdChanges,
        title: "served versions with different schemas and no conversion webhook",
        level: Level::Warning,
        why: "With the conversion strategy None, the API server rewrites only the apiVersion. A write through one \
            version loses fields that only the other version has, or is rejected.",
        fix: "Add the same fields to both versions, or convert with a webhook.",
    },
    affects: AffectedParty::Objects,
    source: "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/",
};

/// One difference between two served versions.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VersionDifference {
    /// `v1beta1 → v1`
    pub(crate) versions: String,
    /// Path in the schema.
    pub(crate) path: Option<SchemaPath>,
    /// The difference as a message.
    pub(crate) message: String,
    /// Whether an object loses the field when it is written in the second version.
    pub(crate) loses_field: bool,
}

/// Finds the breaking differences between each pair of served versions.
#[must_use]
pub(crate) fn find(crd: &Crd) -> BTreeSet<VersionDifference> {
    if crd.json().pointer("/spec/conversion/strategy").is_some_and(|strategy| strategy == "Webhook") {
        return BTreeSet::new();
    }
    let served: Vec<&str> = crd.versions().filter(|version| version.served).map(|version| version.name).collect();
    let pairs = served.iter().flat_map(|from| served.iter().filter(move |to| *to != from).map(move |to| (*from, *to)));
    pairs.flat_map(|(from, to)| compare_versions(crd, from, to)).collect()
}

fn compare_versions(crd: &Crd, from: &str, to: &str) -> Vec<VersionDifference> {
    let (Some(old), Some(new)) = (version_schema(crd, from), version_schema(crd, to)) else { return Vec::new() };
    let breaking = compare_schemas(old, new).into_iter().filter(|change| change.kind.effect() == Effect::Breaking);
    let to_difference = |change: Change| VersionDifference {
        versions: format!("{from}{VERSION_SEPARATOR}{to}"),
        message: describe_difference(&change.kind, to),
        loses_field: matches!(change.kind, ChangeKind::Field(FieldChange::Removed { .. })),
        path: change.path,
    };
    breaking.map(to_difference).collect()
}

/// A difference between two versions is no change: nothing was removed, one version has what the other lacks.
fn describe_difference(kind: &ChangeKind, to: &str) -> String {
    match kind {
        ChangeKind::Field(FieldChange::Removed { .. }) => format!("{to} does not have this field"),
        ChangeKind::Field(FieldChange::RequiredAdded { .. }) => format!("{to} requires this field"),
        ChangeKind::Name(_)
        | ChangeKind::Version(_)
        | ChangeKind::Serving(_)
        | ChangeKind::Field(_)
        | ChangeKind::Type(_)
        | ChangeKind::Limit(_)
        | ChangeKind::Rule(_)
        | ChangeKind::List(_)
        | ChangeKind::Logic(_)
        | ChangeKind::Text(_)
        | ChangeKind::Unknown(_) => format!("in {to}: {kind}"),
    }
}

fn version_schema<'a>(crd: &'a Crd, version: &str) -> Option<&'a Value> {
    let all = crd.json().pointer("/spec/versions")?.as_array()?;
    all.iter().find(|one| one["name"] == version)?.pointer("/schema/openAPIV3Schema")
}
