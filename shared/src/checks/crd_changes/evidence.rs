//! Objects, judged under the old and the new CRD: who is hurt, and how.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::diff::{Change, ChangeKind, FieldChange, Segment};
use crate::model::crd::Crd;
use crate::model::object::ObjectRef;
use crate::schema::{Schema, SchemaError, ServerVersion, Verdict};

/// Objects that are told one by one; more are counted.
const TOLD: usize = 20;

/// Where the objects came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
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
pub enum Role {
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
    pub role: Role,
    /// Whether it could be created under the new CRD.
    pub create: Verdict,
    /// Whether an update that changes nothing would pass.
    pub unchanged_update: Verdict,
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
    pub source: Source,
    /// How many were looked at.
    pub looked_at: usize,
    /// How many of them are hurt.
    pub hurt: usize,
    /// Why not all could be judged; none where all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undetermined: Option<String>,
    /// Why the conversion webhook of the new CRD would not answer; none where it would, or where nobody looked.
    #[serde(skip)]
    pub silent_webhook: Option<String>,
    /// The hurt ones, the first of them.
    #[serde(skip)]
    pub objects: Vec<ObjectVerdict>,
    /// Where objects are hurt: the version, and the field without its indices; which objects, by their number.
    #[serde(skip)]
    places: BTreeMap<(String, String), BTreeSet<usize>>,
}

impl Evidence {
    /// Nothing was hurt, and everything was looked at.
    #[must_use]
    pub fn nobody_hurt(&self) -> bool {
        self.source != Source::None && self.undetermined.is_none() && self.hurt == 0
    }

    /// Everything was looked at, and what hurts objects is at other places than these changes, which all of it has a cause in.
    #[must_use]
    pub fn hurt_elsewhere(&self, change: &Change, all: &[Change]) -> bool {
        let complete = self.source != Source::None && self.undetermined.is_none();
        let explained = |place: &(String, String)| all.iter().any(|other| reaches(other, place));
        complete && self.places.keys().all(|place| !reaches(change, place) && explained(place))
    }

    /// How many objects are hurt where this change is, above or below it.
    #[must_use]
    pub fn hurt_by(&self, change: &Change) -> usize {
        let here = self.places.iter().filter(|(place, _)| reaches(change, place));
        here.flat_map(|(_, objects)| objects).collect::<BTreeSet<_>>().len()
    }
}

/// Whether a change can be the cause of what is wrong at a place: it is there or above; some kinds of change also below.
fn reaches(change: &Change, (version, field): &(String, String)) -> bool {
    if change.version.as_ref().is_some_and(|own| own != version) {
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
fn without_indices(path: &str) -> String {
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
struct Pair {
    version: String,
    role: Role,
    old: Schema,
    new: Schema,
}

/// Judges objects of one CRD, one after another, and keeps only what is worth telling.
pub struct Judge {
    crd: String,
    pairs: Vec<Pair>,
    /// The old CRD's versions, and at the end the one in which it stores: an object is judged as it was kept.
    kept: Vec<(String, Schema)>,
    found: Evidence,
}

impl Judge {
    /// Prepares to judge objects by what changes between two CRDs.
    #[must_use]
    pub fn new(old: &Crd, new: &Crd, server: ServerVersion, source: Source) -> Self {
        let storage = new.storage_version();
        let served = new.versions().filter(|version| version.served || version.name == storage);
        let pairs = served.filter_map(|version| {
            let was = Schema::of_crd(old, version.name, server);
            let stored = || Schema::of_crd(old, old.storage_version(), server);
            let role = if version.name == storage { Role::Storage } else { Role::Served };
            let new = Schema::of_crd(new, version.name, server)?;
            Some(Pair { version: version.name.to_owned(), role, old: was.or_else(stored)?, new })
        });
        let pairs = pairs.collect();
        let names = old.versions().map(|version| version.name).chain([old.storage_version()]);
        let kept = names.filter_map(|name| Some((name.to_owned(), Schema::of_crd(old, name, server)?))).collect();
        Self { crd: new.name().to_owned(), pairs, kept, found: Evidence { source, ..Evidence::default() } }
    }

    /// Judges one live object.
    pub fn look(&mut self, object: &Value) {
        self.look_from(object, "live");
    }

    /// Judges one object from a file, which is named as `FILE:LINE`.
    pub fn look_from(&mut self, object: &Value, source: &str) {
        self.found.looked_at += 1;
        let object = &self.as_kept(object);
        let told: Vec<ObjectVerdict> = self.pairs.iter().filter_map(|pair| self.hurt(pair, object, source)).collect();
        let unsure = told.iter().find(|one| one.create == Verdict::Undetermined).map(|one| one.object.clone());
        if let Some(object) = unsure {
            self.found.undetermined.get_or_insert(format!("{object} cannot be judged here in every rule"));
        }
        let hurt: Vec<ObjectVerdict> = told.into_iter().filter(hurts).collect();
        if hurt.is_empty() {
            return;
        }
        self.found.hurt += 1;
        for one in &hurt {
            let fields = one.errors.iter().map(|error| &error.path).chain(&one.pruned);
            for field in fields {
                let place = (one.version.clone(), without_indices(field));
                self.found.places.entry(place).or_default().insert(self.found.looked_at);
            }
        }
        if self.found.objects.len() < TOLD {
            self.found.objects.extend(hurt);
        }
    }

    /// As the old CRD keeps it: what it fills in is stored, and is what the new one meets.
    fn as_kept(&self, object: &Value) -> Value {
        let version = ObjectRef::of(object).map(|object| object.version().to_owned());
        let own = self.kept.iter().find(|(name, _)| Some(name) == version.as_ref()).or_else(|| self.kept.last());
        let mut kept = own.map_or_else(|| object.clone(), |(_, schema)| schema.kept(object));
        kept["apiVersion"] = object["apiVersion"].clone();
        kept
    }

    /// Remembers that not everything could be looked at.
    pub fn could_not_look(&mut self, reason: impl Into<String>) {
        self.found.undetermined.get_or_insert(reason.into());
    }

    /// What came of it.
    #[must_use]
    pub fn done(self) -> Evidence {
        self.found
    }

    fn hurt(&self, pair: &Pair, object: &Value, source: &str) -> Option<ObjectVerdict> {
        let is = pair.new.judge(object);
        // Nearly all of them: whatever the old schema said, this one takes it whole.
        if is.create == Verdict::Valid && is.pruned.is_empty() {
            return None;
        }
        let was = pair.old.judge(object);
        let more = |now: &[String], then: &[String]| -> Vec<String> {
            now.iter().filter(|path| !then.contains(path)).cloned().collect()
        };
        let (pruned, defaulted) = (more(&is.pruned, &was.pruned), more(&is.defaulted, &was.defaulted));
        let same = is.create == was.create && is.unchanged_update == was.unchanged_update;
        let kept = pair.old.kept(object) == pair.new.kept(object);
        // What could not be judged before and cannot be judged now, for the same reasons, is not this change's doing.
        let as_unsure = is.undetermined == was.undetermined;
        if same && kept && pruned.is_empty() && defaulted.is_empty() && as_unsure {
            return None;
        }
        // What was invalid before is not this change's doing.
        let errors = is.errors.into_iter().filter(|error| !was.errors.contains(error)).collect();
        Some(ObjectVerdict {
            object: ObjectRef::of(object).map(|object| object.to_string()).unwrap_or_default(),
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
fn hurts(one: &ObjectVerdict) -> bool {
    !one.pruned.is_empty() || (one.create == Verdict::Invalid && !one.errors.is_empty())
}
