//! Objects, judged under the old and the new CRD: who is hurt, and how.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::diff::{Change, ChangeKind, FieldChange, Segment};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::schema::{Schema, SchemaError, ServerVersion, Validity};

/// Objects that are told one by one; more are counted.
const MAX_OBJECT_VERDICTS: usize = 20;

/// Where the objects came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectSource {
    /// Nobody looked.
    #[default]
    None,
    /// Files.
    Files,
    /// A cluster.
    Live,
}

/// In which role an object was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionRole {
    /// In the version in which it will be stored.
    Storage,
    /// In another served one.
    Served,
}

/// One object in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectVerdict {
    /// `Kind namespace/name`
    pub object: String,
    /// `live`, or `FILE:LINE`.
    pub source: String,
    /// The CRD's name.
    pub crd: String,
    /// In which version it was judged.
    pub version: String,
    /// In which role.
    pub role: VersionRole,
    /// Whether it could be created under the new CRD.
    pub create: Validity,
    /// Whether an update that changes nothing would pass.
    pub unchanged_update: Validity,
    /// Fields that the new CRD prunes and the old one kept.
    pub pruned: Vec<String>,
    /// Fields that the new CRD fills in and the old one did not.
    pub defaulted: Vec<String>,
    /// Why it could not be created.
    pub errors: Vec<SchemaError>,
}

/// What looking at the objects of one CRD gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Where they came from.
    pub source: ObjectSource,
    /// How many were looked at.
    pub objects_checked: usize,
    /// How many of them are hurt.
    pub objects_affected: usize,
    /// Why not all could be judged; none where all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undetermined: Option<String>,
    /// Why the conversion webhook of the new CRD would not answer; none where it would, or where nobody looked.
    #[serde(skip)]
    pub webhook_failure: Option<String>,
    /// The hurt ones, the first of them.
    #[serde(skip)]
    pub objects: Vec<ObjectVerdict>,
    /// Where objects are hurt: the version, and the field without its indices; which objects, by their number.
    #[serde(skip)]
    affected_fields: BTreeMap<(String, String), BTreeSet<usize>>,
}

impl Evidence {
    /// Nothing was hurt, and everything was looked at.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        self.source != ObjectSource::None && self.undetermined.is_none() && self.objects_affected == 0
    }

    /// Everything was looked at, and what hurts objects is at other places than these changes, which all of it has a cause in.
    #[must_use]
    pub fn is_change_harmless(&self, change: &Change, all: &[Change]) -> bool {
        let complete = self.source != ObjectSource::None && self.undetermined.is_none();
        let explained = |place: &(String, String)| all.iter().any(|other| can_cause(other, place));
        complete && self.affected_fields.keys().all(|place| !can_cause(change, place) && explained(place))
    }

    /// How many objects are hurt where this change is, above or below it.
    #[must_use]
    pub fn count_affected_by(&self, change: &Change) -> usize {
        let here = self.affected_fields.iter().filter(|(place, _)| can_cause(change, place));
        here.flat_map(|(_, objects)| objects).collect::<BTreeSet<_>>().len()
    }
}

/// Whether a change can be the cause of what is wrong at a place: it is there or above; some kinds of change also below.
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

/// Whether a change can be the cause of what is wrong at its place and below alone. A default or a field that goes may be missed by
/// what stands around it, and a branch speaks for the whole of it.
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

/// `spec.a[0].b` as `spec.a.b`
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

/// One version of a CRD, as it was and as it will be.
struct SchemaPair {
    version: String,
    role: VersionRole,
    old: Schema,
    new: Schema,
}

/// Judges objects of one CRD, one after another, and keeps only what is worth telling.
pub struct EvidenceCollector {
    crd: String,
    pairs: Vec<SchemaPair>,
    /// The old CRD's versions, and at the end the one in which it stores: an object is judged as it was kept.
    old_schemas: Vec<(String, Schema)>,
    evidence: Evidence,
}

impl EvidenceCollector {
    /// Prepares to judge objects by what changes between two CRDs.
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

    /// Judges one live object.
    pub fn add_live_object(&mut self, object: &Value) {
        self.add_object(object, "live");
    }

    /// Judges one object from a file, which is named as `FILE:LINE`.
    pub fn add_object(&mut self, object: &Value, source: &str) {
        self.evidence.objects_checked += 1;
        let object = &self.to_stored(object);
        let verdicts: Vec<ObjectVerdict> =
            self.pairs.iter().filter_map(|pair| self.compare_schemas(pair, object, source)).collect();
        let unsure = verdicts.iter().find(|one| one.create == Validity::Undetermined).map(|one| one.object.clone());
        if let Some(object) = unsure {
            self.evidence.undetermined.get_or_insert(format!("{object} cannot be judged here in every rule"));
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

    /// As the old CRD keeps it: what it fills in is stored, and is what the new one meets.
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

    /// Remembers that not everything could be looked at.
    pub fn mark_undetermined(&mut self, reason: impl Into<String>) {
        self.evidence.undetermined.get_or_insert(reason.into());
    }

    /// What came of it.
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

/// A value that comes or changes by itself is told, and is no harm; a field that goes, and a refusal, are.
fn is_affected(one: &ObjectVerdict) -> bool {
    !one.pruned.is_empty() || (one.create == Validity::Invalid && !one.errors.is_empty())
}
