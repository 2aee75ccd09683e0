//! PURE: what changed, as data: one variant for each kind of change, with its old and new value and its path.
//!
//! Both CRDs are read as raw JSON, so that nothing is lost, and compared in a normal form, so that two spellings of one
//! meaning are equal ([`normalise`]). The walk meets every position of both schemas; what is new or gone as a whole is
//! reported once, at its top.
//!
//! As JSON a change is one flat object: `version` (absent where it is about the whole CRD), `path` (absent outside of a
//! schema), `kind`, and what that kind carries, mostly `old` and `new`:
//!
//! | family | `kind` |
//! | --- | --- |
//! | [`NameChange`] | `group-changed` `scope-changed` `kind-changed` `plural-changed` `singular-changed` `list-kind-changed` `short-names-changed` `categories-changed` `label-changed` `annotation-changed` |
//! | [`VersionChange`] | `version-added` `version-removed` `version-served` `version-unserved` `storage-version-moved` `version-deprecated` `deprecation-withdrawn` `deprecation-warning-changed` `schema-added` `schema-removed` `crd-preserve-unknown-fields-changed` |
//! | [`ServingChange`] | `conversion-strategy-changed` `conversion-webhook-changed` `conversion-ca-bundle-changed` `conversion-review-versions-changed` `status-subresource-added` `status-subresource-removed` `scale-subresource-added` `scale-subresource-removed` `scale-subresource-changed` `printer-columns-changed` `selectable-field-added` `selectable-field-removed` |
//! | [`FieldChange`] | `field-added` `field-removed` `required-added` `required-stated` `required-removed` `items-added` `items-removed` `map-values-added` `map-values-removed` `preserve-unknown-fields-added` `preserve-unknown-fields-removed` `embedded-resource-added` `embedded-resource-removed` |
//! | [`TypeChange`] | `type-changed` `nullable-added` `nullable-removed` `default-added` `default-removed` `default-changed` |
//! | [`LimitChange`] | `enum-added` `enum-removed` `enum-values-added` `enum-values-removed` `limit-tightened` `limit-loosened` `pattern-changed` `format-changed` `multiple-of-changed` |
//! | [`RuleChange`] | `rule-added` `rule-removed` `rule-changed` `rule-message-changed` |
//! | [`ListChange`] | `list-type-stated` `list-type-changed` `list-map-keys-changed` `map-type-stated` `map-type-changed` |
//! | [`LogicChange`] | `condition-added` `condition-removed` `branch-added` `branch-removed` `branch-changed` |
//! | [`TextChange`] | `description-changed` `title-changed` `example-changed` `external-docs-changed` |
//! | [`UnknownChange`] | `keyword-changed` |

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

mod fields;
mod kind;
mod limits;
mod logic;
mod merge_strategy;
mod names;
mod normal_form;
mod outline;
mod path;
mod rules;
mod served_schema_diff;
mod serving;
mod text;
mod types;
mod update_rejections;
pub mod value_changes;
mod versions;
mod walk;

#[cfg(test)]
mod tests;

pub use crate::model::rejection::Rejection;
pub use fields::FieldChange;
pub use kind::{ChangeKind, Effect, UnknownChange};
pub use limits::{Limit, LimitChange};
pub use logic::{Combinator, LogicChange};
pub use merge_strategy::ListChange;
pub use names::NameChange;
pub use normal_form::{INT_OR_STRING, normalise, normalise_numbers};
pub use path::{SchemaPath, Segment};
pub use rules::{RuleChange, is_transition_rule};
pub use served_schema_diff::compare_served_schema;
pub use serving::ServingChange;
pub use text::TextChange;
pub use types::TypeChange;
pub use update_rejections::predict_update_rejections;
pub use versions::VersionChange;
pub use walk::{list_children, list_positions};

use outline::Outline;
use walk::{ChangeCollector, PositionPair, WalkContext, walk};

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// In which version; none where it is about the whole CRD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where in the version's schema; none outside of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<SchemaPath>,
    /// What changed.
    #[serde(flatten)]
    pub kind: ChangeKind,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in [self.version.clone(), self.path.as_ref().map(ToString::to_string)].into_iter().flatten() {
            write!(f, "{place} ")?;
        }
        self.kind.fmt(f)
    }
}

/// Everything that differs between two CRDs (`v1`, or `v1beta1` as the server would convert it), sorted by version, path
/// and kind. Status, and metadata other than labels and annotations, do not count.
#[must_use]
pub fn compare_crds(old: &Value, new: &Value) -> Vec<Change> {
    let (old, new) = (Outline::from_crd(old), Outline::from_crd(new));
    let whole = |kind: ChangeKind| Change { version: None, path: None, kind };
    let mut all: Vec<Change> = names::compare(&old, &new).into_iter().map(|change| whole(change.into())).collect();
    all.extend(versions::compare_crd(&old, &new).into_iter().map(|change| whole(change.into())));
    all.extend(serving::compare_crd(&old, &new).into_iter().map(|change| whole(change.into())));
    let names: BTreeSet<&String> = old.versions.keys().chain(new.versions.keys()).collect();
    for name in names {
        all.extend(compare_version(name, &old, &new));
    }
    sort_changes(&mut all);
    all
}

fn compare_version(name: &str, old: &Outline, new: &Outline) -> Vec<Change> {
    let (before, after) = (old.versions.get(name), new.versions.get(name));
    let here = |kind: ChangeKind| Change { version: Some(name.to_owned()), path: None, kind };
    let mut all: Vec<Change> =
        versions::compare_version(before, after).into_iter().map(|change| here(change.into())).collect();
    let (Some(before), Some(after)) = (before, after) else { return all };
    all.extend(serving::compare_version(before, after).into_iter().map(|change| here(change.into())));
    if let (Some(old_schema), Some(new_schema)) = (&before.schema, &after.schema) {
        let context = WalkContext {
            old_preserves_all: old.preserves_unknown_fields,
            new_preserves_all: new.preserves_unknown_fields,
            value_validation_only: false,
        };
        all.extend(compare_in_context(Some(name.to_owned()), (old_schema, new_schema), context));
    }
    all
}

fn compare_in_context(version: Option<String>, (old, new): (&Value, &Value), context: WalkContext) -> Vec<Change> {
    let mut collector = ChangeCollector::new(version);
    walk(&PositionPair { path: SchemaPath::root(), old, new, required: false, context }, &mut collector);
    collector.changes
}

/// Everything that differs between two schemas, sorted: of one version before and after, or of two versions of one CRD.
#[must_use]
pub fn compare_schemas(old: &Value, new: &Value) -> Vec<Change> {
    let mut all = compare_in_context(None, (&normalise(old), &normalise(new)), WalkContext::default());
    sort_changes(&mut all);
    all
}

fn sort_changes(changes: &mut [Change]) {
    changes.sort_by_cached_key(|change| {
        let text = serde_json::to_string(&change.kind).unwrap_or_default();
        (change.version.clone(), change.path.clone(), change.kind.tag(), text)
    });
}

/// Whether two CRDs mean the same to the API server and to people: no change of any kind.
#[must_use]
pub fn is_same_crd(old: &Value, new: &Value) -> bool {
    compare_crds(old, new).is_empty()
}
