//! Evidence: custom resources, validated under the old and the new CRD, to see which ones a change affects.
//!
//! Objects are streamed in one at a time; only counts, paths and the first affected objects are kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::checks::crd_changes::change_causes::{AffectedField, can_cause, is_at_or_above, strip_indices};
pub use crate::checks::crd_changes::object_origin::ObjectOrigin;
use crate::diff::{self, Change, ChangeKind, RuleChange};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::schema::{Schema, SchemaError, ServerVersion, Validity};

/// Maximum number of affected objects that are listed; further ones are only counted.
const MAX_OBJECT_VERDICTS: usize = 20;

/// Origin of the checked objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectSource {
    /// No objects were checked.
    #[default]
    None,
    /// Files (`--objects`).
    Files,
    /// The live objects of a cluster.
    Live,
}

/// Role of the version in which an object was validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionRole {
    /// The new storage version.
    Storage,
    /// Another served version.
    Served,
}

/// The result of one object in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectVerdict {
    /// `Kind namespace/name`
    pub object: String,
    /// `live`, or `FILE:LINE`.
    pub source: ObjectOrigin,
    /// Name of the CRD.
    pub crd: String,
    /// Version in which it was validated.
    pub version: String,
    /// Role of that version.
    pub role: VersionRole,
    /// Whether a create is valid under the new CRD.
    pub create: Validity,
    /// Whether an update without changes is valid (ratcheting).
    pub unchanged_update: Validity,
    /// Fields that only the new CRD prunes.
    pub pruned: Vec<String>,
    /// Fields that only the new CRD defaults.
    pub defaulted: Vec<String>,
    /// New validation errors of a create.
    pub errors: Vec<SchemaError>,
}

/// The evidence of all checked objects of one CRD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Origin of the objects.
    pub source: ObjectSource,
    /// Number of checked objects.
    pub objects_checked: usize,
    /// Number of affected objects.
    pub objects_affected: usize,
    /// How many of them lose fields in the version in which the new CRD stores them: the next write deletes these fields for good.
    #[serde(skip_serializing_if = "is_zero")]
    pub objects_losing_fields: usize,
    /// How many of them only lose such fields: under the new CRD they are valid.
    #[serde(skip)]
    pub objects_only_losing_fields: usize,
    /// How many of them the old CRD would refuse too, and for no reason that the new CRD adds.
    #[serde(skip_serializing_if = "is_zero")]
    pub objects_already_invalid: usize,
    /// Versions to which a conversion webhook converts the objects. Only the webhook knows what the objects look like there.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unjudged_versions: BTreeSet<String>,
    /// Why not all objects could be checked; `None` if all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undetermined: Option<String>,
    /// Why objects could not be checked for a loss of fields; `None` if all were.
    #[serde(skip)]
    pub unread_loss: Option<String>,
    /// Why the conversion webhook of the new CRD cannot answer; `None` if it can, or was not checked.
    #[serde(skip)]
    pub webhook_failure: Option<String>,
    /// The first affected objects.
    #[serde(skip)]
    pub objects: Vec<ObjectVerdict>,
    /// The first object that the old CRD would refuse too.
    #[serde(skip)]
    pub first_already_invalid: Option<ObjectVerdict>,
    /// Where objects are hurt.
    #[serde(skip)]
    affected_fields: ObjectsByField,
    /// Where objects lose fields in their storage version.
    #[serde(skip)]
    lost_fields: ObjectsByField,
    /// Where objects gain a default.
    #[serde(skip)]
    defaulted_fields: ObjectsByField,
}

/// A field that stored objects lose for good: the version in which they are stored next does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LostField {
    /// The path, such as `spec.old`.
    pub field: String,
    /// The version in which the objects are stored next.
    pub version: String,
    /// The number of objects.
    pub objects: usize,
}

/// Which objects, by their number, for each field.
type ObjectsByField = BTreeMap<AffectedField, BTreeSet<usize>>;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Evidence {
    /// Whether every object was read and judged. A folder of files that holds no object of the kind says nothing about the cluster.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        let has_looked = match self.source {
            ObjectSource::None => false,
            ObjectSource::Files => self.objects_checked > 0,
            ObjectSource::Live => true,
        };
        has_looked && self.undetermined.is_none()
    }

    /// Whether every object was judged, in every version, and none is hurt.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        self.is_complete() && self.unjudged_versions.is_empty() && self.objects_affected == 0
    }

    /// Whether every object was judged where this change applies, and other changes explain all that hurts objects.
    #[must_use]
    pub fn is_change_harmless(&self, change: &Change, all: &[Change]) -> bool {
        let explained = |place: &AffectedField| all.iter().any(|other| can_cause(other, place));
        self.is_complete()
            && !self.is_unjudged(change)
            && self.affected_fields.keys().all(|place| !can_cause(change, place) && explained(place))
    }

    /// Whether the change applies to a version to which a webhook converts the objects.
    #[must_use]
    pub fn is_unjudged(&self, change: &Change) -> bool {
        match &change.version {
            Some(version) => self.unjudged_versions.contains(version),
            None => !self.unjudged_versions.is_empty(),
        }
    }

    /// Number of objects that this change affects.
    #[must_use]
    pub fn count_affected_by(&self, change: &Change) -> usize {
        count_objects(&self.affected_fields, |place| can_cause(change, place))
    }

    /// How many objects lose fields for good where this change is, above or below it.
    #[must_use]
    pub fn count_losing_fields_by(&self, change: &Change) -> usize {
        count_objects(&self.lost_fields, |place| can_cause(change, place))
    }

    /// The fields that objects lose for good, each with the number of objects.
    #[must_use]
    pub fn list_lost_fields(&self) -> Vec<LostField> {
        let to_lost = |((version, field), objects): (&AffectedField, &BTreeSet<usize>)| LostField {
            field: field.clone(),
            version: version.clone(),
            objects: objects.len(),
        };
        self.lost_fields.iter().map(to_lost).collect()
    }

    /// Adds the losses of the same objects, read in another version.
    pub fn absorb_losses(&mut self, other: &Self) {
        let only_losing = other.objects_only_losing_fields;
        self.objects_checked = self.objects_checked.max(other.objects_checked);
        self.objects_affected = self.objects_affected.max(other.objects_losing_fields);
        self.objects_losing_fields = self.objects_losing_fields.max(other.objects_losing_fields);
        self.objects_only_losing_fields = self.objects_only_losing_fields.max(only_losing);
        for (place, objects) in &other.lost_fields {
            self.lost_fields.entry(place.clone()).or_default().extend(objects);
        }
        if let Some(reason) = other.unread_loss.as_ref().or(other.undetermined.as_ref()) {
            self.unread_loss.get_or_insert_with(|| reason.clone());
        }
    }

    /// How many objects gain the default that this change adds.
    #[must_use]
    pub fn count_defaulted_by(&self, change: &Change) -> usize {
        count_objects(&self.defaulted_fields, |(version, field)| {
            let same_version = change.version.as_ref().is_none_or(|changed| changed == version);
            same_version && change.path.as_ref().is_some_and(|path| is_at_or_above(field, path))
        })
    }
}

fn count_objects(fields: &ObjectsByField, applies: impl Fn(&AffectedField) -> bool) -> usize {
    let objects = fields.iter().filter(|(place, _)| applies(place)).flat_map(|(_, objects)| objects);
    objects.collect::<BTreeSet<_>>().len()
}

/// The old and the new schema of one version.
struct SchemaPair {
    version: String,
    role: VersionRole,
    old: Schema,
    new: Schema,
    /// Whether the new version has a CEL rule that the old one does not have.
    has_new_rules: bool,
}

/// Validates the objects of one CRD one after another, and keeps only the evidence.
pub struct EvidenceCollector {
    crd: String,
    pairs: Vec<SchemaPair>,
    /// Schemas of the old versions; the last one is the storage version, in which objects are stored.
    old_schemas: Vec<(String, Schema)>,
    converts_by_webhook: bool,
    evidence: Evidence,
}

/// What both schemas of a version make of one object.
struct Comparison {
    verdict: ObjectVerdict,
    /// Why the new schema may refuse it although nothing here says so.
    undetermined: Option<String>,
    /// Why both schemas refuse it; empty where the new one adds a reason.
    known_errors: Vec<SchemaError>,
}

impl EvidenceCollector {
    /// Builds the schemas of both CRDs for all versions to check.
    #[must_use]
    pub fn new(old: &Crd, new: &Crd, server: ServerVersion, source: ObjectSource) -> Self {
        let names = old.versions().map(|version| version.name).chain([old.storage_version()]);
        let old_schemas =
            names.filter_map(|name| Some((name.to_owned(), Schema::from_crd(old, name, server)?))).collect();
        Self {
            crd: new.name().to_owned(),
            pairs: pair_schemas(old, new, server),
            old_schemas,
            converts_by_webhook: new.json()["spec"]["conversion"]["strategy"] == "Webhook",
            evidence: Evidence { source, ..Evidence::default() },
        }
    }

    /// Checks one live object.
    pub fn add_live_object(&mut self, object: &Value) {
        self.add_object(object, &ObjectOrigin::Live);
    }

    /// Checks one object from the cluster or a file.
    pub fn add_object(&mut self, object: &Value, source: &ObjectOrigin) {
        self.evidence.objects_checked += 1;
        let own_version = ObjectRef::from_unnamed_manifest(object).map(|object| object.version().to_owned());
        let stored = self.to_stored(object, own_version.as_deref());
        let (judged, converted): (Vec<&SchemaPair>, Vec<&SchemaPair>) = self
            .pairs
            .iter()
            .partition(|pair| !self.converts_by_webhook || Some(&pair.version) == own_version.as_ref());
        let unjudged: Vec<String> = converted.into_iter().map(|pair| pair.version.clone()).collect();
        let comparisons: Vec<Comparison> =
            judged.into_iter().filter_map(|pair| self.compare_schemas(pair, &stored, source)).collect();
        self.evidence.unjudged_versions.extend(unjudged);
        self.record(comparisons);
    }

    /// The object as the old CRD stores it, with its defaults: that is what the new CRD reads.
    fn to_stored(&self, object: &Value, version: Option<&str>) -> Value {
        let old_schema = self
            .old_schemas
            .iter()
            .find(|(name, _)| Some(name.as_str()) == version)
            .or_else(|| self.old_schemas.last());
        let mut stored = old_schema.map_or_else(|| object.clone(), |(_, schema)| schema.to_persisted(object));
        stored["apiVersion"] = object["apiVersion"].clone();
        stored
    }

    /// Counts one object by what its versions make of it.
    fn record(&mut self, comparisons: Vec<Comparison>) {
        let number = self.evidence.objects_checked;
        for reason in comparisons.iter().filter_map(|one| one.undetermined.as_ref()) {
            self.evidence.undetermined.get_or_insert_with(|| reason.clone());
        }
        if let Some(Comparison { verdict, known_errors, .. }) =
            comparisons.iter().find(|one| !one.known_errors.is_empty())
        {
            self.evidence.objects_already_invalid += 1;
            let first = || ObjectVerdict { errors: known_errors.clone(), ..verdict.clone() };
            self.evidence.first_already_invalid.get_or_insert_with(first);
        }
        for one in &comparisons {
            record_fields(&mut self.evidence.defaulted_fields, &one.verdict, &one.verdict.defaulted, number);
        }
        let hurt: Vec<ObjectVerdict> = comparisons.into_iter().map(|one| one.verdict).filter(is_affected).collect();
        if hurt.is_empty() {
            return;
        }
        self.evidence.objects_affected += 1;
        self.evidence.objects_losing_fields += usize::from(hurt.iter().any(loses_stored_fields));
        let is_valid = hurt.iter().all(|one| one.errors.is_empty());
        self.evidence.objects_only_losing_fields += usize::from(is_valid && hurt.iter().any(loses_stored_fields));
        for one in &hurt {
            let fields = one.errors.iter().map(|error| &error.path).chain(&one.pruned);
            record_fields(&mut self.evidence.affected_fields, one, fields, number);
            if loses_stored_fields(one) {
                record_fields(&mut self.evidence.lost_fields, one, &one.pruned, number);
            }
        }
        if self.evidence.objects.len() < MAX_OBJECT_VERDICTS {
            self.evidence.objects.extend(hurt);
        }
    }

    /// Records that not all objects could be checked; the first reason wins.
    pub fn mark_undetermined(&mut self, reason: impl Into<String>) {
        self.evidence.undetermined.get_or_insert(reason.into());
    }

    /// Returns the collected evidence.
    #[must_use]
    pub fn finish(self) -> Evidence {
        self.evidence
    }

    fn compare_schemas(&self, pair: &SchemaPair, object: &Value, source: &ObjectOrigin) -> Option<Comparison> {
        let is = pair.new.validate(object);
        // Nearly all of them: whatever the old schema said, this one takes the object whole.
        if is.create == Validity::Valid && is.pruned_fields.is_empty() && is.defaulted_fields.is_empty() {
            return None;
        }
        let was = pair.old.validate(object);
        let skips_rules = is.errors.iter().any(SchemaError::is_skipped_rules);
        // What was invalid before is not this change's doing; that rules were skipped is no reason of its own.
        let is_new = |error: &SchemaError| !error.is_skipped_rules() && !was.errors.contains(error);
        let errors: Vec<SchemaError> = is.errors.iter().filter(|error| is_new(error)).cloned().collect();
        let already_invalid = is.create == Validity::Invalid && errors.is_empty();
        let name = ObjectRef::from_unnamed_manifest(object).map(|object| object.to_string()).unwrap_or_default();
        let unsure = is.create != Validity::Valid && errors.is_empty() && is.undetermined != was.undetermined;
        let undetermined = if unsure {
            Some(format!("a rule cannot be evaluated here for {name}"))
        } else {
            let unseen = already_invalid && skips_rules && pair.has_new_rules;
            unseen.then(|| format!("{name} is invalid already, so the API server evaluates none of its CEL rules"))
        };
        let verdict = ObjectVerdict {
            object: name,
            source: source.clone(),
            crd: self.crd.clone(),
            version: pair.version.clone(),
            role: pair.role,
            create: is.create,
            unchanged_update: is.unchanged_update,
            pruned: without(is.pruned_fields, &was.pruned_fields),
            defaulted: without(is.defaulted_fields, &was.defaulted_fields),
            errors,
        };
        Some(Comparison { verdict, undetermined, known_errors: if already_invalid { is.errors } else { Vec::new() } })
    }
}

/// The versions that the new CRD serves or stores, each with what held before.
///
/// The storage version is compared with the version in which the old CRD stored, whatever its name: without a webhook, that
/// is what the next write turns into the other (strategy `None`,
/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/>).
fn pair_schemas(old: &Crd, new: &Crd, server: ServerVersion) -> Vec<SchemaPair> {
    let storage = new.storage_version();
    let versions_with_new_rules = find_versions_with_new_rules(old, new);
    let served = new.versions().filter(|version| version.served || version.name == storage);
    let pairs = served.filter_map(|version| {
        let role = if version.name == storage { VersionRole::Storage } else { VersionRole::Served };
        let stored = || Schema::from_crd(old, old.storage_version(), server);
        let before = match role {
            VersionRole::Storage => stored(),
            VersionRole::Served => Schema::from_crd(old, version.name, server).or_else(stored),
        };
        let after = Schema::from_crd(new, version.name, server)?;
        let has_new_rules = versions_with_new_rules.contains(version.name);
        Some(SchemaPair { version: version.name.to_owned(), role, old: before?, new: after, has_new_rules })
    });
    pairs.collect()
}

fn find_versions_with_new_rules(old: &Crd, new: &Crd) -> BTreeSet<String> {
    let changes = diff::compare_crds(old.json(), new.json()).into_iter();
    let with_rules = changes.filter(|change| {
        matches!(change.kind, ChangeKind::Rule(RuleChange::Added { .. } | RuleChange::Changed { .. }))
    });
    with_rules.filter_map(|change| change.version).collect()
}

fn record_fields<'a>(
    fields: &mut ObjectsByField,
    of: &ObjectVerdict,
    paths: impl IntoIterator<Item = &'a String>,
    number: usize,
) {
    for path in paths {
        fields.entry((of.version.clone(), strip_indices(path))).or_default().insert(number);
    }
}

fn without(mut paths: Vec<String>, known: &[String]) -> Vec<String> {
    paths.retain(|path| !known.contains(path));
    paths
}

/// Whether an object loses fields or becomes invalid. A new or changed default alone does not affect it.
fn is_affected(one: &ObjectVerdict) -> bool {
    !one.pruned.is_empty() || (one.create == Validity::Invalid && !one.errors.is_empty())
}

fn loses_stored_fields(one: &ObjectVerdict) -> bool {
    one.role == VersionRole::Storage && !one.pruned.is_empty()
}
