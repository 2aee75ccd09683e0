//! Evidence: custom resources, validated under the old and the new CRD, to see which ones a change affects.
//!
//! Objects are streamed in one at a time; only counts, paths and the first affected objects are kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::diff::{Change, ChangeKind, FieldChange, Segment};
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
    pub source: String,
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
    /// Why not all objects could be checked; `None` if all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undetermined: Option<String>,
    /// Why the conversion webhook of the new CRD cannot answer; `None` if it can, or was not checked.
    #[serde(skip)]
    pub webhook_failure: Option<String>,
    /// The first affected objects.
    #[serde(skip)]
    pub objects: Vec<ObjectVerdict>,
    /// Affected objects, by number, for each version and field path without indices.
    #[serde(skip)]
    affected_fields: BTreeMap<(String, String), BTreeSet<usize>>,
}

impl Evidence {
    /// Whether all objects were checked and none is affected.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        self.source != ObjectSource::None && self.undetermined.is_none() && self.objects_affected == 0
    }

    /// Whether all objects were checked and other changes in `all` explain every affected field.
    #[must_use]
    pub fn is_change_harmless(&self, change: &Change, all: &[Change]) -> bool {
        let complete = self.source != ObjectSource::None && self.undetermined.is_none();
        let explained = |place: &(String, String)| all.iter().any(|other| can_cause(other, place));
        complete && self.affected_fields.keys().all(|place| !can_cause(change, place) && explained(place))
    }

    /// Number of objects that this change affects.
    #[must_use]
    pub fn count_affected_by(&self, change: &Change) -> usize {
        let here = self.affected_fields.iter().filter(|(place, _)| can_cause(change, place));
        here.flat_map(|(_, objects)| objects).collect::<BTreeSet<_>>().len()
    }
}

/// Whether a change can cause an error at a field: it is at the field or above it; some kinds of change also below it.
fn can_cause(change: &Change, (version, field): &(String, String)) -> bool {
    if change.version.as_ref().is_some_and(|changed_version| changed_version != version) {
        return false;
    }
    let Some(path) = &change.path else { return true };
    // Below `additionalProperties` the names are the object's own.
    let of_change = path.segments().iter().take_while(|segment| **segment != Segment::Values);
    let of_change = of_change.filter_map(|segment| match segment {
        Segment::Property(name) => Some(name.split('.')),
        _ => None,
    });
    let (of_change, of_object): (Vec<&str>, Vec<&str>) =
        (of_change.flatten().collect(), field.split('.').filter(|part| !part.is_empty()).collect());
    let along = of_change.iter().zip(&of_object).all(|(one, other)| one == other);
    along && (of_object.len() >= of_change.len() || !is_local(change))
}

/// Whether a change can cause errors only at its path and below. A removed default or field can also break rules of its parents,
/// and a branch of `oneOf` and the like applies to the whole object.
fn is_local(change: &Change) -> bool {
    let in_branch =
        |segment: &Segment| matches!(segment, Segment::AllOf(_) | Segment::AnyOf(_) | Segment::OneOf(_) | Segment::Not);
    let kind = matches!(
        change.kind,
        ChangeKind::Limit(_)
            | ChangeKind::Rule(_)
            | ChangeKind::List(_)
            | ChangeKind::Field(FieldChange::RequiredAdded { .. })
    );
    kind && change.path.as_ref().is_none_or(|path| !path.segments().iter().any(in_branch))
}

/// Removes list indices from a path: `spec.a[0].b` becomes `spec.a.b`.
fn strip_indices(path: &str) -> String {
    let mut depth = 0_usize;
    let outside = path.chars().filter(|sign| {
        match sign {
            '[' => depth += 1,
            ']' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    });
    outside.collect()
}

/// The old and the new schema of one version.
struct SchemaPair {
    version: String,
    role: VersionRole,
    old: Schema,
    new: Schema,
}

/// Validates the objects of one CRD one after another, and keeps only the evidence.
pub struct EvidenceCollector {
    crd: String,
    pairs: Vec<SchemaPair>,
    /// Schemas of the old versions; the last one is the storage version, in which objects are stored.
    old_schemas: Vec<(String, Schema)>,
    evidence: Evidence,
}

impl EvidenceCollector {
    /// Builds the schemas of both CRDs for all versions to check.
    #[must_use]
    pub fn new(old: &Crd, new: &Crd, server: ServerVersion, source: ObjectSource) -> Self {
        let storage = new.storage_version();
        let served = new.versions().filter(|version| version.served || version.name == storage);
        let pairs = served.filter_map(|version| {
            let was = Schema::from_crd(old, version.name, server);
            let stored = || Schema::from_crd(old, old.storage_version(), server);
            let role = if version.name == storage { VersionRole::Storage } else { VersionRole::Served };
            let new = Schema::from_crd(new, version.name, server)?;
            Some(SchemaPair { version: version.name.to_owned(), role, old: was.or_else(stored)?, new })
        });
        let pairs = pairs.collect();
        let names = old.versions().map(|version| version.name).chain([old.storage_version()]);
        let old_schemas =
            names.filter_map(|name| Some((name.to_owned(), Schema::from_crd(old, name, server)?))).collect();
        Self {
            crd: new.name().to_owned(),
            pairs,
            old_schemas: old_schemas,
            evidence: Evidence { source, ..Evidence::default() },
        }
    }

    /// Checks one live object.
    pub fn add_live_object(&mut self, object: &Value) {
        self.add_object(object, "live");
    }

    /// Checks one object from a file; `source` is `FILE:LINE`.
    pub fn add_object(&mut self, object: &Value, source: &str) {
        self.evidence.objects_checked += 1;
        let object = &self.to_stored(object);
        let verdicts: Vec<ObjectVerdict> =
            self.pairs.iter().filter_map(|pair| self.compare_schemas(pair, object, source)).collect();
        let unsure = verdicts.iter().find(|one| one.create == Validity::Undetermined).map(|one| one.object.clone());
        if let Some(object) = unsure {
            self.evidence.undetermined.get_or_insert(format!("a rule cannot be evaluated here for {object}"));
        }
        let hurt: Vec<ObjectVerdict> = verdicts.into_iter().filter(is_affected).collect();
        if hurt.is_empty() {
            return;
        }
        self.evidence.objects_affected += 1;
        for one in &hurt {
            let fields = one.errors.iter().map(|error| &error.path).chain(&one.pruned);
            for field in fields {
                let place = (one.version.clone(), strip_indices(field));
                self.evidence.affected_fields.entry(place).or_default().insert(self.evidence.objects_checked);
            }
        }
        if self.evidence.objects.len() < MAX_OBJECT_VERDICTS {
            self.evidence.objects.extend(hurt);
        }
    }

    /// The object as the old CRD stores it, with its defaults: that is what the new CRD reads.
    fn to_stored(&self, object: &Value) -> Value {
        let version = ObjectRef::from_manifest(object).map(|object| object.version().to_owned());
        let old_schema = self
            .old_schemas
            .iter()
            .find(|(name, _)| Some(name) == version.as_ref())
            .or_else(|| self.old_schemas.last());
        let mut stored = old_schema.map_or_else(|| object.clone(), |(_, schema)| schema.to_persisted(object));
        stored["apiVersion"] = object["apiVersion"].clone();
        stored
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

    fn compare_schemas(&self, pair: &SchemaPair, object: &Value, source: &str) -> Option<ObjectVerdict> {
        let is = pair.new.validate(object);
        // Nearly all of them: whatever the old schema said, this one takes it whole.
        if is.create == Validity::Valid && is.pruned_fields.is_empty() {
            return None;
        }
        let was = pair.old.validate(object);
        let only_new = |now: &[String], then: &[String]| -> Vec<String> {
            now.iter().filter(|path| !then.contains(path)).cloned().collect()
        };
        let (pruned, defaulted) =
            (only_new(&is.pruned_fields, &was.pruned_fields), only_new(&is.defaulted_fields, &was.defaulted_fields));
        let same = is.create == was.create && is.unchanged_update == was.unchanged_update;
        let same_stored = pair.old.to_persisted(object) == pair.new.to_persisted(object);
        // What could not be judged before and cannot be judged now, for the same reasons, is not this change's doing.
        let as_unsure = is.undetermined == was.undetermined;
        if same && same_stored && pruned.is_empty() && defaulted.is_empty() && as_unsure {
            return None;
        }
        // What was invalid before is not this change's doing.
        let errors = is.errors.into_iter().filter(|error| !was.errors.contains(error)).collect();
        Some(ObjectVerdict {
            object: ObjectRef::from_manifest(object).map(|object| object.to_string()).unwrap_or_default(),
            source: source.to_owned(),
            crd: self.crd.clone(),
            version: pair.version.clone(),
            role: pair.role,
            create: is.create,
            unchanged_update: is.unchanged_update,
            pruned,
            defaulted,
            errors,
        })
    }
}

/// Whether an object loses fields or becomes invalid. A new or changed default alone does not affect it.
fn is_affected(one: &ObjectVerdict) -> bool {
    !one.pruned.is_empty() || (one.create == Validity::Invalid && !one.errors.is_empty())
}
