//! Group, scope, names, labels and annotations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::kind::Effect;
use super::outline::Outline;

/// A change of how a CRD and its kind are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "old and new are the same everywhere: before and after")]
pub enum NameChange {
    /// `spec.group`; the API server refuses it.
    #[serde(rename = "group-changed")]
    Group { old: String, new: String },
    /// `spec.scope`; refused once the CRD is established.
    #[serde(rename = "scope-changed")]
    Scope { old: String, new: String },
    /// `spec.names.kind`; refused once the CRD is established.
    #[serde(rename = "kind-changed")]
    Kind { old: String, new: String },
    /// `spec.names.plural`; refused.
    #[serde(rename = "plural-changed")]
    Plural { old: String, new: String },
    /// `spec.names.singular`
    #[serde(rename = "singular-changed")]
    Singular { old: String, new: String },
    /// `spec.names.listKind`
    #[serde(rename = "list-kind-changed")]
    ListKind { old: String, new: String },
    /// `spec.names.shortNames`, as a set.
    #[serde(rename = "short-names-changed")]
    ShortNames { old: BTreeSet<String>, new: BTreeSet<String> },
    /// `spec.names.categories`, as a set.
    #[serde(rename = "categories-changed")]
    Categories { old: BTreeSet<String>, new: BTreeSet<String> },
    /// A label, other than a tool's bookkeeping.
    #[serde(rename = "label-changed")]
    Label { key: String, old: Option<String>, new: Option<String> },
    /// An annotation, other than a tool's bookkeeping.
    #[serde(rename = "annotation-changed")]
    Annotation { key: String, old: Option<String>, new: Option<String> },
}

impl NameChange {
    /// How grave this can be.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Group { .. } | Self::Scope { .. } | Self::Kind { .. } | Self::Plural { .. } => Effect::Breaking,
            Self::Singular { .. } | Self::ListKind { .. } => Effect::Risky,
            Self::Annotation { key, new, .. } if is_functional_annotation(key, new.as_deref()) => Effect::Risky,
            Self::ShortNames { .. } | Self::Categories { .. } | Self::Label { .. } | Self::Annotation { .. } => {
                Effect::Text
            }
        }
    }
}

/// Annotations with an effect: without `keep` helm deletes a CRD that leaves its manifest, with every object of
/// the kind (helm/helm#7279); cert-manager fills the conversion webhook's CA from the other.
fn is_functional_annotation(key: &str, new: Option<&str>) -> bool {
    (key == "helm.sh/resource-policy" && new != Some("keep")) || key.starts_with("cert-manager.io/inject-")
}

impl fmt::Display for NameChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = || "none".to_owned();
        let joined = |all: &BTreeSet<String>| {
            if all.is_empty() { none() } else { all.iter().cloned().collect::<Vec<_>>().join(",") }
        };
        match self {
            Self::Group { old, new } => write!(f, "group changed: {old} → {new}"),
            Self::Scope { old, new } => write!(f, "scope changed: {old} → {new}"),
            Self::Kind { old, new } => write!(f, "kind changed: {old} → {new}"),
            Self::Plural { old, new } => write!(f, "plural changed: {old} → {new}"),
            Self::Singular { old, new } => write!(f, "singular changed: {old} → {new}"),
            Self::ListKind { old, new } => write!(f, "listKind changed: {old} → {new}"),
            Self::ShortNames { old, new } => write!(f, "short names changed: {} → {}", joined(old), joined(new)),
            Self::Categories { old, new } => write!(f, "categories changed: {} → {}", joined(old), joined(new)),
            Self::Label { key, old, new } | Self::Annotation { key, old, new } => {
                let what = if matches!(self, Self::Label { .. }) { "label" } else { "annotation" };
                let side = |value: &Option<String>| value.clone().unwrap_or_else(none);
                write!(f, "{what} {key} changed: {} → {}", side(old), side(new))
            }
        }
    }
}

pub(super) fn compare(old: &Outline, new: &Outline) -> Vec<NameChange> {
    let mut all = Vec::new();
    let mut text = |old: &str, new: &str, change: fn(String, String) -> NameChange| {
        if old != new {
            all.push(change(old.to_owned(), new.to_owned()));
        }
    };
    text(&old.group, &new.group, |old, new| NameChange::Group { old, new });
    text(&old.scope, &new.scope, |old, new| NameChange::Scope { old, new });
    text(&old.names["kind"], &new.names["kind"], |old, new| NameChange::Kind { old, new });
    text(&old.names["plural"], &new.names["plural"], |old, new| NameChange::Plural { old, new });
    text(&old.names["singular"], &new.names["singular"], |old, new| NameChange::Singular { old, new });
    text(&old.names["listKind"], &new.names["listKind"], |old, new| NameChange::ListKind { old, new });
    if old.short_names != new.short_names {
        all.push(NameChange::ShortNames { old: old.short_names.clone(), new: new.short_names.clone() });
    }
    if old.categories != new.categories {
        all.push(NameChange::Categories { old: old.categories.clone(), new: new.categories.clone() });
    }
    let label = |(key, old, new)| NameChange::Label { key, old, new };
    all.extend(compare_key_values(&old.labels, &new.labels).into_iter().map(label));
    let annotation = |(key, old, new)| NameChange::Annotation { key, old, new };
    all.extend(compare_key_values(&old.annotations, &new.annotations).into_iter().map(annotation));
    all
}

type KeyValueChange = (String, Option<String>, Option<String>);

fn compare_key_values(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<KeyValueChange> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    differs.map(|key| (key.clone(), old.get(key).cloned(), new.get(key).cloned())).collect()
}
